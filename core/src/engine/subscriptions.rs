//! The subscriptions of a tenant, and how they are paid.

use chrono::NaiveDate;

use super::Engine;
use super::admin_tx::AdminTx;
use super::invoices::{is_debited, will_be_charged};
use super::once::Operation;
use crate::billing::PaymentMethod;
use crate::catalog::BillingMode;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::{Account, Gates, Pause, Status, calendar};
use crate::store::{ACTIVE, InvoiceRow, MANUAL, PENDING, SCHEDULED, SubscriptionRow};

/// Longest label of a payment type, and longest id of a gateway's, in bytes.
const LABEL_BYTES_MAX: usize = 128;

/// The status of a subscription in force, in a list.
pub(super) const IN_FORCE: &str = "active";
/// And of one that permits nothing any more, since it was not renewed.
const LAPSED: &str = "lapsed";
/// And of one that pauses.
const PAUSED: &str = "paused";

/// A subscription in a list: the current one, or a past one (docs/sources.md, LiveChat 360, "Plano
/// atual").
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SubscriptionRecord {
    /// Its number.
    pub id: i64,
    /// The plan's name in the catalog.
    pub plan: String,
    /// What people call the plan.
    pub title: String,
    /// What the gateway calls it, if the payment type has such ids.
    pub gateway_id: Option<String>,
    /// How it is paid: an opaque label.
    pub payment_type: String,
    /// How its next invoices are paid at the gateway; `None`: not chosen.
    pub payment_method: Option<PaymentMethod>,
    /// Whether its periods are paid before they begin, or when they end.
    pub billing: BillingMode,
    /// When its present period began, its last one did, or its first one will; of one that waits
    /// to be paid, when it was chosen.
    #[serde(serialize_with = "crate::json::text")]
    pub period_start: Timestamp,
    /// "Próximo vencimento".
    #[serde(rename = "next_due")]
    pub due: NaiveDate,
    /// `active`; `lapsed`: was not renewed, and permits nothing any more; `pending`: waits to be
    /// paid; `paused`: pauses until it is resumed; `scheduled`: begins when the period of the one
    /// in force ends; or `cancelled`.
    pub status: &'static str,
}

impl Engine {
    /// Changes how the next invoices of a tenant are paid, and what the gateway calls the
    /// subscription (docs/sources.md, LiveChat 360), which is no other tenant's. Invoices that
    /// exist and are not paid follow, and so does a plan that is scheduled. Waits for the disk.
    pub fn set_payment_form(
        &self,
        tenant: &str,
        payment_type: &str,
        gateway_id: Option<&str>,
    ) -> Result<(), Error> {
        check_label("payment type", payment_type)?;
        gateway_id.map_or(Ok(()), |id| check_label("gateway id", id))?;
        let operation = Operation::new("set_payment_form", None, &(payment_type, gateway_id));
        self.change_once(tenant, &operation, |tx| {
            if let Some(id) = gateway_id
                && tx.write.gateway_id_is_anothers(tx.loaded.row, id)?
            {
                let why = "the subscription of another tenant has it; each has an id of its own"
                    .to_owned();
                return Err(Error::InvalidArgument { what: "gateway id", why });
            }
            for row in payable(tx, tenant)? {
                tx.write.set_payment_type(row.id, payment_type, gateway_id)?;
                record_manual(tx, row.id, payment_type == MANUAL);
                change_unpaid(tx, row.id, |invoice| {
                    payment_type.clone_into(&mut invoice.payment_type);
                    invoice.recurring = is_debited(invoice);
                })?;
            }
            if let Some(id) = gateway_id {
                // What was paid before anything said whose subscription that is.
                tx.write.adopt_charges(tx.loaded.row, id)?;
            }
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "payment form", payment_type)?)
        })
    }

    /// Changes how the next invoices of a tenant are paid at the gateway: by boleto, card, Pix
    /// (docs/sources.md, LiveChat 360, "Alterar forma de pagamento"). Invoices that exist and are
    /// not paid follow. A subscription that is paid manually has no such choice. Waits for the
    /// disk.
    pub fn set_payment_method(&self, tenant: &str, method: PaymentMethod) -> Result<(), Error> {
        let operation = Operation::new("set_payment_method", None, &method);
        self.change_once(tenant, &operation, |tx| {
            for row in payable(tx, tenant)? {
                if row.payment_type == MANUAL {
                    let why = "it is paid manually, not at a gateway; set the payment type first";
                    return Err(Error::InvalidArgument {
                        what: "payment method",
                        why: why.to_owned(),
                    });
                }
                tx.write.set_payment_method(row.id, method.code())?;
                change_unpaid(tx, row.id, |invoice| {
                    method.code().clone_into(&mut invoice.payment_method);
                })?;
            }
            let what = "payment method";
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, what, method.code())?)
        })
    }

    /// The subscriptions of a tenant, the latest first. Reads SQLite.
    pub fn subscriptions(&self, tenant: &str) -> Result<Vec<SubscriptionRecord>, Error> {
        let (loaded, entitlements) =
            self.shared.view(self.record_or_similar(tenant)?, tenant, self.now())?;
        let has_lapsed = entitlements.gates.contains(Gates::PLAN_LAPSED);
        let rows = self.shared.store.subscriptions(loaded.row)?;
        let current = loaded.account.subscription.as_ref();
        let zone = loaded.account.time_zone;
        let record = |row: SubscriptionRow| {
            // The view may be past a boundary that SQLite does not know of yet.
            let in_force = current.filter(|it| it.id == row.id);
            let status = match (in_force, row.state.as_str()) {
                _ if loaded.account.status == Status::Cancelled => "cancelled",
                (Some(terms), _) if terms.pending => PENDING,
                (Some(terms), _) if terms.pause == Pause::InForce => PAUSED,
                (Some(_), _) if has_lapsed => LAPSED,
                (Some(_), _) => IN_FORCE,
                (None, PENDING) => PENDING,
                (None, SCHEDULED) => SCHEDULED,
                (None, _) => "cancelled",
            };
            let terms = in_force.unwrap_or(&row.terms);
            let begins = || match (row.state.as_str(), current) {
                // It begins when the period of the one in force ends.
                (SCHEDULED, Some(present)) => calendar::end_of_due_day(present.due(), zone),
                _ => row.last_start.unwrap_or(row.started_at),
            };
            let period_start = in_force.map_or_else(begins, |_| loaded.account.period_start);
            SubscriptionRecord {
                id: row.id,
                plan: terms.plan.clone(),
                title: terms.title.clone(),
                gateway_id: row.gateway_id,
                payment_type: row.payment_type,
                payment_method: PaymentMethod::from_code(&row.payment_method),
                billing: terms.billing,
                period_start,
                due: terms.due(),
                status,
            }
        };
        Ok(rows.into_iter().map(record).collect())
    }
}

/// The subscriptions whose invoices come next: one that waits to be paid, else the one in force and
/// what is to follow it.
fn payable(tx: &AdminTx<'_>, tenant: &str) -> Result<Vec<SubscriptionRow>, Error> {
    if let Some(pending) = tx.write.pending_subscription(tx.loaded.row)? {
        return Ok(vec![pending]);
    }
    let Account { subscription, scheduled, .. } = &tx.loaded.account;
    let ids = subscription.iter().chain(scheduled.iter().map(|it| &it.terms)).map(|it| it.id);
    let rows: Result<Vec<_>, _> = ids.map(|id| tx.write.subscription(id)).collect();
    let rows: Vec<_> = rows?.into_iter().flatten().collect();
    let is_current = |row: &SubscriptionRow| row.state == ACTIVE;
    if !rows.iter().any(is_current) {
        return Err(Error::NoSubscription(tenant.to_owned()));
    }
    Ok(rows)
}

/// Notes whether a subscription is paid manually, where the account has it.
fn record_manual(tx: &mut AdminTx<'_>, subscription: i64, manual: bool) {
    let Account { subscription: present, scheduled, .. } = &mut tx.loaded.account;
    let next = scheduled.iter_mut().map(|it| &mut it.terms);
    if let Some(terms) = present.iter_mut().chain(next).find(|it| it.id == subscription) {
        terms.manual = manual;
    }
}

/// Changes the invoices of a subscription that wait to be paid.
fn change_unpaid(
    tx: &AdminTx<'_>,
    subscription: i64,
    change: impl Fn(&mut InvoiceRow),
) -> Result<(), Error> {
    for mut invoice in tx.write.invoices(tx.loaded.row)? {
        if will_be_charged(&invoice) && invoice.subscription == Some(subscription) {
            change(&mut invoice);
            tx.write.save_invoice(&invoice)?;
        }
    }
    Ok(())
}

pub(super) fn check_label(what: &'static str, label: &str) -> Result<(), Error> {
    if label.is_empty() {
        let why = format!("it is empty; 1 to {LABEL_BYTES_MAX} bytes are allowed");
        return Err(Error::InvalidArgument { what, why });
    }
    check_text(what, label, LABEL_BYTES_MAX)
}

/// Refuses text that is too long for the store, or that has control characters.
pub(super) fn check_text(what: &'static str, text: &str, bytes_max: usize) -> Result<(), Error> {
    let why = if text.len() > bytes_max {
        format!("it has {} bytes; {bytes_max} at most are allowed", text.len())
    } else if text.chars().any(char::is_control) {
        "it has control characters; printable text is allowed".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::InvalidArgument { what, why })
}
