//! What people call statuses, sources and reasons.

use crate::InvoiceStatus;
use crate::billing::PaymentMethod;
use crate::language::Language;
use crate::rules::{Reason, Source};

/// The label of how it is paid, with the method at the gateway: `Asaas (Boleto)`.
#[must_use]
pub fn payment(label: &str, method: Option<PaymentMethod>, language: Language) -> String {
    let method = match method {
        None => return label.to_owned(),
        Some(PaymentMethod::Boleto) => "Boleto",
        Some(PaymentMethod::Card) => language.say("Card", "Cartão"),
        Some(PaymentMethod::Pix) => "Pix",
        Some(PaymentMethod::Cash) => language.say("Cash", "Dinheiro"),
        Some(PaymentMethod::Transfer) => language.say("Transfer", "Transferência"),
        Some(PaymentMethod::Other) => language.say("Other", "Outro"),
    };
    format!("{label} ({method})")
}

/// Where units come from.
#[must_use]
pub fn source(source: Source, language: Language) -> &'static str {
    match source {
        Source::Plan => language.say("Plan", "Plano"),
        Source::Extra => language.say("Extra", "Extra"),
        Source::Package => language.say("Package", "Pacote"),
        Source::Manual => language.say("Manual", "Manual"),
    }
}

/// How a subscription stands.
#[must_use]
pub fn subscription_status(status: &'static str, language: Language) -> &'static str {
    match status {
        "active" => language.say("active", "ativo"),
        "lapsed" => language.say("lapsed", "expirado"),
        "paused" => language.say("paused", "pausado"),
        "pending" => language.say("pending", "pendente"),
        "scheduled" => language.say("scheduled", "agendado"),
        _ => language.say("cancelled", "cancelado"),
    }
}

/// How an invoice stands.
#[must_use]
pub fn invoice_status(status: InvoiceStatus, language: Language) -> &'static str {
    match (status, language) {
        (status, Language::English) => status.code(),
        (InvoiceStatus::Pending, _) => "pendente",
        (InvoiceStatus::Paid, _) => "paga",
        (InvoiceStatus::Overdue, _) => "vencida",
        (InvoiceStatus::Cancelled, _) => "cancelada",
        (InvoiceStatus::Refunded, _) => "estornada",
    }
}

/// A status as people call it (docs/sources.md, Helena).
#[must_use]
pub fn status(code: &str, language: Language) -> &str {
    match code {
        "demo" => language.say("demonstration", "demonstração"),
        "onboarding" => language.say("onboarding", "em implantação"),
        "active" => language.say("active", "ativo"),
        "past_due" => language.say("past due", "em atraso"),
        "suspended" => language.say("suspended", "suspenso"),
        "cancelled" => language.say("cancelled", "cancelado"),
        "pending" => language.say("waits to be paid", "aguarda pagamento"),
        other => other,
    }
}

/// Why a decision was denied, in a few words.
#[must_use]
pub const fn reason(reason: Reason, language: Language) -> &'static str {
    match reason {
        Reason::StatusForbids => language.say("status does not permit it", "situação não permite"),
        Reason::DemoExpired => language.say("demonstration is over", "demonstração encerrada"),
        Reason::NoSubscription => language.say("no subscription", "sem assinatura"),
        Reason::SubscriptionPending => language.say("waits to be paid", "aguarda pagamento"),
        Reason::PlanLapsed => language.say("plan has lapsed", "plano expirado"),
        Reason::FeatureMissing => language.say("feature not in plan", "recurso fora do plano"),
        Reason::SessionRequired => language.say("no open session", "sem sessão aberta"),
        Reason::NotInPlan => language.say("not in plan", "não incluído no plano"),
        Reason::QuotaExhausted => language.say("quota used up", "cota esgotada"),
        Reason::RateExceeded => language.say("too many at once", "muitos em pouco tempo"),
        Reason::Paused => language.say("subscription paused", "assinatura pausada"),
    }
}
