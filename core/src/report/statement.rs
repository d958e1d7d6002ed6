//! The page "Minha assinatura" (seed 000) as values and as JSON: the plan in short, what is
//! contracted and available, where it came from, current and past plans, invoices.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::balances::BalanceLine;
use crate::language::Wording;
use crate::{GrantView, Invoice, SubscriptionRecord};

/// What a tenant has subscribed to, used and owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The tenant.
    pub tenant: String,
    /// The plan in short; `None`: no plan is active.
    pub plan: Option<PlanSummary>,
    /// What is contracted and available, by resource.
    pub balances: Vec<BalanceLine>,
    /// Where it comes from: the plan, extras, packages.
    pub grants: Vec<GrantLine>,
    /// Current and past plans, the latest first.
    pub subscriptions: Vec<SubscriptionRecord>,
    /// Invoices, by due date.
    pub invoices: Vec<Invoice>,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// The zone of the tenant's days.
    pub time_zone: Tz,
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

/// Units that a tenant was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantLine {
    /// What people call the resource.
    pub title: Wording,
    /// Given, consumed and remaining.
    pub grant: GrantView,
    /// Whether units are consumed; of places that are held it says how many there are, no more.
    pub used_up: bool,
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
            "balances": self.balances.iter().map(BalanceLine::to_json).collect::<Vec<_>>(),
            "grants": self.grants.iter().map(|line| &line.grant).collect::<Vec<_>>(),
            "subscriptions": self.subscriptions.iter().map(subscription_json).collect::<Vec<_>>(),
            "invoices": self.invoices.iter().map(invoice_json).collect::<Vec<_>>(),
            "currency": self.currency,
        })
    }
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
