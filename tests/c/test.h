/* What the C tests share. */
#ifndef TEST_H
#define TEST_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cotas.h"

/* A text and its length. */
#define TEXT(text) (text), strlen(text)
#define NONE NULL, 0

/* 2026-05-19T12:00:00Z */
#define MAY_19 INT64_C(1779192000000)
#define DAY INT64_C(86400000)

static cotas_error error = {sizeof error, 0, {0}};

#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "%s:%d: %s (error %d: %s)\n", __FILE__, __LINE__, #condition,        \
                    (int)error.code, error.message);                                             \
            abort();                                                                             \
        }                                                                                        \
    } while (0)

#define OK(call) CHECK((call) == COTAS_OK)

static const char CATALOG[] =
    "[catalog]\ncurrency = \"BRL\"\ntime_zone = \"America/Sao_Paulo\"\nadministrator_seat = \"users\"\n"
    "[resources.sessions]\nkind = \"session\"\n"
    "[resources.credits]\nkind = \"allowance\"\n"
    "[resources.sms]\nkind = \"allowance\"\n"
    "[resources.users]\nkind = \"seat\"\n"
    "[resources.channels]\nkind = \"seat\"\n"
    "warning = { en = \"Use WhatsApp Business\", pt = \"Use o WhatsApp Business\" }\n"
    "[resources.calls]\nkind = \"lease\"\nttl = \"60s\"\n"
    "[resources.storage]\nkind = \"meter\"\nreset = \"never\"\n"
    "[resources.pair]\nkind = \"rate\"\nevery = \"6s\"\nburst = 2\n"
    "[plans.starter]\ntitle = \"Starter\"\nprice = \"99.00\"\n"
    "[plans.starter.limits]\nsessions = 3\ncredits = 100\nsms = 10\nusers = 2\nchannels = 1\n"
    "calls = 1\nstorage = 100\n"
    "[plans.starter.features]\nrecording = false\nanalytics = \"basic\"\n"
    "[plans.full]\ntitle = \"Full\"\nprice = \"299.00\"\n"
    "[plans.full.limits]\nsessions = 1000\ncredits = \"unlimited\"\nsms = 100\nusers = 30\n"
    "channels = 1\n"
    "[plans.full.features]\nrecording = true\nanalytics = \"full\"\n"
    "[plans.agreed]\ntitle = \"Agreed\"\nprice = \"custom\"\n"
    "[packages.channels]\ntitle = \"API PLUS\"\nresource = \"channels\"\n"
    "prices = { 1 = \"5.00\", 10 = \"35.00\" }\n"
    "[packages.lines]\ntitle = \"Lines\"\nresource = \"calls\"\nrecurring = true\n"
    "prices = { 1 = \"9.00\" }\n"
    "[actions.receive_message]\ngate = \"receive\"\n"
    "session = { resource = \"sessions\", extend = true }\n"
    "[actions.send_message]\ngate = \"send\"\nsession = { resource = \"sessions\" }\n"
    "[actions.send_sms]\ngate = \"send\"\ncharge = { sms = 1 }\n"
    "[actions.seal]\ncharge = { credits = \"quantity\" }\n"
    "[actions.begin_call]\nlease = { resource = \"calls\" }\n";

static const char TENANT[] =
    "{ \"name\": \"padaria\", \"plan\": { \"name\": \"starter\", \"first_due\": \"2026-05-20\","
    " \"auto_renew\": true } }";

/* The result of the latest operation, and its length with the NUL. */
static char result[65536];
static size_t result_bytes;

/* Calls an operation of the control plane under a key, or NULL. Its arguments are JSON with ' for
 * every quotation mark, formatted as printf does. */
static inline int32_t ask_once(const cotas_engine *engine, const char *operation, const char *key,
                               const char *format, ...) {
    char arguments[8192], *at;
    va_list values;
    int length;
    va_start(values, format);
    length = vsnprintf(arguments, sizeof arguments, format, values);
    va_end(values);
    CHECK(length >= 0 && (size_t)length < sizeof arguments);
    for (at = arguments; (at = strchr(at, '\'')) != NULL;) {
        *at = '"';
    }
    return cotas_call(engine, TEXT(operation), TEXT(arguments), key, key == NULL ? 0 : strlen(key),
                      result, sizeof result, &result_bytes, &error);
}

#define ask(engine, operation, ...) ask_once(engine, operation, NULL, __VA_ARGS__)

/* An engine in memory at MAY_19, with the catalog and the tenant above. */
static inline cotas_engine *open_engine(void) {
    cotas_options *options = NULL;
    cotas_engine *engine = NULL;
    OK(cotas_options_new(&options, &error));
    OK(cotas_options_set_time(options, MAY_19, &error));
    OK(cotas_engine_open_in_memory(options, &engine, &error));
    OK(cotas_options_close(options));
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(ask(engine, "create_tenant", "{'form': %s}", TENANT));
    return engine;
}

static inline cotas_tenant *open_tenant(const cotas_engine *engine) {
    cotas_tenant *tenant = NULL;
    OK(cotas_tenant_open(engine, TEXT("padaria"), &tenant, &error));
    return tenant;
}

static inline cotas_decision empty_decision(void) {
    cotas_decision decision;
    memset(&decision, 0xff, sizeof decision);
    decision.struct_size = sizeof decision;
    return decision;
}

#endif
