/* A decision through the C ABI allocates nothing. */

#include "test.h"

static int counting;
static unsigned long allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size) {
    allocations += (unsigned long)counting;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations += (unsigned long)counting;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    allocations += (unsigned long)counting;
    return __libc_realloc(old, size);
}

int main(void) {
    cotas_engine *engine = NULL;
    cotas_tenant *tenant = NULL;
    cotas_options *options = NULL;
    cotas_decision decision = empty_decision();
    uint32_t credits = 0;
    int round;
    OK(cotas_options_new(&options, &error));
    OK(cotas_options_set_maintenance(options, COTAS_MAINTENANCE_EXTERNAL, &error));
    OK(cotas_options_set_time(options, MAY_19, &error));
    OK(cotas_engine_open_in_memory(options, &engine, &error));
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(ask(engine, "create_tenant", "{'form': %s}", TENANT));
    tenant = open_tenant(engine);
    OK(cotas_resource(engine, TEXT("credits"), &credits, &error));
    for (round = 0; round < 100; round++) {
        /* The first round may grow the live file. */
        counting = round > 0;
        OK(cotas_consume_id(tenant, credits, 1, &decision, &error));
        OK(cotas_check_id(tenant, credits, 1, &decision, &error));
        OK(cotas_consume(tenant, TEXT("credits"), 1, NONE, &decision, &error));
        OK(cotas_perform(tenant, TEXT("receive_message"), TEXT("w"), TEXT("c-1"), 1, 0, NONE,
                         &decision, &error));
        OK(cotas_admit(tenant, TEXT("sessions"), COTAS_DIRECTION_INBOUND, TEXT("w"), TEXT("c-1"), 0,
                       NONE, &decision, &error));
        counting = 0;
    }
    CHECK(!decision.allowed || decision.session_expires_at_ms > 0);
    CHECK(allocations == 0);
    free(malloc(1));
    counting = 1;
    free(malloc(1));
    counting = 0;
    CHECK(allocations == 1); /* It does count. */
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(engine));
    OK(cotas_options_close(options));
    return 0;
}
