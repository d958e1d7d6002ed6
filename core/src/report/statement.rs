//! The page "Minha assinatura" (seed 000): the plan in short, what is contracted and available,
//! current and past plans, invoices. As values, as JSON, and as a page to read.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::billing::Cents;
use crate::{Invoice, InvoiceStatus, SubscriptionRecord};

/// A language that people read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Brazilian Portuguese.
    Portuguese,
}

impl Language {
    const fn say(self, english: &'static str, portuguese: &'static str) -> &'static str {
        match self {
            Language::English => english,
            Language::Portuguese => portuguese,
        }
    }
}

/// What a tenant has subscribed to, used and owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The tenant.
    pub tenant: String,
    /// The plan in short; `None`: no plan is active.
    pub plan: Option<PlanSummary>,
    /// What is contracted and available, by resource.
    pub balances: Vec<BalanceLine>,
    /// Current and past plans, the latest first.
    pub subscriptions: Vec<SubscriptionRecord>,
    /// Invoices, by due date.
    pub invoices: Vec<Invoice>,
}

/// The plan in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanSummary {
    /// What people call it.
    pub title: String,
    /// How it is paid: an opaque label.
    pub payment_type: String,
    /// "Próximo vencimento".
    pub due: NaiveDate,
    /// Whether its units are restored the day after.
    pub auto_renew: bool,
}

/// What is contracted and available of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceLine {
    /// The resource's name.
    pub resource: String,
    /// Its kind, as a catalog writes it.
    pub kind: &'static str,
    /// What is contracted: the plan's and what was bought on top; `None`: there is no limit.
    pub contracted: Option<u64>,
    /// What is used, or held.
    pub used: u64,
    /// What is left; `None`: there is no limit.
    pub available: Option<u64>,
    /// Whether more is in use than is contracted.
    pub over_limit: bool,
}

impl BalanceLine {
    /// "Conversas disponíveis: 900 de 1000": what is available of what is contracted.
    #[must_use]
    pub fn line(&self, language: Language) -> String {
        let name = match (self.kind, language) {
            ("session", Language::Portuguese) => "Conversas disponíveis".to_owned(),
            ("session", Language::English) => "Conversations available".to_owned(),
            (_, Language::Portuguese) => format!("{} disponíveis", self.resource),
            (_, Language::English) => format!("{} available", self.resource),
        };
        match (self.available, self.contracted) {
            (Some(available), Some(contracted)) => {
                format!("{name}: {available} {} {contracted}", language.say("of", "de"))
            }
            _ => format!("{name}: {}", language.say("unlimited", "ilimitado")),
        }
    }
}

impl Statement {
    /// The balance of a resource.
    #[must_use]
    pub fn balance(&self, resource: &str) -> Option<&BalanceLine> {
        self.balances.iter().find(|line| line.resource == resource)
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let plan = self.plan.as_ref().map(|plan| {
            json!({
                "title": plan.title,
                "payment_type": plan.payment_type,
                "next_due": plan.due.to_string(),
                "auto_renew": plan.auto_renew,
            })
        });
        json!({
            "tenant": self.tenant,
            "plan": plan,
            "balances": self.balances.iter().map(balance_json).collect::<Vec<_>>(),
            "subscriptions": self.subscriptions.iter().map(subscription_json).collect::<Vec<_>>(),
            "invoices": self.invoices.iter().map(invoice_json).collect::<Vec<_>>(),
        })
    }

    /// As a page to read.
    #[must_use]
    pub fn to_page(&self, language: Language) -> String {
        let say = |english, portuguese| language.say(english, portuguese);
        let mut lines =
            vec![format!("{} – {}", say("My subscription", "Minha assinatura"), self.tenant)];
        match &self.plan {
            None => lines.push(say("No plan is active.", "Nenhum plano ativo.").to_owned()),
            Some(plan) => {
                lines.push(format!("{}: {}", say("Plan", "Plano"), plan.title));
                let form = say("Payment form", "Forma de pagamento");
                lines.push(format!("{form}: {}", plan.payment_type));
                let next = say("Next due date", "Próximo vencimento");
                lines.push(format!("{next}: {}", date(plan.due, language)));
            }
        }
        lines.extend(self.balances.iter().map(|balance| balance.line(language)));
        lines.push(say("Current and past plans:", "Plano atual:").to_owned());
        lines.extend(self.subscriptions.iter().map(|it| subscription_line(it, language)));
        lines.push(say("Invoices:", "Faturas:").to_owned());
        lines.extend(self.invoices.iter().map(|it| invoice_line(it, language)));
        lines.join("\n")
    }
}

fn balance_json(line: &BalanceLine) -> Value {
    json!({
        "resource": line.resource,
        "kind": line.kind,
        "contracted": line.contracted,
        "used": line.used,
        "available": line.available,
        "over_limit": line.over_limit,
    })
}

fn subscription_json(it: &SubscriptionRecord) -> Value {
    json!({
        "id": it.id,
        "plan": it.plan,
        "title": it.title,
        "gateway_id": it.gateway_id,
        "payment_type": it.payment_type,
        "period_start": it.period_start.to_string(),
        "next_due": it.due.to_string(),
        "status": it.status,
    })
}

fn invoice_json(it: &Invoice) -> Value {
    json!({
        "id": it.id,
        "amount_cents": it.amount.get(),
        "plan": it.title,
        "payment_type": it.payment_type,
        "status": it.status.code(),
        "recurring": it.recurring,
        "instalment": [it.part.0, it.part.1],
        "due": it.due.to_string(),
        "paid_on": it.paid_on.map(|day| day.to_string()),
    })
}

fn subscription_line(it: &SubscriptionRecord, language: Language) -> String {
    let status = match (it.status, language) {
        ("active", Language::Portuguese) => "ativo",
        ("pending", Language::Portuguese) => "pendente",
        (_, Language::Portuguese) => "cancelado",
        (status, Language::English) => status,
    };
    let gateway = it.gateway_id.as_deref().unwrap_or("-");
    format!(
        "  {} | {} | {gateway} | {} | {} | {status}",
        it.id,
        it.title,
        it.payment_type,
        date(it.due, language)
    )
}

fn invoice_line(it: &Invoice, language: Language) -> String {
    let status = match (it.status, language) {
        (status, Language::English) => status.code(),
        (InvoiceStatus::Pending, _) => "pendente",
        (InvoiceStatus::Paid, _) => "paga",
        (InvoiceStatus::Overdue, _) => "vencida",
        (InvoiceStatus::Cancelled, _) => "cancelada",
        (InvoiceStatus::Refunded, _) => "estornada",
    };
    let (yes, no) = (language.say("yes", "Sim"), language.say("no", "Não"));
    let recurring = if it.recurring { yes } else { no };
    let paid = it.paid_on.map_or_else(|| "-".to_owned(), |day| date(day, language));
    format!(
        "  {} | {} | {} | {} | {status} | {recurring} | {} | {paid}",
        it.id,
        money(it.amount, language),
        it.title,
        it.payment_type,
        date(it.due, language)
    )
}

/// A date as people write it.
#[must_use]
pub fn date(date: NaiveDate, language: Language) -> String {
    date.format(language.say("%Y-%m-%d", "%d/%m/%Y")).to_string()
}

/// An amount as people write it.
#[must_use]
pub fn money(amount: Cents, language: Language) -> String {
    match language {
        Language::English => format!("BRL {amount}"),
        Language::Portuguese => format!("R$ {}", amount.to_string().replace('.', ",")),
    }
}
