//! Money and accounts on the command line: prices, purchases, invoices, payment events, seats.

mod common;

use common::{Desk, squeezed, stderr, stdout};
use serde_json::{Value, json};

const WHAZING: &str = include_str!("../../examples/catalogs/whazing.toml");
const VOKI: &str = include_str!("../../examples/catalogs/voki.toml");
const AT: [&str; 2] = ["--at", "2026-05-05T10:00:00-03:00"];
const TOKEN: &str = "a-token-of-the-webhook";

/// A database with this catalog and a tenant on this plan, due on 15 May.
fn desk(catalog: &str, plan: &str) -> Desk {
    let desk = Desk::empty();
    desk.write("catalog.toml", catalog);
    desk.ok(&["catalog", "load", "catalog.toml"]);
    let add = ["tenant", "add", "whaz", "--plan", plan, "--first-due", "2026-05-15"];
    desk.ok(&[&add[..], &AT, &["--auto-renew"]].concat());
    desk
}

fn at(arguments: &[&'static str]) -> Vec<&'static str> {
    [arguments, &AT].concat()
}

/// An event about an invoice of `whaz`.
fn event(desk: &Desk, id: &str, what: &str, invoice: usize) -> String {
    let invoices = desk.json(&at(&["invoices", "whaz"]));
    let known = invoices.pointer("/0/reference").and_then(|it| it.as_str());
    let known = known.expect("a reference");
    let (front, _) = known.rsplit_once(':').expect("a number");
    let reference = format!("{front}:{invoice}");
    format!(
        r#"{{"id":"{id}","event":"{what}","dateCreated":"2026-05-06 10:00:00","payment":{{
            "object":"payment","id":"pay_1","value":99.00,"status":"RECEIVED",
            "dueDate":"2026-05-15","originalDueDate":"2026-05-15","paymentDate":"2026-05-06",
            "externalReference":"{reference}"}}}}"#
    )
}

#[test]
fn a_price_comes_with_its_packages_and_with_what_would_cost_less() {
    let desk = desk(WHAZING, "premium");
    let price = |quantity| desk.ok(&["price", "canais_api_plus", quantity]);
    assert_eq!(price("11"), "11 of canais_api_plus: BRL 40.00 (10 + 1)\n");
    assert_eq!(price("9"), "9 of canais_api_plus: BRL 45.00 (9 x 1); 10 would cost BRL 35.00\n");
    assert_eq!(
        desk.json(&["price", "canais_api_plus", "9"]),
        json!({
            "package": "canais_api_plus",
            "quantity": 9,
            "amount_cents": 4500,
            "packages": [[1, 9]],
            "hint": { "quantity": 10, "amount_cents": 3500 },
        })
    );
    let said = desk.failure(&["price", "beans", "1"]);
    assert!(said.starts_with(r#"unknown package "beans" (expected "#), "{said}");
}

#[test]
fn what_is_bought_is_charged_in_full_at_once_and_again_with_the_due_date() {
    let desk = desk(WHAZING, "premium");
    let buy = at(&["buy", "whaz", "canais_api_plus", "2", "--key", "order-1"]);
    assert_eq!(
        desk.ok(&buy),
        "2 of canais_api_plus: BRL 10.00 (2 x 1)\ninvoice 2 is due now: the full price, nothing \
         is prorated; charged again, in full, on 2026-05-15, when BRL 109.00 are due in all\n"
    );
    assert_eq!(desk.ok(&buy), "it was bought under this key before; nothing changed\n");
    let invoices = desk.json(&at(&["invoices", "whaz"]));
    let listed = |invoices: &Value| -> Vec<_> {
        let invoices = invoices.as_array().expect("a list").iter();
        invoices.map(|it| format!("{} {}", it["due"], it["amount_cents"])).collect()
    };
    assert_eq!(listed(&invoices), ["\"2026-05-05\" 1000", "\"2026-05-15\" 9900"], "an offer");
    let page = desk.ok(&at(&["invoices", "whaz"]));
    assert!(page.contains("│       2 ┆ BRL 10.00 ┆ Canais API PLUS ┆ Manual"), "{page}");

    let contracted = || desk.json(&at(&["statement", "whaz"]))["balances"][0]["contracted"].clone();
    assert_eq!(contracted(), 1, "given when it is paid");
    assert_eq!(desk.ok(&at(&["invoice", "pay", "2"])), "invoice 2 is paid\n");
    assert_eq!(desk.ok(&at(&["invoice", "pay", "2"])), "invoice 2 is paid\n");
    assert_eq!(contracted(), 3, "given once");
    let invoices = desk.json(&at(&["invoices", "whaz"]));
    assert_eq!(listed(&invoices), ["\"2026-05-05\" 1000", "\"2026-05-15\" 10900"], "again");
    let ended = "it is charged no more, and counts until 2026-05-15\n";
    assert_eq!(desk.ok(&at(&["invoice", "end", "2"])), ended);
    assert_eq!(
        desk.json(&at(&["invoice", "end", "2"])),
        json!({ "invoice": 2, "until": "2026-05-15" })
    );
    assert_eq!(desk.failure(&at(&["invoice", "cancel", "2"])), "invoice: it is paid");
    assert_eq!(
        desk.json(&at(&["invoice", "cancel", "1"])),
        json!({ "invoice": 1, "status": "cancelled" })
    );
    assert_eq!(desk.failure(&at(&["invoice", "pay", "1"])), "invoice: it was cancelled");
    assert_eq!(desk.failure(&at(&["invoice", "pay", "77"])), "unknown invoice 77");
    desk.ok(&["verify"]);
}

#[test]
fn the_statement_is_a_page_in_two_languages() {
    let desk = desk(WHAZING, "premium");
    desk.ok(&at(&["buy", "whaz", "canais_api_plus", "2"]));
    desk.ok(&at(&["invoice", "pay", "2", "--on", "2026-05-06"]));
    let page = desk.ok(&at(&["statement", "whaz", "--lang", "pt"]));
    for line in [
        "Minha assinatura: whaz",
        "Plano: Whazing Premium",
        "Forma de pagamento: Manual",
        "Próximo vencimento: 15/05/2026",
        "Canais API PLUS disponíveis: 3 de 3",
        "│ Usuários ┆ sem limite ┆ 0 ┆ sem limite │",
        "│ 1 ┆ Whazing Premium ┆ ┆ Manual ┆ 05/05/2026 ┆ 15/05/2026 ┆ ativo │",
        "│ 2 ┆ R$ 10,00 ┆ Canais API PLUS ┆ Manual ┆ paga ┆ Não ┆ 05/05/2026 ┆ 06/05/2026 │",
        "│ 1 ┆ R$ 109,00 ┆ Whazing Premium ┆ Manual ┆ pendente ┆ Não ┆ 15/05/2026 ┆ │",
    ] {
        assert!(squeezed(&page).lines().any(|it| it == line), "{line:?} is not in\n{page}");
    }
    let page = desk.ok(&at(&["statement", "whaz"]));
    for line in ["Next due date: 2026-05-15", "API PLUS channels available: 3 of 3"] {
        assert!(squeezed(&page).lines().any(|it| it == line), "{line:?} is not in\n{page}");
    }
    assert_eq!(desk.json(&at(&["statement", "whaz"]))["plan"]["payment_type"], "Manual");
}

#[test]
fn a_payment_event_needs_the_token_and_is_applied_once() {
    let desk = desk(WHAZING, "premium");
    desk.write("paid.json", &event(&desk, "evt_1", "PAYMENT_RECEIVED", 1));
    let pay = ["payment-event", "asaas", "paid.json", "--token", TOKEN];
    let wrong = "the token is not that of asaas: nothing was read";
    assert_eq!(desk.failure(&pay), wrong, "none is set");

    let set = desk.run_with(&format!("{TOKEN}\n"), &["webhook-token", "asaas"]);
    assert_eq!(stdout(&set), "the token of asaas is set\n", "{}", stderr(&set));
    let guess = ["payment-event", "asaas", "paid.json", "--token", "a-guess"];
    assert_eq!(desk.failure(&guess), wrong);

    assert_eq!(desk.ok(&[&pay[..], &AT].concat()), "applied: invoice 1 is paid\n");
    assert_eq!(desk.ok(&[&pay[..], &AT].concat()), "duplicate: it was applied before\n");
    let reported = |event: &str| {
        let arguments = [&["payment-event", "asaas", "-", "--json"][..], &AT].concat();
        let mut command = desk.command(&arguments);
        command.env("COTAS_WEBHOOK_TOKEN", TOKEN);
        desk.write("event.json", event);
        command.stdin(std::fs::File::open(desk.path("event.json")).expect("is there"));
        let output = command.output().expect("runs");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("is JSON")
    };
    let other = reported(&event(&desk, "evt_2", "PAYMENT_ANTICIPATED", 1));
    assert_eq!(other, json!({ "outcome": "ignored", "because": "unknown_event" }));
    let late = reported(&event(&desk, "evt_3", "PAYMENT_OVERDUE", 1));
    assert_eq!(late, json!({ "outcome": "ignored", "because": "nothing_to_do" }));
    let stranger =
        reported(&event(&desk, "evt_4", "PAYMENT_OVERDUE", 4711).replace("pay_1", "pay_9"));
    assert_eq!(stranger["outcome"], "ignored");
    let refunded = reported(&event(&desk, "evt_5", "PAYMENT_REFUNDED", 1));
    assert_eq!(refunded, json!({ "outcome": "applied", "invoice": 1, "status": "refunded" }));
}

#[test]
fn another_amount_than_the_invoice_s_stands_beside_it() {
    let desk = desk(WHAZING, "premium");
    let set = desk.run_with(&format!("{TOKEN}\n"), &["webhook-token", "asaas"]);
    assert!(set.status.success(), "{}", stderr(&set));
    assert!(!desk.ok(&at(&["invoices", "whaz"])).contains("amount paid"));
    desk.write(
        "paid.json",
        &event(&desk, "evt_1", "PAYMENT_RECEIVED", 1).replace("99.00", "100.5"),
    );
    desk.ok(&at(&["payment-event", "asaas", "paid.json", "--token", TOKEN]));
    let page = desk.ok(&at(&["invoices", "whaz"]));
    assert!(page.contains("BRL 99.00") && page.contains("BRL 100.50"), "{page}");
    assert!(page.contains("amount paid"), "{page}");
    let invoices = desk.json(&at(&["invoices", "whaz"]));
    assert_eq!(
        (&invoices[0]["amount_cents"], &invoices[0]["paid_cents"]),
        (&json!(9900), &json!(10050))
    );
    let reported = "payment_differs, invoice 1, amount_cents 9900, paid_cents 10050";
    let events = desk.ok(&at(&["events"]));
    assert!(events.contains(reported), "{events}");
}

#[test]
fn a_webhook_token_is_never_echoed() {
    let desk = desk(WHAZING, "premium");
    let mut command = desk.command(&["webhook-token", "asaas", "--json"]);
    let output = command.env("COTAS_WEBHOOK_TOKEN", TOKEN).output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(!format!("{}{}", stdout(&output), stderr(&output)).contains(TOKEN));
    let mut help = desk.command(&["payment-event", "--help"]);
    let help = help.env("COTAS_WEBHOOK_TOKEN", TOKEN).output().expect("runs");
    assert!(stdout(&help).contains("COTAS_WEBHOOK_TOKEN") && !stdout(&help).contains(TOKEN));
    assert!(desk.failure(&["webhook-token", "asaas"]).starts_with("webhook token: "));
}

/// The seats of channels on WhatsApp Business, and what is done with them.
fn seats<'a>(operation: &[&'a str]) -> Vec<&'a str> {
    let seats = ["seats", "whaz", "api_plus.business", AT[0], AT[1]];
    [&seats[..], operation].concat()
}

/// Connects a channel with a token of its own.
fn connect(desk: &Desk, channel: &str) -> String {
    let operation = seats(&["occupy", channel, "--with-token"]);
    let output = desk.run_with(&format!("token-of-{channel}\n"), &operation);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn seats_are_taken_freed_and_passed_on() {
    let desk = desk(WHAZING, "premium");
    assert_eq!(desk.ok(&seats(&[])), "no one holds api_plus.business of whaz\n");
    let tokenless = desk.failure(&seats(&["occupy", "one"]));
    assert_eq!(tokenless, r#"a seat of "api_plus.business" needs a token of its own"#);
    assert_eq!(connect(&desk, "one"), "allowed: 1 of unlimited api_plus.business held\n");
    let denied = desk.run_with("token-of-two\n", &seats(&["occupy", "two", "--with-token"]));
    assert_eq!(denied.status.code(), Some(3));
    assert_eq!(stdout(&denied), "denied, quota_exhausted: 1 of 1 api_plus held\n");
    assert_eq!(stderr(&denied), "");
    assert_eq!(desk.ok(&seats(&["replace", "one", "two"])), "the seat has another holder\n");
    assert_eq!(
        desk.json(&seats(&["list"])),
        json!([{
            "holder": "two", "since": "2026-05-05T13:00:00Z", "pending": false, "has_token": true
        }])
    );
    assert_eq!(
        desk.failure(&seats(&["replace", "one", "six"])),
        r#"that holder has no seat of "api_plus.business""#
    );
    assert_eq!(desk.json(&seats(&["release", "two"])), json!({ "released": true }));
    assert_eq!(desk.ok(&seats(&["release", "two"])), "that holder had no seat\n");
    let invite = ["seats", "whaz", "users", AT[0], AT[1], "occupy", "three", "--pending"];
    let invited = desk.json(&invite);
    let expected = json!({
        "allowed": true, "reason": null, "used": 1, "limit": null, "warning": null
    });
    assert_eq!(invited, expected);
    assert!(desk.ok(&["seats", "whaz", "users"]).contains("three"));
}

#[test]
fn plain_whatsapp_is_warned_of_and_no_token_is_echoed() {
    let desk = desk(WHAZING, "premium");
    let operation =
        ["seats", "whaz", "api_plus.whatsapp", AT[0], AT[1], "occupy", "one", "--with-token"];
    let mut command = desk.command(&operation);
    let output = command.env("COTAS_SEAT_TOKEN", "token-of-one").output().expect("runs");
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(said.contains("attention: use WhatsApp Business"), "{said}");
    assert!(!said.contains("token-of-one"), "{said}");
}

#[test]
fn events_stay_until_they_are_acknowledged() {
    let desk = desk(WHAZING, "premium");
    connect(&desk, "one");
    let page = desk.ok(&at(&["events"]));
    assert!(page.contains("whaz   ┆ api_plus: exhausted, used 1, limit 1"), "{page}");
    let events = desk.json(&at(&["events"]));
    let last = events.as_array().and_then(|all| all.last()).expect("some");
    assert_eq!(last["details"], json!({ "used": 1, "limit": 1 }));
    let number = last["sequence"].to_string();
    assert_eq!(desk.json(&[&["events", "--after", &number][..], &AT].concat()), json!([]));
    assert_eq!(desk.json(&at(&["events", "--max", "1"])).as_array().map(Vec::len), Some(1));
    desk.ok(&["events", "--ack", &number]);
    assert_eq!(desk.ok(&at(&["events"])), "no events\n");
    assert_eq!(desk.failure(&["events", "--max", "0"]), "max: 0 is not between 1 and 10000");
}

#[test]
fn the_plan_report_is_for_managers_and_a_downgrade_is_reported_before() {
    let desk = desk(VOKI, "professional");
    let json = desk.json(&at(&["plan-report", "whaz"]));
    assert_eq!(json["data"]["plan"], "professional");
    assert_eq!(json["data"]["max_concurrent_calls"], 10);
    assert_eq!(json["data"]["analytics_enabled"], true);
    assert_eq!(json["data"]["usage"]["active_users"], 0);
    assert_eq!(
        desk.failure(&at(&["plan-report", "whaz", "--role", "agent"])),
        "the report is for managers and above"
    );

    assert_eq!(
        desk.ok(&at(&["what-if", "whaz", "free"])),
        "nothing of whaz would be over its limit on free\n"
    );
    for holder in ["one", "two", "three"] {
        desk.ok(&[&["seats", "whaz", "users"][..], &AT, &["occupy", holder]].concat());
    }
    let over = desk.json(&at(&["what-if", "whaz", "free"]));
    assert_eq!(over, json!([{ "resource": "users", "used": 3, "limit": 2 }]));
    let page = desk.ok(&at(&["what-if", "whaz", "free"]));
    assert!(page.contains("│ users    ┆      3 ┆     2 ┆    1 │"), "{page}");
    let said = desk.failure(&at(&["what-if", "whaz", "huge"]));
    assert!(said.starts_with(r#"unknown plan "huge" (expected "#), "{said}");
}

#[test]
fn a_document_is_checked() {
    let desk = desk(VOKI, "free");
    let cnpj = |number| ["document", "cnpj", number];
    assert_eq!(
        desk.failure(&cnpj("12.345.678/0001-90")),
        "the document is not a valid CNPJ: its check digits are wrong"
    );
    assert_eq!(desk.ok(&cnpj("12345678000195")), "12.345.678/0001-95 is a CNPJ and not in use\n");
    assert_eq!(
        desk.json(&["document", "cpf", "111.444.777-35"]),
        json!({ "document": "11144477735", "document_type": "cpf" })
    );
}

#[test]
fn a_due_date_is_set_and_a_plan_pauses_from_the_command_line() {
    let desk = desk(VOKI, "basic");
    assert_eq!(
        desk.ok(&at(&["plan", "due", "whaz", "2026-06-30"])),
        "the next period is 2026-05-16 to 2026-06-30: BRL 99.00, due 2026-06-30\n"
    );
    let said = desk.failure(&at(&["plan", "due", "whaz", "2026-05-15"]));
    assert!(said.contains("not between 2026-05-16 and 2026-07-15"), "{said}");
    assert!(desk.ok(&at(&["plan", "pause", "whaz"])).contains("due 2026-05-15, pauses then"));
    let june = ["--at", "2026-06-20T10:00:00-03:00"];
    assert!(desk.ok(&[&["tenant", "show", "whaz"][..], &june].concat()).contains("paused"));
    let resumed = desk.ok(&[&["plan", "resume", "whaz"][..], &june].concat());
    assert!(resumed.contains("due 2026-07-20, renews"), "{resumed}");
}
