/* Usage: tight DATABASE PAGE INDEX. One unit after another by two threads through the C ABI, with two
 * counters in a shared page: how often it was about to, and how often it was acknowledged. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cotas.h>

#define PAGE_BYTES (64 << 10)
#define TIGHT_AT 64

static uint64_t *counters;
static const cotas_tenant *tenant;
static volatile int is_over;

static void *loop(void *unused) {
    (void)unused;
    while (!is_over) {
        cotas_decision decision;
        cotas_error error;
        int32_t code;
        memset(&decision, 0, sizeof decision);
        memset(&error, 0, sizeof error);
        decision.struct_size = sizeof decision;
        error.struct_size = sizeof error;
        __atomic_fetch_add(&counters[0], 1, __ATOMIC_RELEASE);
        code = cotas_consume(tenant, "credits", 7, 1, NULL, 0, &decision, &error);
        if (code == COTAS_OK && decision.allowed) {
            __atomic_fetch_add(&counters[1], 1, __ATOMIC_RELEASE);
        } else {
            __atomic_fetch_sub(&counters[0], 1, __ATOMIC_RELEASE);
            if (code != COTAS_OK && code != COTAS_E_BUSY) {
                fprintf(stderr, "tight.c: %d %s\n", (int)code, error.message);
                exit(1);
            }
        }
    }
    return NULL;
}

int main(int count, char **words) {
    cotas_options *options = NULL;
    cotas_engine *engine = NULL;
    cotas_tenant *found = NULL;
    cotas_error error;
    pthread_t threads[2];
    char byte;
    int page, code, index;
    if (count != 4 || (page = open(words[2], O_RDWR)) < 0) {
        return 2;
    }
    counters = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (counters == MAP_FAILED) {
        return 2;
    }
    counters += TIGHT_AT + 2 * atoi(words[3]);
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    code = cotas_options_new(&options, &error);
    if (code == COTAS_OK) {
        code = cotas_options_set_maintenance(options, COTAS_MAINTENANCE_EXTERNAL, &error);
    }
    /* Another may be opening it, or hold the tenant, and may have been stopped. */
    while (code == COTAS_OK && engine == NULL) {
        code = cotas_engine_open(words[1], strlen(words[1]), options, &engine, &error);
        code = code == COTAS_E_OPEN_BUSY || code == COTAS_E_STORE_BUSY ? COTAS_OK : code;
    }
    while (code == COTAS_OK && found == NULL) {
        code = cotas_tenant_open(engine, "tight", 5, &found, &error);
        code = code == COTAS_E_BUSY ? COTAS_OK : code;
    }
    if (code != COTAS_OK) {
        fprintf(stderr, "tight.c, opening: %d %s\n", code, error.message);
        return 1;
    }
    tenant = found;
    for (index = 0; index < 2; index++) {
        pthread_create(&threads[index], NULL, loop, NULL);
    }
    while (read(0, &byte, 1) > 0) {
    }
    is_over = 1;
    for (index = 0; index < 2; index++) {
        pthread_join(threads[index], NULL);
    }
    cotas_tenant_close(found);
    cotas_engine_close(engine);
    cotas_options_close(options);
    return 0;
}
