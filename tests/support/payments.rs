//! A small catalog with money in it, and webhooks of Asaas.

use std::path::Path;

use cotas::billing::Gateway;
use cotas::{Engine, Error, PaymentOutcome};

use super::meeting::Meeting;

/// The token of the webhooks.
pub const TOKEN: &str = "a-token-of-the-webhook";

/// What is sold on top of plans.
pub const PACKAGES: &str = r#"
[packages.more]
title = "Créditos"
resource = "credits"
prices = { 1 = "1.00", 50 = "40.00" }
"#;

/// A plan that is paid before each period, and a package. Offers stand as long as the tests last.
pub const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[billing]
offer_days = 365
[resources.credits]
kind = "allowance"
[plans.prepaid]
title = "Pré-pago"
price = "100.00"
renew_on = "payment"
limits = { credits = 100 }
[packages.more]
title = "Créditos"
resource = "credits"
prices = { 1 = "1.00", 50 = "40.00" }
"#;

/// The reference of a tenant's invoice, for the gateway; of one that is unknown, as it would be.
pub fn reference(engine: &Engine, tenant: &str, invoice: i64) -> String {
    let invoices = engine.invoices(tenant).expect("reads");
    let known = invoices.iter().find(|it| it.id == invoice).or(invoices.first());
    let (front, _) = known.expect("an invoice").reference.rsplit_once(':').expect("a number");
    format!("{front}:{invoice}")
}

/// An event about the payment of an invoice, whose reference the host gave the gateway.
pub fn asaas(id: &str, what: &str, payment: &str, reference: &str, day: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","event":"{what}","dateCreated":"{day} 10:00:00","payment":{{
            "object":"payment","id":"{payment}","customer":"cus_1","value":100.00,
            "billingType":"CREDIT_CARD","status":"CONFIRMED","dueDate":"{day}",
            "originalDueDate":"{day}","paymentDate":"{day}","externalReference":"{reference}"}}}}"#
    )
    .into_bytes()
}

/// An event about a charge that the gateway made by itself for a subscription.
pub fn asaas_of_subscription(
    id: &str,
    what: &str,
    payment: &str,
    subscription: &str,
    due: &str,
) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","event":"{what}","dateCreated":"2026-05-04 10:00:00","payment":{{
            "id":"{payment}","subscription":"{subscription}","value":100,"billingType":"PIX",
            "dueDate":"2026-05-01","originalDueDate":"{due}","externalReference":null}}}}"#
    )
    .into_bytes()
}

/// Meets the others, then reports the events in `directory` in this order, numbers with commas
/// between; says what came of each.
pub fn report(
    engine: &Engine,
    directory: &str,
    order: &str,
    members: u64,
) -> Result<String, Error> {
    let directory = Path::new(directory);
    let bodies: Vec<_> = order
        .split(',')
        .map(|number| std::fs::read(directory.join(format!("{number}.json"))).expect("is there"))
        .collect();
    Meeting::new(&directory.join("meeting"), members).meet(0);
    let mut said = Vec::new();
    for body in bodies {
        said.push(match engine.payment_event(Gateway::Asaas, &body, TOKEN)? {
            PaymentOutcome::Duplicate => "duplicate",
            PaymentOutcome::Ignored(_) => "ignored",
            PaymentOutcome::Refused => "refused",
            PaymentOutcome::Unmatched | PaymentOutcome::PaidAgain { .. } => "kept",
            _ => "applied",
        });
    }
    Ok(said.join(" "))
}
