/* The shortest story: open, catalog, tenant, messages until one is refused, renewal by a passed
 * time, statement. In memory, or in the database that is named. */
#include <stdio.h>
#include <string.h>

#include "cotas.h"

#define TEXT(text) (text), strlen(text)

static const char CATALOG[] =
    "[resources.sessions]\nkind = \"session\"\n"
    "[plans.starter]\ntitle = \"Starter\"\nprice = \"99.00\"\n"
    "limits = { sessions = 3 }\n"
    "[actions.receive_message]\ngate = \"receive\"\n"
    "session = { resource = \"sessions\", extend = true }\n";

static const char TENANT[] =
    "{ \"form\": { \"name\": \"padaria\", \"time_zone\": \"America/Sao_Paulo\","
    "  \"plan\": { \"name\": \"starter\", \"first_due\": \"2026-05-20\", \"auto_renew\": true } } }";

#define MAY_19 INT64_C(1779192000000) /* 2026-05-19T12:00:00Z */
#define DAY INT64_C(86400000)

static cotas_error error;

static int failed(int32_t code, const char *doing) {
    if (code != COTAS_OK) {
        fprintf(stderr, "%s: %d: %s\n", doing, (int)code, error.message);
    }
    return code != COTAS_OK;
}

static int allowed(const cotas_tenant *tenant, int contact) {
    cotas_decision decision;
    char name[16];
    int32_t code;
    decision.struct_size = sizeof decision;
    sprintf(name, "c-%d", contact);
    code = cotas_perform(tenant, TEXT("receive_message"), TEXT("whatsapp"), TEXT(name), 1, 0, NULL,
                         0, &decision, &error);
    if (failed(code, "perform")) {
        return -1;
    }
    return (int)decision.allowed;
}

int main(int count, char **arguments) {
    cotas_options *options = NULL;
    cotas_engine *engine = NULL;
    cotas_tenant *tenant = NULL;
    char statement[8192];
    size_t needed = 0;
    int contact, allowances = 0;
    error.struct_size = sizeof error;
    if (failed(cotas_options_new(&options, &error), "options") ||
        failed(cotas_options_set_time(options, MAY_19, &error), "time") ||
        failed(count > 1 ? cotas_engine_open(TEXT(arguments[1]), options, &engine, &error)
                         : cotas_engine_open_in_memory(options, &engine, &error),
               "open") ||
        failed(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("story.toml"), NULL, &error),
               "catalog") ||
        failed(cotas_call(engine, TEXT("create_tenant"), TEXT(TENANT), NULL, 0, NULL, 0, NULL,
                          &error),
               "create") ||
        failed(cotas_tenant_open(engine, TEXT("padaria"), &tenant, &error), "tenant")) {
        return 1;
    }
    for (contact = 0; contact < 5; contact++) {
        allowances += allowed(tenant, contact);
    }
    if (allowances != 3 || failed(cotas_engine_set_time(engine, MAY_19 + 2 * DAY, &error), "set time") ||
        allowed(tenant, 4) != 1) {
        fprintf(stderr, "%d were allowed\n", allowances);
        return 1;
    }
    if (failed(cotas_call(engine, TEXT("statement"), TEXT("{\"tenant\": \"padaria\"}"), NULL, 0,
                          statement, sizeof statement, &needed, &error),
               "statement")) {
        return 1;
    }
    puts(statement);
    cotas_tenant_close(tenant);
    cotas_engine_close(engine);
    cotas_options_close(options);
    return strstr(statement, "\"available\":2") == NULL;
}
