//! Voki (docs/sources.md): a tenant registers, pays, and calls; its report has the keys of the
//! document.

use cotas::billing::{DocumentType, Gateway};
use cotas::{Decision, Details, Error, Language, NewTenant, PaymentOutcome, Role, Tenant};

use super::{Stage, Story, answer, answers, company, day};
use crate::failure::Failure;
use crate::output::grouped;

const CATALOG: &str = include_str!("../../../examples/catalogs/voki.toml");
const TENANT: &str = "new-company";
const TOKEN: &str = "the-token-of-the-webhook";
/// Calls of the document's example, and its recordings.
const CALLS: u64 = 342;
const RECORDED_MB: u64 = 2_048;

pub(super) fn play() -> Result<Story, Failure> {
    let mut stage = Stage::new(CATALOG, chrono_tz::Tz::UTC)?;
    stage.engine.set_webhook_token(Gateway::Asaas, TOKEN)?;
    stage.at(day(1, 31), 12, 0);
    register(&mut stage)?;
    stage.at(day(2, 1), 0, 0);
    pay(&mut stage)?;
    stage.at(day(2, 2), 9, 0);
    let tenant = stage.engine.tenant(TENANT)?;
    use_it(&mut stage, &tenant)?;

    let over = stage.over_on(TENANT, "basic")?;
    stage.say(format!("on Basic it would be over: {over}"));
    let refused = stage.engine.plan_report(TENANT, Role::Agent);
    stage.say_error("an agent asks for the plan report", refused);
    let report = stage.engine.plan_report(TENANT, Role::Manager)?;
    let json = report.to_json();
    let page = format!("{}\n\n{json:#}", report.to_page(Language::Portuguese));
    Ok(stage.end("Voki: registration, payment and calls", (page, json)))
}

fn register(stage: &mut Stage) -> Result<(), Failure> {
    for number in ["12.345.678/0001-90", "12.345.678/0001-95"] {
        let said = match stage.engine.validate_document(number, DocumentType::Cnpj) {
            Ok(document) => format!("{} is valid and not in use", document.as_str()),
            Err(error) => error.to_string(),
        };
        stage.say(format!("validates {number}: {said}"));
    }
    let holder = company("New Company", "12.345.678/0001-95", "admin@newcompany.com");
    let new = NewTenant {
        holder: Some(holder),
        pay_first: Some("Asaas"),
        time_zone: Some(stage.zone),
        ..NewTenant::new(TENANT)
    };
    stage.engine.create_tenant(&new.plan("professional", day(2, 28), true))?;
    for record in stage.engine.subscriptions(TENANT)? {
        let (title, form) = (&record.title, &record.payment_type);
        stage.say(format!("{TENANT}: {title}, paid with {form}, {}", record.status));
    }
    let tenant = stage.engine.tenant(TENANT)?;
    let said = answers(0..2, |call| start(&tenant, call))?;
    stage.say(format!("2 calls at a time on the plan meanwhile: {said}"));
    let recorded = tenant.perform("record_call", &Details::default())?;
    stage.say(format!("recording: {}", answer(&recorded)));
    Ok(())
}

/// The gateway reports the payment: with the wrong token, then twice.
fn pay(stage: &mut Stage) -> Result<(), Failure> {
    let waiting = stage.engine.invoices(TENANT)?.into_iter().find(|it| it.paid_on.is_none());
    let Some(invoice) = waiting else { return Ok(()) };
    let body = format!(
        r#"{{"id":"evt_1","event":"PAYMENT_CONFIRMED","dateCreated":"2026-02-01 00:00:00",
            "payment":{{"object":"payment","id":"pay_1","value":{},"billingType":"PIX",
            "status":"CONFIRMED","dueDate":"{due}","originalDueDate":"{due}",
            "paymentDate":"2026-02-01","externalReference":"{}"}}}}"#,
        invoice.amount,
        invoice.reference,
        due = invoice.due
    );
    for (what, token) in [("a stranger", "a-guess"), ("Asaas", TOKEN), ("Asaas again", TOKEN)] {
        let said = match stage.engine.payment_event(Gateway::Asaas, body.as_bytes(), token)? {
            PaymentOutcome::Applied { invoice, status } => {
                format!("applied, invoice {invoice} is {}", status.code())
            }
            PaymentOutcome::SubscriptionEnded { .. } => "applied".to_owned(),
            PaymentOutcome::Unmatched | PaymentOutcome::PaidAgain { .. } => "kept".to_owned(),
            PaymentOutcome::Duplicate => "a duplicate".to_owned(),
            PaymentOutcome::Ignored(_) => "ignored".to_owned(),
            PaymentOutcome::Refused => "refused".to_owned(),
        };
        stage.say(format!("{what} reports PAYMENT_CONFIRMED over {}: {said}", invoice.amount));
    }
    if let Some(subscription) = stage.engine.report(TENANT)?.subscription {
        stage.say(format!("the plan is {} now", subscription.plan));
    }
    Ok(())
}

fn use_it(stage: &mut Stage, tenant: &Tenant) -> Result<(), Failure> {
    for (resource, count) in [("users", 11), ("departments", 5)] {
        let seats = tenant.seats(resource)?;
        let said = answers(0..count, |number| seats.occupy(&format!("{resource}-{number}")))?;
        stage.say(format!("{count} {resource}: {said}"));
    }
    let said = answers(0..11, |call| start(tenant, call))?;
    stage.say(format!("11 calls at a time: {said}"));
    stage.clock.advance_ms(61_000);
    stage.say(format!("a minute after the server crashed: {}", answer(&start(tenant, 11)?)));
    let leases = tenant.leases("concurrent_calls")?;
    while stage.balance(TENANT, "calls_this_month")?.used < CALLS {
        stage.clock.advance_ms(61_000);
        let call = start(tenant, 12)?;
        if let Some(lease) = call.lease {
            leases.release("call-12", lease.fencing)?;
        }
    }
    let calls = stage.balance(TENANT, "calls_this_month")?;
    stage.say(format!("calls this month: {}", calls.used));
    let recording = Details { quantity: Some(RECORDED_MB), ..Details::default() };
    let recorded = tenant.perform("record_call", &recording)?;
    stage.say(format!("{} MB are recorded: {}", grouped(RECORDED_MB), answer(&recorded)));
    Ok(())
}

fn start(tenant: &Tenant, call: u32) -> Result<Decision, Error> {
    let holder = format!("call-{call}");
    tenant.perform("start_call", &Details { holder: &holder, ..Details::default() })
}
