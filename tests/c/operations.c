/* Every operation does what it says: each function of the header is called with success. */
#include <unistd.h>

#include "test.h"

static char buffer[65536];
static size_t needed;

#define SPACE buffer, sizeof buffer, &needed

/* The buffer holds a text of the length that was reported, and in it this. */
static int says(const char *text) {
    int found = strlen(buffer) + 1 == needed && strstr(buffer, text) != NULL;
    if (!found) {
        fprintf(stderr, "it says: %s\n", buffer);
    }
    return found;
}

#define FORM "{ \"name\": \"aurora\", \"holder\": { \"person\": \"legal\", \"administrator\": { \
    \"name\": \"Ana\", \"email\": \"ana@aurora.example\", \"phone\": \"+55 11 5555-0100\" } } }"

/* What is wrong is reported field by field; what is right is created as a whole. */
static void accounts(const cotas_engine *engine) {
    OK(cotas_validate(engine, TEXT("{ \"name\": \"aurora\", \"holder\": { \"person\": \"legal\" } }"),
                      SPACE, &error));
    CHECK(says("\"summary\":null") && says("holder.administrator.phone"));
    CHECK(cotas_register(engine, TEXT("{ \"name\": \"aurora\" }"), &error) ==
          COTAS_E_INVALID_FORM);
    OK(cotas_validate(engine, TEXT(FORM), SPACE, &error));
    CHECK(says("\"problems\":[]") && says("\"name\":\"aurora\""));
    OK(cotas_register(engine, TEXT(FORM), &error));
    CHECK(cotas_register(engine, TEXT(FORM), &error) == COTAS_E_TENANT_EXISTS);
    OK(cotas_export(engine, TEXT("aurora"), SPACE, &error));
    CHECK(says("ana@aurora.example"));
    CHECK(cotas_erase(engine, TEXT("aurora"), 0, &error) == COTAS_E_INVALID_ARGUMENT);
    OK(cotas_set_status(engine, TEXT("aurora"), TEXT("cancelled"), TEXT("left"), 0, &error));
    OK(cotas_erase(engine, TEXT("aurora"), 0, &error));
    OK(cotas_erased_accounts(engine, NONE, SPACE, &error));
    CHECK(says("[]"));
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
    OK(cotas_feature(tenant, TEXT("analytics"), SPACE, &error));
    CHECK(says("\"basic\""));
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
    OK(cotas_verify_token(engine, TEXT("a secret token"), SPACE, &error));
    CHECK(says("\"holder\":\"w-1\"") && says("\"tenant\":\"padaria\""));
    OK(cotas_seat_replace(tenant, TEXT("channels"), TEXT("w-1"), TEXT("w-2"), &error));
    OK(cotas_seats(tenant, TEXT("channels"), SPACE, &error));
    CHECK(says("\"w-2\"") && says("\"has_token\":true") && says("2026-05-19T12:00:00Z"));
    OK(cotas_channels(engine, TEXT("padaria"), TEXT("channels"), SPACE, &error));
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
    int64_t invoice = 0;
    int32_t yes = 0;
    cotas_engine *once = NULL;
    OK(cotas_engine_once(engine, TEXT("limits-1"), &once, &error));
    OK(cotas_set_limit(once, TEXT("padaria"), TEXT("sms"), TEXT("20"), &error));
    OK(cotas_set_limit(once, TEXT("padaria"), TEXT("sms"), TEXT("20"), &error));
    CHECK(cotas_set_limit(once, TEXT("padaria"), TEXT("sms"), TEXT("30"), &error) ==
          COTAS_E_IDEMPOTENCY_CONFLICT);
    OK(cotas_engine_close(once));
    OK(cotas_set_own_limit(engine, TEXT("padaria"), TEXT("users"), TEXT("unlimited"), &error));
    OK(cotas_set_feature(engine, TEXT("padaria"), TEXT("recording"), TEXT("true"), &error));
    OK(cotas_grant(engine, TEXT("padaria"), TEXT("sms"), TEXT("extra"), 5, 10, 0, MAY_19 + 9 * DAY,
                   TEXT("gift"), &error));
    OK(cotas_set_status(engine, TEXT("padaria"), TEXT("suspended"), TEXT("debt"), 0, &error));
    OK(cotas_set_status(engine, TEXT("padaria"), TEXT("active"), TEXT("paid"), 0, &error));
    OK(cotas_schedule_plan(engine, TEXT("padaria"), TEXT("full"), NONE, &error));
    OK(cotas_cancel_scheduled_plan(engine, TEXT("padaria"), &yes, &error));
    CHECK(yes == 1);
    OK(cotas_what_if(engine, TEXT("padaria"), TEXT("full"), SPACE, &error));
    CHECK(says("["));
    OK(cotas_choose_plan(engine, TEXT("padaria"), TEXT("full"), TEXT("2026-06-20"), 1,
                         TEXT("Asaas"), NONE, &invoice, &error));
    OK(cotas_set_payment_form(engine, TEXT("padaria"), TEXT("Asaas"), TEXT("sub_1"), &error));
    OK(cotas_set_payment_method(engine, TEXT("padaria"), TEXT("pix"), &error));
    OK(cotas_mark_paid(engine, invoice, TEXT("2026-05-19"), &error));
    int32_t changed = 1;
    OK(cotas_set_auto_renew(engine, TEXT("padaria"), 1, &changed, &error));
    CHECK(changed == 0);
    OK(cotas_change_plan(engine, TEXT("padaria"), TEXT("full"), TEXT("2026-06-10"), -1, NONE, &error));
    OK(cotas_move_to_newest_version(engine, TEXT("padaria"), &yes, &error));
    CHECK(yes == 0);
    int64_t price = 0;
    OK(cotas_set_due_date(engine, TEXT("padaria"), TEXT("2026-06-25"), NONE, &price, &error));
    CHECK(price > 0);
    CHECK(cotas_set_due_date(engine, TEXT("padaria"), TEXT("2026-06-10"), NONE, &price, &error) ==
          COTAS_E_INVALID_ARGUMENT);
    OK(cotas_pause_subscription(engine, TEXT("padaria"), &error));
    OK(cotas_resume_subscription(engine, TEXT("padaria"), NONE, &error));
    CHECK(cotas_resume_subscription(engine, TEXT("padaria"), NONE, &error) ==
          COTAS_E_INVALID_ARGUMENT);
    OK(cotas_quote_plan_change(engine, TEXT("padaria"), TEXT("full"), NONE, -1, SPACE, &error));
    CHECK(says("\"due_now_cents\":0") && says("\"withdrawn\":[]"));
    OK(cotas_quote_plan_change(engine, TEXT("padaria"), TEXT("full"), TEXT("2026-06-20"), -1, SPACE,
                               &error));
    CHECK(says("\"due_now_cents\":") && !says("\"due_now_cents\":0"));
    OK(cotas_carry_plan(engine, TEXT("padaria"), TEXT("full"), TEXT("carry-1"), &error));
    OK(cotas_set_own_price(engine, TEXT("padaria"), TEXT("full"), 12345, &error));
    OK(cotas_preview_invoice(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"amount_cents\":12345"));
    OK(cotas_set_own_price(engine, TEXT("padaria"), TEXT("full"), -1, &error));
    OK(cotas_settle(engine, TEXT("padaria"), &error));
    OK(cotas_confirm_clock(engine, TEXT("padaria"), &error));
}

static void money(const cotas_engine *engine) {
    static const char EVENT[] = "{\"id\": \"evt_1\", \"event\": \"PAYMENT_CREATED\"}";
    cotas_purchase purchase = {.struct_size = sizeof purchase};
    cotas_payment payment = {.struct_size = sizeof payment};
    OK(cotas_quote_package(engine, TEXT("channels"), 11, SPACE, &error));
    CHECK(says("\"amount_cents\":4000") && says("\"packages\":[[10,1],[1,1]]"));
    OK(cotas_buy(engine, TEXT("padaria"), TEXT("channels"), 10, TEXT("buy-1"), &purchase, &error));
    CHECK(purchase.amount_cents == 3500 && !purchase.replayed);
    OK(cotas_buy(engine, TEXT("padaria"), TEXT("channels"), 10, TEXT("buy-1"), &purchase, &error));
    CHECK(purchase.replayed);
    OK(cotas_buy(engine, TEXT("padaria"), TEXT("channels"), 1, NONE, &purchase, &error));
    OK(cotas_cancel_invoice(engine, purchase.invoice, &error));
    OK(cotas_invoices(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"amount_cents\":3500") && says("\"status\":\"cancelled\""));
    CHECK(cotas_end_purchase(engine, purchase.invoice, &error) == COTAS_E_INVALID_ARGUMENT);
    OK(cotas_buy(engine, TEXT("padaria"), TEXT("lines"), 1, NONE, &purchase, &error));
    CHECK(purchase.next_due[0] != 0);
    OK(cotas_end_purchase(engine, purchase.invoice, &error));
    OK(cotas_channels(engine, TEXT("padaria"), TEXT("channels"), SPACE, &error));
    CHECK(!says("\"amount_cents\":900"));
    OK(cotas_set_webhook_token(engine, TEXT("asaas"), TEXT("a webhook's token"), &error));
    OK(cotas_payment_event(engine, TEXT("asaas"), (const uint8_t *)EVENT, strlen(EVENT),
                           TEXT("another token"), &payment, &error));
    CHECK(payment.outcome == COTAS_OUTCOME_REFUSED && payment.invoice == 0);
    OK(cotas_payment_event(engine, TEXT("asaas"), (const uint8_t *)EVENT, strlen(EVENT),
                           TEXT("a webhook's token"), &payment, &error));
    CHECK(payment.outcome == COTAS_OUTCOME_UNKNOWN_EVENT);
    OK(cotas_validate_document(engine, TEXT("529.982.247-25"), TEXT("cpf"), SPACE, &error));
    CHECK(says("52998224725"));
}

/* An event that the host has read itself, from a queue. */
static void a_payment_from_a_queue(const cotas_engine *engine) {
    cotas_purchase purchase = {.struct_size = sizeof purchase};
    cotas_payment payment = {.struct_size = sizeof payment};
    char event[256];
    OK(cotas_buy(engine, TEXT("padaria"), TEXT("channels"), 1, NONE, &purchase, &error));
    sprintf(event, "{\"gateway\": \"pagarme\", \"id\": \"hook_1\", \"kind\": \"paid\","
                   " \"payment\": \"ch_1\", \"reference\": \"%d\"}", (int)purchase.invoice);
    OK(cotas_apply_payment(engine, TEXT(event), &payment, &error));
    CHECK(payment.outcome == COTAS_OUTCOME_UNMATCHED && payment.invoice == 0);
    OK(cotas_unmatched_payments(engine, NONE, SPACE, &error));
    CHECK(says("\"payment\":\"ch_1\"") && says("\"unmatched\":\"no_invoice\""));
    OK(cotas_assign_payment(engine, TEXT("pagarme"), TEXT("ch_1"), purchase.invoice, &error));
    OK(cotas_unmatched_payments(engine, TEXT("padaria"), SPACE, &error));
    CHECK(!says("ch_1"));
    OK(cotas_payments(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"payment\":\"ch_1\"") && says("\"state\":\"paid\""));
    OK(cotas_apply_payment(engine, TEXT(event), &payment, &error));
    CHECK(payment.outcome == COTAS_OUTCOME_DUPLICATE);
}

static void manual_invoices(const cotas_engine *engine) {
    int64_t invoice = 0, number = 0;
    OK(cotas_create_invoice(engine, TEXT("padaria"), TEXT("2026-05-30"),
                            TEXT("[{\"title\": \"Training\", \"amount_cents\": 15000}]"),
                            TEXT("invoice-1"), &invoice, &error));
    OK(cotas_add_invoice_line(engine, invoice,
                              TEXT("{\"title\": \"Visit\", \"amount_cents\": 8050,"
                                   " \"from\": \"2026-05-20\", \"to\": \"2026-05-21\"}"),
                              NONE, &number, &error));
    CHECK(number == invoice);
    OK(cotas_invoices(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"amount_cents\":23050"));
    CHECK(cotas_add_invoice_line(engine, invoice, TEXT("{\"title\": \"Visit\"}"), NONE, &number,
                                 &error) == COTAS_E_INVALID_ARGUMENT);
    CHECK(number == 0);
}

static void instalments(const cotas_engine *engine) {
    cotas_purchase purchase = {.struct_size = sizeof purchase};
    OK(cotas_buy(engine, TEXT("padaria"), TEXT("channels"), 10, NONE, &purchase, &error));
    OK(cotas_split_invoice(engine, purchase.invoice, 3, &error));
    OK(cotas_invoices(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"instalment\":[3,3]"));
}

static void documents(const cotas_engine *engine) {
    OK(cotas_report(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"name\":\"padaria\"") && says("\"status\":\"active\""));
    OK(cotas_statement(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"plan\":{") && says("\"title\":\"Full\""));
    OK(cotas_statement_page(engine, TEXT("padaria"), TEXT("pt"), SPACE, &error));
    CHECK(says("Minha assinatura"));
    OK(cotas_balances(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"sms\":{"));
    OK(cotas_balances_page(engine, TEXT("padaria"), TEXT("pt"), SPACE, &error));
    CHECK(says("padaria") && says("Sms"));
    OK(cotas_plan_report(engine, TEXT("padaria"), TEXT("manager"), SPACE, &error));
    CHECK(says("\"max_users\":null") && says("\"unlimited\":["));
    OK(cotas_plan_report_page(engine, TEXT("padaria"), TEXT("manager"), TEXT("en"), SPACE, &error));
    CHECK(says("Full") && says("unlimited"));
    OK(cotas_channels_page(engine, TEXT("padaria"), TEXT("channels"), TEXT("en"), SPACE, &error));
    CHECK(says("Channels"));
    OK(cotas_subscriptions(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"plan\":\"full\""));
    OK(cotas_periods(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("\"renewed\":false"));
    OK(cotas_account_holder(engine, TEXT("padaria"), SPACE, &error));
    CHECK(says("null"));
    OK(cotas_usage(engine, TEXT("padaria"), TEXT("day"), 0, 0, SPACE, &error));
    CHECK(says("\"denied\":{"));
    OK(cotas_tenants(engine, SPACE, &error));
    CHECK(says("[\"oficina\",\"padaria\",\"pet-shop\"]"));
    OK(cotas_catalog(engine, SPACE, &error));
    CHECK(says("\"version\":1"));
    OK(cotas_events(engine, 0, 100, SPACE, &error));
    CHECK(says("\"kind\":\"plan_changed\""));
    OK(cotas_opening(engine, SPACE, &error));
    CHECK(says("\"origin\":\"rebuilt\""));
    OK(cotas_live_path(engine, SPACE, &error));
    CHECK(needed == 1); /* In memory it lies nowhere. */
    OK(cotas_audit_trail(engine, TEXT("padaria"), 100, SPACE, &error));
    CHECK(says("\"what\":\"grant\""));
    OK(cotas_verify(engine, SPACE, &error));
    CHECK(says("[]"));
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
    uint64_t checkpointed = 0, settled = 0, forgotten = 0;
    int64_t now = 0;
    OK(cotas_options_new(&set, &error));
    OK(cotas_options_set_durability(set, COTAS_DURABILITY_PROCESS, &error));
    OK(cotas_options_set_maintenance(set, COTAS_MAINTENANCE_EXTERNAL, &error));
    OK(cotas_options_set_checkpoint_interval_ms(set, 50, &error));
    OK(cotas_options_set_disk_timeout_ms(set, 2000, &error));
    OK(cotas_options_set_live_directory(set, TEXT("."), &error));
    OK(cotas_options_set_allow_network_file_system(set, 1, &error));
    OK(cotas_options_set_time(set, MAY_19, &error));
    OK(cotas_engine_open(TEXT("quotas.db"), set, &engine, &error));
    OK(cotas_live_path(engine, SPACE, &error));
    CHECK(says("/quotas.db-live") && access(buffer, F_OK) == 0);
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(cotas_create_tenant(engine, TEXT(TENANT), &error));
    OK(cotas_engine_with_durability(engine, COTAS_DURABILITY_DISK, &other, &error));
    OK(cotas_tenant_open(other, TEXT("padaria"), &tenant, &error));
    OK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &error));
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(other));
    OK(cotas_engine_without_waiting(engine, &other, &error));
    OK(cotas_tenant_open(other, TEXT("padaria"), &tenant, &error));
    OK(cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &error));
    OK(cotas_maintain(engine, &checkpointed, &settled, &error));
    CHECK(checkpointed == 1 && settled == 0);
    OK(cotas_checkpoint(engine, &checkpointed, &error));
    OK(cotas_engine_set_time(engine, MAY_19 + 2 * DAY, &error));
    OK(cotas_engine_now(other, &now, &error));
    CHECK(now == MAY_19 + 2 * DAY);
    CHECK(cotas_consume(tenant, TEXT("sms"), 10, NONE, &decision, &error) == COTAS_E_BUSY);
    OK(cotas_settle(engine, TEXT("padaria"), &error));
    OK(cotas_consume(tenant, TEXT("sms"), 10, NONE, &decision, &error));
    CHECK(decision.allowed && decision.used == 10);
    OK(cotas_create_tenant(engine, TEXT("{\"name\": \"demo\", \"status\": \"demo\"}"), &error));
    OK(cotas_engine_set_time(engine, MAY_19 + 20 * DAY, &error));
    OK(cotas_ended_demos(engine, SPACE, &error));
    CHECK(says("[\"demo\"]"));
    OK(cotas_remove_ended_trials(engine, &settled, &error));
    CHECK(settled == 0);
    OK(cotas_purge_demo(engine, TEXT("demo"), &error));
    OK(cotas_backup(engine, TEXT("copy.db"), &error));
    CHECK(cotas_restore(TEXT("quotas.db"), NULL, TEXT("copy.db"), &error) == COTAS_E_OPEN_IN_USE);
    OK(cotas_restore(TEXT("restored.db"), NULL, TEXT("copy.db"), &error));
    OK(cotas_doctor(TEXT("quotas.db"), NULL, SPACE, &error));
    CHECK(says("\"concerns\":[]"));
    OK(cotas_acknowledge_events(engine, UINT64_MAX, &forgotten, &error));
    CHECK(forgotten > 0 && access("copy.db", F_OK) == 0);
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
    int32_t created = 1;
    uint64_t imported = 0;
    CHECK(strcmp(cotas_version(), COTAS_VERSION) == 0);
    CHECK(cotas_abi_version() == COTAS_ABI_VERSION);
    CHECK(strcmp(cotas_demo_notice(), COTAS_DEMO_NOTICE) == 0);
    CHECK(strcmp(cotas_reason_name(COTAS_REASON_QUOTA_EXHAUSTED), "quota_exhausted") == 0);
    CHECK(cotas_reason_name(COTAS_REASON_NONE) == NULL);
    OK(cotas_ensure_tenant(engine, TEXT(TENANT), &created, &error));
    CHECK(created == 0);
    OK(cotas_ensure_tenant(engine, TEXT("{\"name\": \"oficina\"}"), &created, &error));
    CHECK(created == 1);
    OK(cotas_ensure_tenants(engine, TEXT("[{\"name\": \"oficina\"}, {\"name\": \"pet-shop\"}]"),
                            &imported, &error));
    CHECK(imported == 1);
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
