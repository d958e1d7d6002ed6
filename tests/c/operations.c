/* Every operation does what it says: each function of the header is called with success. */
#include <unistd.h>

#include "test.h"

#define SPACE result, sizeof result, &result_bytes

/* The result has the length that was reported, and in it this. */
static int says(const char *text) {
    int found = strlen(result) + 1 == result_bytes && strstr(result, text) != NULL;
    if (!found) {
        fprintf(stderr, "it says: %s\n", result);
    }
    return found;
}

/* The result is this, whole. */
static int is(const char *text) {
    return says(text) && strcmp(result, text) == 0;
}

/* A number that the result names. */
static int64_t number_of(const char *name) {
    const char *at = strstr(result, name);
    CHECK(at != NULL);
    return strtoll(at + strlen(name) + 2, NULL, 10);
}

#define FORM                                                                                     \
    "{'form': {'name': 'aurora', 'holder': {'person': 'legal', 'administrator': {'name': 'Ana', " \
    "'email': 'ana@aurora.example', 'phone': '+55 11 5555-0100'}}}}"
#define OF_PADARIA "{'tenant': 'padaria'}"

/* What is wrong is reported field by field; what is right is created as a whole. */
static void accounts(const cotas_engine *engine) {
    OK(ask(engine, "validate", "{'form': {'name': 'aurora', 'holder': {'person': 'legal'}}}"));
    CHECK(says("\"summary\":null") && says("holder.administrator.phone"));
    CHECK(ask(engine, "register", "{'form': {'name': 'aurora'}}") == COTAS_E_INVALID_FORM);
    OK(ask(engine, "validate", FORM));
    CHECK(says("\"problems\":[]") && says("\"name\":\"aurora\""));
    OK(ask(engine, "register", FORM));
    CHECK(is("\"aurora\""));
    CHECK(ask(engine, "register", FORM) == COTAS_E_TENANT_EXISTS);
    OK(ask(engine, "export", "{'tenant': 'aurora'}"));
    CHECK(says("ana@aurora.example"));
    CHECK(ask(engine, "erase", "{'tenant': 'aurora'}") == COTAS_E_INVALID_ARGUMENT);
    OK(ask(engine, "set_status", "{'tenant': 'aurora', 'status': 'cancelled', 'reason': 'left'}"));
    OK(ask(engine, "erase", "{'tenant': 'aurora'}"));
    OK(ask(engine, "erased_accounts", "{}"));
    CHECK(is("[]"));
}

static void decisions(const cotas_engine *engine, const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    uint32_t sms = 0;
    OK(cotas_resource(engine, TEXT("sms"), &sms, &error));
    OK(cotas_resource_name(engine, sms, SPACE, &error));
    CHECK(says("sms"));
    OK(cotas_check(tenant, TEXT("sms"), 3, &decision, &error));
    CHECK(decision.allowed && decision.used == 3 && decision.available == 7);
    OK(cotas_check_id(tenant, sms, 11, &decision, &error));
    CHECK(!decision.allowed && decision.reason == COTAS_REASON_QUOTA_EXHAUSTED);
    CHECK(decision.reasons == 1u << COTAS_REASON_QUOTA_EXHAUSTED && decision.units == 11);
    OK(cotas_consume_id(tenant, sms, 2, &decision, &error));
    CHECK(decision.allowed && decision.used == 2 && decision.limit == 10);
    CHECK(decision.mode == COTAS_MODE_FINITE && decision.resource == sms);
    CHECK(decision.charge_count == 1 && decision.charges[0].units == 2);
    CHECK(decision.charges[0].source == COTAS_SOURCE_PLAN && decision.receipt[0] == '\0');
    OK(cotas_consume(tenant, TEXT("credits"), 1, NONE, &decision, &error));
    CHECK(decision.allowed && decision.limit == 100);
    OK(cotas_admit(tenant, TEXT("sessions"), COTAS_DIRECTION_INBOUND, TEXT("w"), TEXT("c-1"), 0,
                   NONE, &decision, &error));
    CHECK(decision.allowed && (decision.flags & COTAS_FLAG_SESSION_OPENED) != 0);
    CHECK(decision.session_expires_at_ms == MAY_19 + DAY);
    OK(cotas_link_contact(tenant, TEXT("c-1"), TEXT("c-one"), &error));
    OK(cotas_perform(tenant, TEXT("receive_message"), TEXT("w"), TEXT("c-one"), 1, MAY_19, NONE,
                     &decision, &error));
    CHECK(decision.allowed && (decision.flags & COTAS_FLAG_SESSION_OPENED) == 0);
    OK(cotas_perform_with(tenant, TEXT("begin_call"), TEXT("{\"holder\": \"call-1\"}"), NONE,
                          &decision, &error));
    CHECK(decision.allowed && (decision.flags & COTAS_FLAG_LEASE_ACQUIRED) != 0);
    CHECK(decision.fencing > 0 && decision.lease_expires_at_ms == MAY_19 + 60000);
    OK(cotas_lease_release(tenant, TEXT("calls"), TEXT("call-1"), decision.fencing, &error));
    OK(cotas_check_action(tenant, TEXT("seal"), TEXT("{\"quantity\": 100}"), &decision, &error));
    CHECK(!decision.allowed && decision.available == 99);
    OK(cotas_quote(tenant, TEXT("seal"), TEXT("{\"quantity\": 4}"), SPACE, &error));
    CHECK(says("\"cost\":4") && says("\"resource\":\"credits\""));
    OK(ask(engine, "feature", "{'tenant': 'padaria', 'name': 'analytics'}"));
    CHECK(is("\"basic\""));
}

static void under_keys(const cotas_tenant *tenant) {
    cotas_decision first = empty_decision(), again = empty_decision();
    OK(cotas_consume(tenant, TEXT("sms"), 1, TEXT("order-1"), &first, &error));
    OK(cotas_consume(tenant, TEXT("sms"), 1, TEXT("order-1"), &again, &error));
    CHECK(strcmp(first.receipt, again.receipt) == 0 && first.receipt[0] == 'c');
    CHECK((again.flags & COTAS_FLAG_REPLAYED) != 0 && again.used == first.used);
    OK(cotas_charges_of(tenant, TEXT(first.receipt), SPACE, &error));
    CHECK(says("[{\"resource\":\"sms\",\"source\":\"plan\",\"units\":1}]"));
    OK(cotas_refund(tenant, TEXT(first.receipt), &error));
    CHECK(cotas_refund(tenant, TEXT(first.receipt), &error) == COTAS_E_ALREADY_REFUNDED);
}

static void keys_kept_for_a_minute(const cotas_tenant *tenant) {
    cotas_tenant *other = NULL;
    cotas_decision decision = empty_decision();
    OK(cotas_tenant_with_key_lifetime(tenant, 60000, &other, &error));
    OK(cotas_consume(other, TEXT("credits"), 1, TEXT("short-lived"), &decision, &error));
    OK(cotas_consume(other, TEXT("credits"), 1, TEXT("short-lived"), &decision, &error));
    CHECK((decision.flags & COTAS_FLAG_REPLAYED) != 0);
    OK(cotas_tenant_close(other));
}

static void reservations(const cotas_tenant *tenant) {
    cotas_decision held = empty_decision();
    OK(cotas_reserve(tenant, TEXT("{\"sms\": 2, \"credits\": 3}"), 60000, NONE, &held, &error));
    CHECK(held.allowed && held.reservation[0] == 'r');
    OK(cotas_commit_part(tenant, TEXT(held.reservation), TEXT("{\"sms\": 1}"), &error));
    CHECK(cotas_commit(tenant, TEXT(held.reservation), &error) == COTAS_E_ALREADY_RESOLVED);
    OK(cotas_reserve_action(tenant, TEXT("send_sms"), NONE, 60000, NONE, &held, &error));
    OK(cotas_commit(tenant, TEXT(held.reservation), &error));
    OK(cotas_reserve_action(tenant, TEXT("send_sms"), NONE, 60000, TEXT("order-2"), &held, &error));
    OK(cotas_release(tenant, TEXT(held.reservation), &error));
}

static void sends(const cotas_tenant *tenant) {
    cotas_decision held = empty_decision(), campaign = empty_decision();
    char details[160];
    int32_t outcome = 0;
    OK(cotas_quote_contacts(tenant, TEXT("send_message"), TEXT("[\"d-1\", \"d-2\", \"d-1\"]"), NONE,
                            SPACE, &error));
    CHECK(says("\"contacts\":2,\"opens\":2,\"continues\":0"));
    OK(cotas_reserve(tenant, TEXT("{\"sessions\": 2}"), DAY, NONE, &campaign, &error));
    CHECK(campaign.allowed);
    snprintf(details, sizeof details, "{\"contact\": \"d-1\", \"campaign\": \"%s\", \"message\": \"m-1\"}",
             campaign.reservation);
    OK(cotas_reserve_action(tenant, TEXT("send_message"), TEXT(details), DAY, NONE, &held, &error));
    CHECK(held.allowed && (held.flags & COTAS_FLAG_SESSION_OPENED) != 0 && held.available == 1);
    OK(cotas_report_delivery(tenant, TEXT("m-1"), COTAS_DELIVERY_FAILED, &outcome, &error));
    CHECK(outcome == COTAS_DELIVERY_RELEASED);
    OK(cotas_release(tenant, TEXT(campaign.reservation), &error));
    OK(cotas_reserve_action(tenant, TEXT("send_message"), TEXT("{\"contact\": \"d-2\"}"), DAY, NONE,
                            &held, &error));
    OK(cotas_sent(tenant, TEXT(held.reservation), TEXT("m-2"), &error));
    OK(cotas_report_delivery(tenant, TEXT("m-2"), COTAS_DELIVERY_SENT, &outcome, &error));
    CHECK(outcome == COTAS_DELIVERY_UNCHANGED);
    OK(cotas_report_delivery(tenant, TEXT("m-2"), COTAS_DELIVERY_READ, &outcome, &error));
    CHECK(outcome == COTAS_DELIVERY_COMMITTED);
    OK(cotas_report_delivery(tenant, TEXT("m-3"), COTAS_DELIVERY_DELIVERED, &outcome, &error));
    CHECK(outcome == COTAS_DELIVERY_UNKNOWN);
    CHECK(cotas_report_delivery(tenant, TEXT("m-3"), 9, &outcome, &error) != COTAS_OK);
    OK(cotas_perform_with(tenant, TEXT("receive_message"),
                          TEXT("{\"contact\": \"d-3\", \"also\": \"d-2\"}"), NONE, &held, &error));
    CHECK(held.allowed && (held.flags & COTAS_FLAG_SESSION_OPENED) == 0);
}

static void held_things(const cotas_engine *engine, const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    int64_t expires = 0;
    int32_t released = 0;
    OK(cotas_lease_check(tenant, TEXT("calls"), TEXT("call-2"), &decision, &error));
    OK(cotas_lease_acquire(tenant, TEXT("calls"), TEXT("call-2"), 0, NONE, &decision, &error));
    OK(cotas_lease_renew(tenant, TEXT("calls"), TEXT("call-2"), decision.fencing, 1000, &expires,
                         &error));
    CHECK(expires == MAY_19 + 1000);
    OK(cotas_lease_acquire(tenant, TEXT("calls"), TEXT("call-3"), 0, NONE, &decision, &error));
    CHECK(!decision.allowed && decision.retry_at_ms == MAY_19 + 1000);
    OK(cotas_meter_add(tenant, TEXT("storage"), 60, NONE, &decision, &error));
    OK(cotas_meter_subtract(tenant, TEXT("storage"), 10, NONE, &decision, &error));
    OK(cotas_meter_check(tenant, TEXT("storage"), 51, &decision, &error));
    CHECK(!decision.allowed && decision.used == 50);
    OK(cotas_meter_set(tenant, TEXT("storage"), 7, NONE, &decision, &error));
    CHECK(decision.allowed && decision.used == 7);
    OK(cotas_rate_check(tenant, TEXT("pair"), TEXT("c-1"), 2, &decision, &error));
    OK(cotas_rate_pass(tenant, TEXT("pair"), TEXT("c-1"), 2, NONE, &decision, &error));
    OK(cotas_rate_pass(tenant, TEXT("pair"), TEXT("c-1"), 1, NONE, &decision, &error));
    CHECK(!decision.allowed && decision.retry_at_ms == MAY_19 + 6000);
    OK(cotas_seat_warning(tenant, TEXT("channels"), SPACE, &error));
    CHECK(says("{\"en\":\"Use WhatsApp Business\",\"pt\":\"Use o WhatsApp Business\"}"));
    OK(cotas_seat_occupy(tenant, TEXT("channels"), TEXT("w-1"), 0, TEXT("a secret token"),
                         &decision, &error));
    CHECK(decision.allowed);
    OK(ask(engine, "verify_token", "{'token': 'a secret token'}"));
    CHECK(says("\"holder\":\"w-1\"") && says("\"tenant\":\"padaria\""));
    OK(cotas_seat_replace(tenant, TEXT("channels"), TEXT("w-1"), TEXT("w-2"), &error));
    OK(ask(engine, "seats", "{'tenant': 'padaria', 'resource': 'channels'}"));
    CHECK(says("\"w-2\"") && says("\"has_token\":true") && says("2026-05-19T12:00:00Z"));
    OK(ask(engine, "channels", "{'tenant': 'padaria', 'resource': 'channels'}"));
    CHECK(says("\"holder\":\"w-2\""));
    OK(cotas_seat_release(tenant, TEXT("channels"), TEXT("w-2"), &released, &error));
    CHECK(released == 1);
}

#define LOG (const uint8_t *)"a log", 5

static void replay(const cotas_tenant *tenant) {
    cotas_decision decision = empty_decision();
    OK(cotas_progress(tenant, LOG, SPACE, &error));
    CHECK(says("null"));
    OK(cotas_perform_next(tenant, LOG, MAY_19, 1, TEXT("receive_message"),
                          TEXT("{\"channel\": \"w\", \"contact\": \"c-1\"}"), NONE, &decision, &error));
    CHECK(decision.allowed);
    OK(cotas_perform_next(tenant, LOG, MAY_19, 7, TEXT("seal"), TEXT("{\"quantity\": 1000}"), NONE,
                          &decision, &error));
    CHECK(!decision.allowed);
    CHECK(cotas_perform_next(tenant, LOG, MAY_19, 7, TEXT("seal"), NONE, NONE, &decision, &error) ==
          COTAS_E_ALREADY_DECIDED);
    OK(cotas_perform_next(tenant, LOG, MAY_19, 8, TEXT("seal"), NONE, TEXT("once"), &decision, &error));
    OK(cotas_progress(tenant, LOG, SPACE, &error));
    CHECK(says("{\"position\":8,\"since\":\"2026-05-19T12:00:00Z\",\"opened\":0,\"continued\":1,"
               "\"others\":1,\"refused\":1,\"refused_quota\":1,\"refused_status\":0,\"too_old\":0}"));
}

#define BODY                                                                                       \
    "{\"metadata\": {\"phone_number_id\": \"w\"}, \"messages\": [{\"from\": \"c-1\", \"from_user_id\": " \
    "\"BR.1\", \"id\": \"m\", \"timestamp\": 9}, 7]}"

static void bodies(void) {
    OK(cotas_whatsapp_events((const uint8_t *)BODY, strlen(BODY), SPACE, &error));
    CHECK(says("{\"known\":true,\"events\":[{\"kind\":\"message\",\"opens\":true,\"channel\":\"w\","
               "\"contacts\":[\"c-1\",\"BR.1\"],\"id\":\"m\",\"at\":\"1970-01-01T00:00:09Z\","
               "\"at_ms\":9000,\"status\":null}],\"malformed\":[{\"path\":\"messages[1]\","
               "\"rule\":\"is not an object\"}]}"));
    CHECK(cotas_whatsapp_events((const uint8_t *)"{", 1, SPACE, &error) ==
          COTAS_E_INVALID_ARGUMENT);
}

static void administration(const cotas_engine *engine) {
    static const char LIMIT[] = "{'tenant': 'padaria', 'resource': 'sms', 'limit': %d}";
    OK(ask_once(engine, "set_limit", "limits-1", LIMIT, 20));
    OK(ask_once(engine, "set_limit", "limits-1", LIMIT, 20));
    CHECK(ask_once(engine, "set_limit", "limits-1", LIMIT, 30) == COTAS_E_IDEMPOTENCY_CONFLICT);
    OK(ask(engine, "set_own_limit",
           "{'tenant': 'padaria', 'resource': 'users', 'limit': 'unlimited'}"));
    OK(ask(engine, "set_feature", "{'tenant': 'padaria', 'name': 'recording', 'feature': true}"));
    OK(ask_once(engine, "grant", "gift",
                "{'tenant': 'padaria', 'resource': 'sms', 'units': 5, 'priority': 10,"
                " 'expires_at': '2026-05-28T12:00:00Z'}"));
    OK(ask(engine, "set_status", "{'tenant': 'padaria', 'status': 'suspended', 'reason': 'debt'}"));
    OK(ask(engine, "set_status", "{'tenant': 'padaria', 'status': 'active', 'reason': 'paid'}"));
    OK(ask(engine, "schedule_plan", "{'tenant': 'padaria', 'plan': 'full'}"));
    CHECK(is("\"2026-05-20\""));
    OK(ask(engine, "cancel_scheduled_plan", OF_PADARIA));
    CHECK(is("true"));
    OK(ask(engine, "what_if", "{'tenant': 'padaria', 'plan': 'full'}"));
    CHECK(says("["));
    OK(ask(engine, "choose_plan",
           "{'tenant': 'padaria', 'plan': 'full', 'first_due': '2026-06-20',"
           " 'payment_type': 'Asaas', 'auto_renew': true}"));
    OK(ask(engine, "mark_paid", "{'invoice': %s, 'paid_on': '2026-05-19'}", result));
    OK(ask(engine, "set_payment_form",
           "{'tenant': 'padaria', 'payment_type': 'Asaas', 'gateway_id': 'sub_1'}"));
    OK(ask(engine, "set_payment_method", "{'tenant': 'padaria', 'method': 'pix'}"));
    OK(ask(engine, "set_auto_renew", "{'tenant': 'padaria', 'auto_renew': true}"));
    CHECK(is("false"));
    OK(ask(engine, "change_plan",
           "{'tenant': 'padaria', 'plan': 'full', 'first_due': '2026-06-10'}"));
    OK(ask(engine, "move_to_newest_version", OF_PADARIA));
    CHECK(is("false"));
    OK(ask(engine, "set_due_date", "{'tenant': 'padaria', 'next_due': '2026-06-25'}"));
    CHECK(number_of("amount_cents") > 0);
    CHECK(ask(engine, "set_due_date", "{'tenant': 'padaria', 'next_due': '2026-06-10'}") ==
          COTAS_E_INVALID_ARGUMENT);
    OK(ask(engine, "pause_subscription", OF_PADARIA));
    CHECK(is("\"2026-06-10\""));
    OK(ask(engine, "resume_subscription", OF_PADARIA));
    CHECK(ask(engine, "resume_subscription", OF_PADARIA) == COTAS_E_INVALID_ARGUMENT);
    OK(ask(engine, "quote_plan_change",
           "{'tenant': 'padaria', 'plan': 'full', 'usage': 'carry'}"));
    CHECK(says("\"due_now_cents\":0") && says("\"withdrawn\":[]"));
    OK(ask(engine, "quote_plan_change",
           "{'tenant': 'padaria', 'plan': 'full', 'first_due': '2026-06-20'}"));
    CHECK(says("\"due_now_cents\":") && !says("\"due_now_cents\":0"));
    OK(ask_once(engine, "change_plan", "carry-1",
                "{'tenant': 'padaria', 'plan': 'full', 'usage': 'carry'}"));
    OK(ask(engine, "set_own_price",
           "{'tenant': 'padaria', 'plan': 'full', 'price_cents': 12345}"));
    OK(ask(engine, "preview_invoice", OF_PADARIA));
    CHECK(says("\"amount_cents\":12345"));
    OK(ask(engine, "set_own_price",
           "{'tenant': 'padaria', 'plan': 'full', 'price_cents': null}"));
    OK(ask(engine, "settle", OF_PADARIA));
    OK(ask(engine, "confirm_clock", OF_PADARIA));
}

/* What a call answers where its result is not wanted, or has no space. */
static void results(const cotas_engine *engine) {
    static const char GRANT[] = "{\"tenant\": \"padaria\", \"resource\": \"sms\", \"units\": 1}";
    char small[64];
    size_t needed = 0;
    OK(ask(engine, "balances", OF_PADARIA));
    CHECK(cotas_call(engine, TEXT("grant"), TEXT(GRANT), NONE, small, sizeof small, &needed,
                     &error) == COTAS_E_BUFFER);
    CHECK(needed == 4096 && small[0] == '\0');
    {
        char before[sizeof result];
        strcpy(before, result);
        OK(ask(engine, "balances", OF_PADARIA));
        CHECK(strcmp(before, result) == 0); /* Nothing was done. */
    }
    OK(cotas_call(engine, TEXT("grant"), TEXT(GRANT), NONE, NULL, 0, NULL, &error));
    CHECK(cotas_call(engine, TEXT("balances"), TEXT("{\"tenant\": \"padaria\"}"), NONE, small,
                     sizeof small, &needed, &error) == COTAS_E_BUFFER);
    CHECK(needed > sizeof small);
    CHECK(cotas_call(engine, TEXT("balance"), NONE, NONE, SPACE, &error) ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "did you mean \"balances\"?") != NULL);
    CHECK(ask(engine, "balances", "{'tenant': 'padaria', 'tenant': 'b'}") ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(ask_once(engine, "balances", "k", OF_PADARIA) == COTAS_E_INVALID_ARGUMENT);
}

static void money(const cotas_engine *engine) {
    static const char EVENT[] = "{\"id\": \"evt_1\", \"event\": \"PAYMENT_CREATED\"}";
    static const char BUY[] = "{'tenant': 'padaria', 'package': '%s', 'quantity': %d}";
    cotas_payment payment = {.struct_size = sizeof payment};
    int64_t invoice;
    OK(ask(engine, "quote_package", "{'package': 'channels', 'quantity': 11}"));
    CHECK(says("\"amount_cents\":4000") && says("\"packages\":[[10,1],[1,1]]"));
    OK(ask_once(engine, "buy", "buy-1", BUY, "channels", 10));
    CHECK(says("\"amount_cents\":3500") && says("\"replayed\":false"));
    OK(ask_once(engine, "buy", "buy-1", BUY, "channels", 10));
    CHECK(says("\"replayed\":true"));
    OK(ask(engine, "buy", BUY, "channels", 1));
    invoice = number_of("invoice");
    OK(ask(engine, "cancel_invoice", "{'invoice': %d}", (int)invoice));
    OK(ask(engine, "invoices", OF_PADARIA));
    CHECK(says("\"amount_cents\":3500") && says("\"status\":\"cancelled\""));
    CHECK(ask(engine, "end_purchase", "{'invoice': %d}", (int)invoice) == COTAS_E_INVALID_ARGUMENT);
    OK(ask(engine, "buy", BUY, "lines", 1));
    CHECK(!says("\"next_due\":null"));
    OK(ask(engine, "end_purchase", "{'invoice': %d}", (int)number_of("invoice")));
    OK(ask(engine, "channels", "{'tenant': 'padaria', 'resource': 'channels'}"));
    CHECK(!says("\"amount_cents\":900"));
    OK(ask(engine, "set_webhook_token", "{'gateway': 'asaas', 'token': 'the webhook token'}"));
    OK(cotas_payment_event(engine, TEXT("asaas"), (const uint8_t *)EVENT, strlen(EVENT),
                           TEXT("another token"), &payment, &error));
    CHECK(payment.outcome == COTAS_OUTCOME_REFUSED && payment.invoice == 0);
    OK(cotas_payment_event(engine, TEXT("asaas"), (const uint8_t *)EVENT, strlen(EVENT),
                           TEXT("the webhook token"), &payment, &error));
    CHECK(payment.outcome == COTAS_OUTCOME_UNKNOWN_EVENT);
    OK(ask(engine, "validate_document", "{'document': '529.982.247-25', 'type': 'cpf'}"));
    CHECK(is("\"52998224725\""));
}

/* An event that the host has read itself, from a queue. */
static void a_payment_from_a_queue(const cotas_engine *engine) {
    static const char EVENT[] = "{'event': {'gateway': 'pagarme', 'id': 'hook_1', 'kind': 'paid',"
                                " 'payment': 'ch_1', 'reference': '%d'}}";
    int invoice;
    OK(ask(engine, "buy", "{'tenant': 'padaria', 'package': 'channels', 'quantity': 1}"));
    invoice = (int)number_of("invoice");
    OK(ask(engine, "apply_payment", EVENT, invoice));
    CHECK(says("\"outcome\":\"unmatched\"") && says("\"invoice\":null"));
    OK(ask(engine, "unmatched_payments", "{}"));
    CHECK(says("\"payment\":\"ch_1\"") && says("\"unmatched\":\"no_invoice\""));
    OK(ask(engine, "assign_payment",
           "{'gateway': 'pagarme', 'payment': 'ch_1', 'invoice': %d}", invoice));
    OK(ask(engine, "unmatched_payments", OF_PADARIA));
    CHECK(strstr(result, "ch_1") == NULL);
    OK(ask(engine, "payments", OF_PADARIA));
    CHECK(says("\"payment\":\"ch_1\"") && says("\"state\":\"paid\""));
    OK(ask(engine, "apply_payment", EVENT, invoice));
    CHECK(says("\"outcome\":\"duplicate\""));
}

static void manual_invoices(const cotas_engine *engine) {
    int invoice;
    OK(ask_once(engine, "create_invoice", "invoice-1",
                "{'tenant': 'padaria', 'due': '2026-05-30',"
                " 'lines': [{'title': 'Training', 'amount_cents': 15000}]}"));
    invoice = atoi(result);
    OK(ask(engine, "add_invoice_line",
           "{'invoice': %d, 'line': {'title': 'Visit', 'amount_cents': 8050,"
           " 'from': '2026-05-20', 'to': '2026-05-21'}}", invoice));
    CHECK(atoi(result) == invoice);
    OK(ask(engine, "invoices", OF_PADARIA));
    CHECK(says("\"amount_cents\":23050"));
    CHECK(ask(engine, "add_invoice_line", "{'invoice': %d, 'line': {'title': 'Visit'}}", invoice) ==
          COTAS_E_INVALID_ARGUMENT);
    CHECK(result[0] == '\0');
}

static void instalments(const cotas_engine *engine) {
    OK(ask(engine, "buy", "{'tenant': 'padaria', 'package': 'channels', 'quantity': 10}"));
    OK(ask(engine, "split_invoice", "{'invoice': %d, 'parts': 3}", (int)number_of("invoice")));
    OK(ask(engine, "invoices", OF_PADARIA));
    CHECK(says("\"instalment\":[3,3]"));
}

static void documents(const cotas_engine *engine) {
    static const char PAGE[] = "{'tenant': 'padaria', 'what': '%s', 'language': '%s'}";
    OK(ask(engine, "report", OF_PADARIA));
    CHECK(says("\"name\":\"padaria\"") && says("\"status\":\"active\""));
    OK(ask(engine, "statement", OF_PADARIA));
    CHECK(says("\"plan\":{") && says("\"title\":\"Full\""));
    OK(ask(engine, "page", PAGE, "statement", "pt"));
    CHECK(says("Minha assinatura"));
    OK(ask(engine, "balances", OF_PADARIA));
    CHECK(says("\"sms\":{"));
    OK(ask(engine, "page", PAGE, "balances", "pt"));
    CHECK(says("padaria") && says("Sms"));
    OK(ask(engine, "plan_report", OF_PADARIA));
    CHECK(says("\"max_users\":null") && says("\"unlimited\":["));
    OK(ask(engine, "page", PAGE, "plan", "en"));
    CHECK(says("Full") && says("unlimited"));
    OK(ask(engine, "page", PAGE, "channels", "en"));
    CHECK(says("Channels"));
    OK(ask(engine, "subscriptions", OF_PADARIA));
    CHECK(says("\"plan\":\"full\""));
    OK(ask(engine, "periods", OF_PADARIA));
    CHECK(says("\"renewed\":false"));
    OK(ask(engine, "account_holder", OF_PADARIA));
    CHECK(is("null"));
    OK(ask(engine, "usage", "{'tenant': 'padaria', 'interval': 'day'}"));
    CHECK(says("\"denied\":{"));
    OK(ask(engine, "tenants", "{}"));
    CHECK(is("[\"oficina\",\"padaria\",\"pet-shop\"]"));
    OK(ask(engine, "catalog", "{}"));
    CHECK(says("\"version\":1"));
    OK(ask(engine, "events", "{'after': 0, 'most': 100}"));
    CHECK(says("\"kind\":\"plan_changed\""));
    OK(ask(engine, "opening", "{}"));
    CHECK(says("\"origin\":\"rebuilt\""));
    OK(ask(engine, "live_path", "{}"));
    CHECK(is("null")); /* In memory it lies nowhere. */
    OK(ask(engine, "audit_trail", OF_PADARIA));
    CHECK(says("\"what\":\"grant\""));
    OK(ask(engine, "verify", "{}"));
    CHECK(is("[]"));
}

static int is_mapped(const char *file) {
    char line[512];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        found = found || strstr(line, file) != NULL;
    }
    fclose(maps);
    return found;
}

static void options(void) {
    cotas_options *set = NULL;
    cotas_engine *engine = NULL, *other = NULL;
    cotas_tenant *tenant = NULL;
    cotas_decision decision = empty_decision();
    int64_t now = 0;
    OK(cotas_options_new(&set, &error));
    OK(cotas_options_set_durability(set, COTAS_DURABILITY_PROCESS, &error));
    OK(cotas_options_set_maintenance(set, COTAS_MAINTENANCE_EXTERNAL, &error));
    OK(cotas_options_set_checkpoint_interval_ms(set, 50, &error));
    OK(cotas_options_set_disk_timeout_ms(set, 2000, &error));
    OK(cotas_options_set_lag_max_ms(set, 60000, &error));
    OK(cotas_options_set_live_directory(set, TEXT("."), &error));
    OK(cotas_options_set_allow_network_file_system(set, 1, &error));
    OK(cotas_options_set_time(set, MAY_19, &error));
    OK(cotas_engine_open(TEXT("quotas.db"), set, &engine, &error));
    OK(ask(engine, "live_path", "{}"));
    CHECK(says("/quotas.db-live\"") && access("quotas.db-live", F_OK) == 0);
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(ask(engine, "create_tenant", "{'form': %s}", TENANT));
    OK(cotas_engine_with_durability(engine, COTAS_DURABILITY_DISK, &other, &error));
    OK(cotas_tenant_open(other, TEXT("padaria"), &tenant, &error));
    OK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &error));
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(other));
    OK(cotas_engine_without_waiting(engine, &other, &error));
    OK(cotas_tenant_open(other, TEXT("padaria"), &tenant, &error));
    OK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &error));
    OK(ask(engine, "maintain", "{}"));
    CHECK(says("\"checkpointed\":1") && says("\"settled\":0"));
    OK(ask(engine, "checkpoint", "{}"));
    OK(cotas_engine_set_time(engine, MAY_19 + 2 * DAY, &error));
    OK(cotas_engine_now(other, &now, &error));
    CHECK(now == MAY_19 + 2 * DAY);
    CHECK(cotas_consume(tenant, TEXT("sms"), 10, NONE, &decision, &error) == COTAS_E_BUSY);
    OK(ask(engine, "settle", OF_PADARIA));
    OK(cotas_consume(tenant, TEXT("sms"), 10, NONE, &decision, &error));
    CHECK(decision.allowed && decision.used == 10);
    OK(ask(engine, "create_tenant", "{'form': {'name': 'demo', 'status': 'demo'}}"));
    OK(cotas_engine_set_time(engine, MAY_19 + 20 * DAY, &error));
    OK(ask(engine, "find_tenants", "{'text': 'demo', 'filter': 'demo', 'most': 1}"));
    OK(ask(engine, "count_tenants", "{}"));
    OK(ask(engine, "refusals", "{'interval': 'hour'}"));
    OK(ask(engine, "compare_catalog", "{'text': '[catalog]\\ncurrency = \\u0022BRL\\u0022'}"));
    OK(ask(engine, "ended_demos", "{}"));
    CHECK(is("[\"demo\"]"));
    OK(ask(engine, "remove_ended_trials", "{}"));
    CHECK(is("0"));
    OK(ask(engine, "purge_demo", "{'tenant': 'demo'}"));
    OK(ask(engine, "backup", "{'target': 'copy.db'}"));
    CHECK(cotas_restore(TEXT("quotas.db"), NULL, TEXT("copy.db"), &error) == COTAS_E_OPEN_IN_USE);
    OK(cotas_restore(TEXT("restored.db"), NULL, TEXT("copy.db"), &error));
    OK(cotas_doctor(TEXT("quotas.db"), NULL, SPACE, &error));
    CHECK(says("\"concerns\":[]"));
    OK(ask(engine, "acknowledge_events", "{'up_to': 18446744073709551615}"));
    CHECK(atoi(result) > 0 && access("copy.db", F_OK) == 0);
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(other));
    OK(cotas_engine_close(engine));
    OK(cotas_options_close(set));
}

/* Opened for every request: the process stays attached in between. */
static void kept_open(void) {
    cotas_options *kept = NULL;
    cotas_engine *engine = NULL;
    int request;
    OK(cotas_options_new(&kept, &error));
    OK(cotas_options_set_time(kept, MAY_19, &error));
    OK(cotas_options_set_keep_open(kept, 1, &error));
    for (request = 0; request < 1000; request++) {
        OK(cotas_engine_open(TEXT("kept.db"), kept, &engine, &error));
        OK(cotas_engine_close(engine));
        CHECK(is_mapped("kept.db-live"));
    }
    OK(cotas_options_set_keep_open(kept, 0, &error));
    OK(cotas_engine_open(TEXT("kept.db"), kept, &engine, &error));
    OK(cotas_engine_close(engine));
    CHECK(!is_mapped("kept.db-live"));
    OK(cotas_options_close(kept));
}

int main(void) {
    cotas_engine *engine = open_engine();
    cotas_tenant *tenant = open_tenant(engine);
    CHECK(strcmp(cotas_version(), COTAS_VERSION) == 0);
    CHECK(cotas_abi_version() == COTAS_ABI_VERSION);
    CHECK(strcmp(cotas_demo_notice(), COTAS_DEMO_NOTICE) == 0);
    CHECK(strcmp(cotas_reason_name(COTAS_REASON_QUOTA_EXHAUSTED), "quota_exhausted") == 0);
    CHECK(cotas_reason_name(COTAS_REASON_NONE) == NULL);
    OK(ask(engine, "ensure_tenant", "{'form': %s}", TENANT));
    CHECK(is("false"));
    OK(ask(engine, "ensure_tenant", "{'form': {'name': 'oficina'}}"));
    CHECK(is("true"));
    OK(ask(engine, "ensure_tenants", "{'forms': [{'name': 'oficina'}, {'name': 'pet-shop'}]}"));
    CHECK(is("1"));
    accounts(engine);
    decisions(engine, tenant);
    under_keys(tenant);
    keys_kept_for_a_minute(tenant);
    reservations(tenant);
    sends(tenant);
    held_things(engine, tenant);
    replay(tenant);
    bodies();
    administration(engine);
    results(engine);
    money(engine);
    a_payment_from_a_queue(engine);
    manual_invoices(engine);
    instalments(engine);
    documents(engine);
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(engine));
    options();
    kept_open();
    return 0;
}
