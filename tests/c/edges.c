/* What is wrong is reported, and changes nothing: sizes, buffers, texts, handles, and the engine's own
 * errors. misuse.c has NULL everywhere. */
#include "test.h"

static void sizes(const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    cotas_error wrong = {sizeof wrong, 7, "left over"};
    struct {
        cotas_decision decision;
        char later[16];
    } newer;
    decision.struct_size = sizeof decision - 1;
    CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error) == COTAS_E_STRUCT_SIZE);
    CHECK(decision.struct_size == sizeof decision - 1 && decision.used == UINT64_MAX);
    decision.struct_size = 0;
    CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error) == COTAS_E_STRUCT_SIZE);
    decision.struct_size = UINT32_MAX;
    CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error) == COTAS_E_STRUCT_SIZE);
    /* A struct of a later header: all of it is filled. */
    memset(&newer, 0xff, sizeof newer);
    newer.decision.struct_size = sizeof newer;
    OK(cotas_check(tenant, TEXT("sms"), 1, &newer.decision, &error));
    CHECK(newer.decision.struct_size == sizeof newer && newer.decision.allowed == 1);
    CHECK(newer.later[0] == 0 && newer.later[15] == 0);
    /* Filled with 0 where there is nothing to report. */
    decision = empty_decision();
    CHECK(cotas_check(tenant, TEXT("none"), 1, &decision, &wrong) == COTAS_E_UNKNOWN_RESOURCE);
    CHECK(decision.used == 0 && decision.charges[5].units == 0 && decision.receipt[39] == 0);
    CHECK(wrong.code == COTAS_E_UNKNOWN_RESOURCE && strstr(wrong.message, "\"none\"") != NULL);
    OK(cotas_check(tenant, TEXT("sms"), 1, &decision, &wrong));
    CHECK(wrong.code == 0 && wrong.message[0] == '\0' && wrong.struct_size == sizeof wrong);
    wrong.struct_size = 8;
    CHECK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &wrong) == COTAS_E_STRUCT_SIZE);
    OK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, NULL));
    CHECK(decision.used == 1);
}

static void buffers(const cotas_engine *engine) {
    char buffer[64];
    size_t needed = 9;
    uint32_t sms = 0;
    OK(cotas_resource(engine, TEXT("sms"), &sms, &error));
    memset(buffer, 'x', sizeof buffer);
    CHECK(cotas_resource_name(engine, sms, buffer, 0, &needed, &error) == COTAS_E_BUFFER);
    CHECK(needed == 4 && buffer[0] == 'x');
    CHECK(cotas_resource_name(engine, sms, NULL, 0, &needed, &error) == COTAS_E_BUFFER);
    CHECK(cotas_resource_name(engine, sms, buffer, 1, &needed, &error) == COTAS_E_BUFFER);
    CHECK(buffer[0] == '\0' && buffer[1] == 'x');
    CHECK(cotas_resource_name(engine, sms, buffer, 3, &needed, &error) == COTAS_E_BUFFER);
    CHECK(buffer[0] == '\0' && buffer[1] == 'x');
    OK(cotas_resource_name(engine, sms, buffer, 4, &needed, &error));
    CHECK(strcmp(buffer, "sms") == 0 && buffer[4] == 'x');
    OK(cotas_resource_name(engine, sms, buffer, sizeof buffer, NULL, &error));
    CHECK(cotas_resource_name(engine, sms, NULL, 4, &needed, &error) == COTAS_E_NULL);
    CHECK(cotas_resource_name(engine, 999, buffer, 9, &needed, &error) == COTAS_E_UNKNOWN_RESOURCE);
    CHECK(needed == 0 && buffer[0] == '\0');
}

static void texts(const cotas_engine *engine, const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    cotas_tenant *none = (cotas_tenant *)(uintptr_t)8;
    char longest[5000];
    CHECK(cotas_check(tenant, "\xff\xfe", 2, 1, &decision, &error) == COTAS_E_UTF8);
    CHECK(cotas_check(tenant, NULL, 3, 1, &decision, &error) == COTAS_E_NULL);
    CHECK(cotas_check(tenant, NULL, 0, 1, &decision, &error) == COTAS_E_UNKNOWN_RESOURCE);
    CHECK(cotas_check(tenant, "smsx", SIZE_MAX, 1, &decision, &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_tenant_open(engine, TEXT(""), &none, &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(none == NULL);
    memset(longest, 'y', sizeof longest);
    CHECK(cotas_tenant_open(engine, longest, sizeof longest, &none, &error) ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_load_catalog(engine, TEXT("[plans.\xc3\xa7]\nprice = 1"), TEXT("c.toml"), NULL,
                             &error) == COTAS_E_CATALOG);
    CHECK(strstr(error.message, "c.toml:") != NULL);
    CHECK(ask(engine, "create_tenant", "{'form': {'nome': 'x'}}") == COTAS_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "nome: unknown field") != NULL);
    CHECK(cotas_perform_with(tenant, TEXT("seal"), TEXT("{\"many\": 3}"), NONE, &decision,
                             &error) == COTAS_E_INVALID_ARGUMENT);
    /* A contact may be a phone number, which no message repeats. */
    CHECK(cotas_perform_with(tenant, TEXT("seal"), TEXT("{\"contact\": 5500900000001}"), NONE,
                             &decision, &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "must be text") != NULL && strstr(error.message, "0000001") == NULL);
    CHECK(ask(engine, "ensure_tenants", "{'forms': [{'name': 'a'}, {'nome': 'x'}]}") ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_tenant_open(engine, TEXT("a"), &none, &error) == COTAS_E_UNKNOWN_TENANT);
}

static void closed_and_foreign_handles(void) {
    cotas_engine *engine = open_engine(), *made = NULL;
    cotas_tenant *tenant = open_tenant(engine), *again;
    cotas_options *options = NULL;
    cotas_decision decision = empty_decision();
    int round;
    CHECK(cotas_check((cotas_tenant *)engine, TEXT("sms"), 1, &decision, &error) == COTAS_E_HANDLE);
    CHECK(cotas_engine_open_in_memory((cotas_options *)tenant, &made, &error) == COTAS_E_HANDLE);
    CHECK(made == NULL);
    CHECK(cotas_engine_close((cotas_engine *)tenant) == COTAS_E_HANDLE);
    /* A tenant keeps its engine. */
    OK(cotas_engine_close(engine));
    CHECK(cotas_engine_close(engine) == COTAS_E_HANDLE);
    CHECK(ask(engine, "settle", "{'tenant': 'padaria'}") == COTAS_E_HANDLE);
    OK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error));
    OK(cotas_tenant_close(tenant));
    CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error) == COTAS_E_HANDLE);
    CHECK(decision.allowed == 0 && decision.limit == 0);
    CHECK(cotas_tenant_close(tenant) == COTAS_E_HANDLE);
    /* A place that is used again has another number. */
    engine = open_engine();
    for (round = 0; round < 1000; round++) {
        again = open_tenant(engine);
        CHECK(again != tenant);
        CHECK(cotas_check(tenant, TEXT("sms"), 1, &decision, &error) == COTAS_E_HANDLE);
        OK(cotas_tenant_close(again));
    }
    OK(cotas_engine_close(engine));
    OK(cotas_options_new(&options, &error));
    OK(cotas_options_close(options));
    CHECK(cotas_options_set_time(options, 0, &error) == COTAS_E_HANDLE);
    OK(cotas_options_close(NULL));
    OK(cotas_engine_close(NULL));
    OK(cotas_tenant_close(NULL));
}

static void numbers(const cotas_engine *engine, const cotas_tenant *tenant) {
    cotas_options *options = NULL;
    cotas_decision decision = empty_decision();
    cotas_engine *other = NULL;
    cotas_tenant *again = (cotas_tenant *)(uintptr_t)8;
    OK(cotas_options_new(&options, &error));
    CHECK(cotas_options_set_durability(options, 0, &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_options_set_maintenance(options, 9, &error) == COTAS_E_INVALID_ARGUMENT);
    OK(cotas_options_close(options));
    CHECK(cotas_engine_with_durability(engine, -1, &other, &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_admit(tenant, TEXT("sessions"), 3, NONE, TEXT("c"), 0, NONE, &decision, &error) ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_tenant_with_key_lifetime(tenant, 0, &again, &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_tenant_with_key_lifetime(tenant, 401 * DAY, &again, &error) ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(again == NULL);
    CHECK(cotas_consume_id(tenant, 70000, 1, &decision, &error) == COTAS_E_UNKNOWN_RESOURCE);
    CHECK(cotas_consume(tenant, TEXT("sms"), UINT64_MAX, NONE, &decision, &error) ==
          COTAS_E_INVALID_ARGUMENT);
}

static void the_engines_own(const cotas_engine *engine, const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    cotas_tenant *none = NULL;
    cotas_engine *other = NULL;
    static const char EVENT[] = "{'event': {'gateway': 'asaas', 'id': '%s', 'kind': '%s'}}";
    CHECK(cotas_engine_open(TEXT("/dev/null/x.db"), NULL, &other, &error) == COTAS_E_OPEN_IO);
    CHECK(cotas_tenant_open(engine, TEXT("stranger"), &none, &error) == COTAS_E_UNKNOWN_TENANT);
    CHECK(ask(engine, "create_tenant", "{'form': %s}", TENANT) == COTAS_E_TENANT_EXISTS);
    CHECK(cotas_perform(tenant, TEXT("fly"), NONE, NONE, 1, 0, NONE, &decision, &error) ==
          COTAS_E_UNKNOWN_ACTION);
    CHECK(ask(engine, "schedule_plan", "{'tenant': 'padaria', 'plan': 'gold'}") ==
          COTAS_E_UNKNOWN_PLAN);
    CHECK(cotas_consume(tenant, TEXT("users"), 1, NONE, &decision, &error) == COTAS_E_WRONG_KIND);
    CHECK(ask(engine, "set_status", "{'tenant': 'padaria', 'status': 'demo'}") ==
          COTAS_E_TRANSITION);
    CHECK(ask(engine, "feature", "{'tenant': 'padaria', 'name': 'none'}") ==
          COTAS_E_UNKNOWN_FEATURE);
    CHECK(ask(engine, "apply_payment", EVENT, "e", "paid") == COTAS_E_PAYLOAD);
    CHECK(strstr(error.message, "\"payment\"") != NULL && result[0] == '\0');
    CHECK(ask(engine, "apply_payment", EVENT, "", "paid") == COTAS_E_PAYLOAD);
    CHECK(ask(engine, "apply_payment", EVENT, "e", "payed") == COTAS_E_INVALID_ARGUMENT);
    CHECK(ask(engine, "mark_paid", "{'invoice': 99}") == COTAS_E_UNKNOWN_INVOICE);
    CHECK(ask(engine, "plan_report", "{'tenant': 'padaria', 'role': 'agent'}") ==
          COTAS_E_ROLE_TOO_LOW);
    CHECK(ask(engine, "validate_document",
              "{'document': '12.345.678/0001-90', 'type': 'cnpj'}") == COTAS_E_DOCUMENT);
    CHECK(cotas_seat_replace(tenant, TEXT("users"), TEXT("a"), TEXT("b"), &error) ==
          COTAS_E_SEAT_NOT_HELD);
    CHECK(cotas_lease_release(tenant, TEXT("calls"), TEXT("a"), 1, &error) == COTAS_E_LEASE_NOT_HELD);
    CHECK(cotas_commit(tenant, TEXT("r-1-1-1"), &error) != COTAS_OK);
    CHECK(cotas_refund(tenant, TEXT("nonsense"), &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(cotas_perform_with(tenant, TEXT("seal"), TEXT("{\"tariff\": 9}"), NONE, &decision,
                             &error) == COTAS_E_TARIFF_CHANGED);
    CHECK(cotas_engine_set_time(engine, MAY_19 + 500 * DAY, &error) == COTAS_OK);
    CHECK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &error) == COTAS_E_CLOCK_JUMP);
    OK(cotas_engine_set_time(engine, MAY_19, &error));
    OK(cotas_consume(tenant, TEXT("sms"), 1, TEXT("k"), &decision, &error));
    CHECK(cotas_consume(tenant, TEXT("sms"), 2, TEXT("k"), &decision, &error) ==
          COTAS_E_IDEMPOTENCY_CONFLICT);
    CHECK(ask(engine, "quote_package", "{'package': 'none', 'quantity': 1}") ==
          COTAS_E_UNKNOWN_PACKAGE);
    CHECK(ask(engine, "change_plan", "{'tenant': 'padaria', 'plan': 'agreed', 'usage': 'carry'}") ==
          COTAS_E_PRICE_MISSING);
    OK(ask(engine, "move_to_newest_version", "{'tenant': 'padaria'}"));
}

/* Another number in place of the one that a decision gave. */
static char *with_another_end(const char *name) {
    static char text[64];
    char *last = text + sprintf(text, "%.60s", name) - 1;
    *last = *last == '0' ? '1' : '0';
    return text;
}

/* What a decision named: a number that was never given, and one from before the live file was made
 * again. */
static void names_of_decisions(const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    char text[64];
    OK(cotas_reserve(tenant, TEXT("{\"sms\": 1}"), 60000, TEXT("r"), &decision, &error));
    OK(cotas_commit(tenant, TEXT(decision.reservation), &error));
    CHECK(cotas_release(tenant, TEXT(decision.reservation), &error) == COTAS_E_ALREADY_RESOLVED);
    CHECK(cotas_commit(tenant, TEXT(with_another_end(decision.reservation)), &error) ==
          COTAS_E_UNKNOWN_RESERVATION);
    sprintf(text, "%c-9%s", decision.reservation[0], decision.reservation + 2);
    CHECK(cotas_commit(tenant, TEXT(text), &error) == COTAS_E_STALE);
    OK(cotas_consume(tenant, TEXT("sms"), 1, TEXT("c"), &decision, &error));
    CHECK(cotas_refund(tenant, TEXT(with_another_end(decision.receipt)), &error) ==
          COTAS_E_UNKNOWN_RECEIPT);
    OK(cotas_refund(tenant, TEXT(decision.receipt), &error));
    CHECK(cotas_refund(tenant, TEXT(decision.receipt), &error) == COTAS_E_ALREADY_REFUNDED);
}

static void seats_and_sales(void) {
    static const char SHOP[] =
        "[resources.lines]\nkind = \"seat\"\ntoken = \"required\"\n"
        "[plans.closed]\ntitle = \"Closed\"\nprice = \"9.00\"\nextras = false\n"
        "limits = { lines = 5 }\n"
        "[packages.lines]\ntitle = \"Lines\"\nresource = \"lines\"\nprices = { 1 = \"5.00\" }\n";
    static const char BUY[] = "{'tenant': '%s', 'package': 'lines', 'quantity': 1}";
    static const char ACME[] =
        "{\"name\": \"acme\", \"plan\": {\"name\": \"closed\", \"first_due\": \"2096-05-20\","
        " \"auto_renew\": true}, \"holder\": {\"person\": \"natural\", \"document\": {\"type\": "
        "\"cpf\", \"number\": \"529.982.247-25\"}, \"administrator\": {\"name\": \"Ana\","
        " \"email\": \"ana@example.com\", \"phone\": \"+55 11 1\"}}}";
    cotas_engine *engine = NULL;
    cotas_tenant *tenant = NULL;
    cotas_decision decision = empty_decision();
    OK(cotas_engine_open_in_memory(NULL, &engine, &error));
    OK(cotas_load_catalog(engine, TEXT(SHOP), TEXT("shop.toml"), NULL, &error));
    OK(ask(engine, "create_tenant", "{'form': %s}", ACME));
    OK(ask(engine, "create_tenant", "{'form': {'name': 'free'}}"));
    OK(cotas_tenant_open(engine, TEXT("acme"), &tenant, &error));
    CHECK(cotas_seat_occupy(tenant, TEXT("lines"), TEXT("l-1"), 0, NONE, &decision, &error) ==
          COTAS_E_TOKEN_MISSING);
    OK(cotas_seat_occupy(tenant, TEXT("lines"), TEXT("l-1"), 0, TEXT("a secret token"), &decision,
                         &error));
    CHECK(cotas_seat_occupy(tenant, TEXT("lines"), TEXT("l-2"), 0, TEXT("a secret token"),
                            &decision, &error) == COTAS_E_TOKEN_TAKEN);
    CHECK(strstr(error.message, "secret") == NULL);
    CHECK(ask(engine, "buy", BUY, "acme") == COTAS_E_NOT_FOR_SALE);
    CHECK(ask(engine, "buy", BUY, "free") == COTAS_E_NO_SUBSCRIPTION);
    CHECK(ask(engine, "quote_package",
              "{'package': 'lines', 'quantity': 9223372036854775807}") == COTAS_E_PRICE);
    CHECK(ask(engine, "validate_document",
              "{'document': '529.982.247-25', 'type': 'cpf'}") == COTAS_E_DOCUMENT_IN_USE);
    CHECK(strstr(error.message, "529") == NULL);
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(engine));
}

int main(void) {
    cotas_engine *engine = open_engine();
    cotas_tenant *tenant = open_tenant(engine);
    sizes(tenant);
    buffers(engine);
    texts(engine, tenant);
    numbers(engine, tenant);
    the_engines_own(engine, tenant);
    names_of_decisions(tenant);
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(engine));
    closed_and_foreign_handles();
    seats_and_sales();
    return 0;
}
