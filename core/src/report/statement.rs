//! The page "Minha assinatura" (docs/sources.md, LiveChat 360) as values and as JSON: the plan in
//! short, what is contracted and available, where it came from, current and past plans, invoices.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Value, json};

use super::balances::BalanceLine;
use crate::billing::PaymentMethod;
use crate::language::Wording;
use crate::{GrantView, Invoice, SubscriptionRecord};

/// What a tenant has subscribed to, used and owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The tenant.
    pub tenant: String,
    /// The plan in short; `None`: no plan is active, or it has lapsed and permits nothing.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// What people call it.
    pub title: String,
    /// How it is paid: an opaque label.
    pub payment_type: String,
    /// How the next invoices are paid at the gateway; `None`: not chosen.
    pub payment_method: Option<PaymentMethod>,
    /// "Próximo vencimento".
    #[serde(rename = "next_due")]
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
        json!({
            "tenant": self.tenant,
            "plan": self.plan,
            "balances": self.balances,
            "grants": self.grants.iter().map(|line| &line.grant).collect::<Vec<_>>(),
            "subscriptions": self.subscriptions,
            "invoices": self.invoices,
            "currency": self.currency,
        })
    }
}
