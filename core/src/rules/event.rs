//! What happens to a tenant and a host wants to know.

use super::{EntryHandle, ReservationId, ResourceId, Status};
use crate::clock::Timestamp;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantEvent {
    /// When.
    pub at: Timestamp,
    /// To which resource, where it is about one.
    pub resource: Option<ResourceId>,
    /// What.
    pub kind: EventKind,
}

/// The kinds of event, each with what there is to say of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", content = "details", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// So much of a limit has been used: once for each threshold, period and limit.
    Threshold {
        /// The percentage, below 100.
        percent: u8,
        /// Units used.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// All of a limit has been used: the threshold of 100 per cent.
    Exhausted {
        /// Units used.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// A period has ended and the plan's units have been restored.
    Renewed {
        /// Number of the period that began.
        period: u64,
    },
    /// The last due date has passed without renewal.
    Lapsed,
    /// A period has ended, and none follows until the subscription is resumed.
    Paused,
    /// A subscription that paused has begun a period again.
    Resumed {
        /// Number of the period that began.
        period: u64,
    },
    /// The status has changed.
    StatusChanged {
        /// From which.
        from: Status,
        /// To which.
        to: Status,
    },
    /// The tenant is on another plan, or on the same one again.
    PlanChanged {
        /// The plan's name.
        plan: String,
    },
    /// An invoice was paid, and not with the amount that it is over.
    PaymentDiffers {
        /// Number of the invoice.
        invoice: i64,
        /// What was to be paid, in cents; 0: the invoice had been cancelled.
        amount_cents: i64,
        /// What was paid, in cents.
        paid_cents: i64,
    },
    /// A demonstration has ended, or will, and will be removed.
    RemovalAnnounced {
        /// When, at the earliest.
        #[serde(serialize_with = "crate::json::text")]
        removal: Timestamp,
    },
    /// A demonstration that had ended has been removed, with all that was stored of it.
    Removed,
    /// A cancelled tenant has been erased; what its invoices say is kept.
    Erased,
    /// Money came for which no invoice is found, or whose invoice was cancelled: it pays nothing
    /// until an invoice of it is written, or an operator assigns it. The tenant may be unknown.
    PaymentUnmatched {
        /// The gateway, and its id of the charge.
        payment: String,
        /// What was paid, in cents; 0: unknown.
        paid_cents: i64,
    },
    /// An invoice that a charge had paid was paid by another charge as well.
    PaidAgain {
        /// Number of the invoice.
        invoice: i64,
        /// The gateway, and its id of the second charge.
        payment: String,
        /// What was paid by it, in cents; 0: unknown.
        paid_cents: i64,
    },
    /// A part of a payment was given back; the invoice stays paid.
    PartlyRefunded {
        /// Number of the invoice.
        invoice: i64,
        /// What was given back in all, in cents.
        refunded_cents: i64,
        /// What remains paid, in cents.
        paid_cents: i64,
    },
    /// Rounds of checkpoints failed for a time, and go on now: what was decided meanwhile would
    /// have been lost with a power cut. It is about no tenant.
    CheckpointsFailed {
        /// For how long, in milliseconds.
        failing_ms: u64,
        /// The code of the last failure's error.
        failure: i32,
    },
    /// Units of a grant have run out of time.
    GrantExpired {
        /// Number of the grant.
        grant: u64,
        /// How many.
        units: u64,
    },
    /// A lease was not renewed in time, and its place has been given back.
    LeaseExpired {
        /// Its fencing number.
        fencing: u64,
    },
    /// A reservation was not resolved in time, and its units have been given back.
    ReservationExpired {
        /// Its id.
        #[serde(serialize_with = "crate::json::text")]
        reservation: ReservationId,
    },
}

/// An event as it is stored: a kind and what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) kind: u8,
    pub(crate) percent: u8,
    pub(crate) first: u64,
    pub(crate) second: u64,
    pub(crate) text: String,
}

const THRESHOLD: u8 = 1;
const EXHAUSTED: u8 = 2;
const RENEWED: u8 = 3;
const LAPSED: u8 = 4;
const STATUS_CHANGED: u8 = 5;
const PLAN_CHANGED: u8 = 6;
const GRANT_EXPIRED: u8 = 7;
const LEASE_EXPIRED: u8 = 8;
const RESERVATION_EXPIRED: u8 = 9;
const PAYMENT_DIFFERS: u8 = 10;
pub(crate) const REMOVAL_ANNOUNCED: u8 = 20;
const PAUSED: u8 = 14;
const RESUMED: u8 = 15;
const REMOVED: u8 = 21;
const ERASED: u8 = 22;
const PAYMENT_UNMATCHED: u8 = 11;
const PAID_AGAIN: u8 = 12;
const PARTLY_REFUNDED: u8 = 13;
const CHECKPOINTS_FAILED: u8 = 30;

impl EventKind {
    /// The event of reaching `percent` of `limit`.
    #[must_use]
    pub fn of_threshold(percent: u8, used: u64, limit: u64) -> EventKind {
        match percent {
            100.. => EventKind::Exhausted { used, limit },
            percent => EventKind::Threshold { percent, used, limit },
        }
    }

    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            EventKind::Threshold { .. } => "threshold",
            EventKind::Exhausted { .. } => "exhausted",
            EventKind::Renewed { .. } => "renewed",
            EventKind::Lapsed => "lapsed",
            EventKind::Paused => "paused",
            EventKind::Resumed { .. } => "resumed",
            EventKind::StatusChanged { .. } => "status_changed",
            EventKind::PlanChanged { .. } => "plan_changed",
            EventKind::PaymentDiffers { .. } => "payment_differs",
            EventKind::RemovalAnnounced { .. } => "removal_announced",
            EventKind::Removed => "removed",
            EventKind::Erased => "erased",
            EventKind::PaymentUnmatched { .. } => "payment_unmatched",
            EventKind::PaidAgain { .. } => "paid_again",
            EventKind::PartlyRefunded { .. } => "partly_refunded",
            EventKind::CheckpointsFailed { .. } => "checkpoints_failed",
            EventKind::GrantExpired { .. } => "grant_expired",
            EventKind::LeaseExpired { .. } => "lease_expired",
            EventKind::ReservationExpired { .. } => "reservation_expired",
        }
    }

    pub(crate) fn to_stored(&self) -> StoredEvent {
        let numbers =
            |kind, first, second| StoredEvent { kind, first, second, ..StoredEvent::default() };
        match self {
            &EventKind::Threshold { percent, used, limit } => {
                StoredEvent { percent, ..numbers(THRESHOLD, used, limit) }
            }
            &EventKind::Exhausted { used, limit } => numbers(EXHAUSTED, used, limit),
            &EventKind::Renewed { period } => numbers(RENEWED, period, 0),
            EventKind::Lapsed => numbers(LAPSED, 0, 0),
            EventKind::Paused => numbers(PAUSED, 0, 0),
            &EventKind::Resumed { period } => numbers(RESUMED, period, 0),
            EventKind::StatusChanged { from, to } => {
                numbers(STATUS_CHANGED, *from as u64, *to as u64)
            }
            EventKind::PlanChanged { plan } => {
                StoredEvent { text: plan.clone(), ..numbers(PLAN_CHANGED, 0, 0) }
            }
            &EventKind::PaymentDiffers { invoice, amount_cents, paid_cents } => {
                let cents = [amount_cents, paid_cents].map(i64::cast_unsigned);
                let of_cents = numbers(PAYMENT_DIFFERS, cents[0], cents[1]);
                StoredEvent { text: invoice.to_string(), ..of_cents }
            }
            EventKind::RemovalAnnounced { removal } => {
                numbers(REMOVAL_ANNOUNCED, removal.ms().cast_unsigned(), 0)
            }
            EventKind::Removed => numbers(REMOVED, 0, 0),
            EventKind::Erased => numbers(ERASED, 0, 0),
            EventKind::PaymentUnmatched { payment, paid_cents } => StoredEvent {
                text: payment.clone(),
                ..numbers(PAYMENT_UNMATCHED, paid_cents.cast_unsigned(), 0)
            },
            EventKind::PaidAgain { invoice, payment, paid_cents } => {
                let figures = [invoice, paid_cents].map(|figure| figure.cast_unsigned());
                let text = payment.clone();
                StoredEvent { text, ..numbers(PAID_AGAIN, figures[0], figures[1]) }
            }
            &EventKind::PartlyRefunded { invoice, refunded_cents, paid_cents } => {
                let cents = [refunded_cents, paid_cents].map(i64::cast_unsigned);
                let of_cents = numbers(PARTLY_REFUNDED, cents[0], cents[1]);
                StoredEvent { text: invoice.to_string(), ..of_cents }
            }
            &EventKind::CheckpointsFailed { failing_ms, failure } => {
                numbers(CHECKPOINTS_FAILED, failing_ms, u64::from(failure.unsigned_abs()))
            }
            &EventKind::GrantExpired { grant, units } => numbers(GRANT_EXPIRED, grant, units),
            &EventKind::LeaseExpired { fencing } => numbers(LEASE_EXPIRED, fencing, 0),
            &EventKind::ReservationExpired { reservation: ReservationId(handle) } => {
                let at = u64::from(handle.epoch) << 32 | u64::from(handle.index);
                numbers(RESERVATION_EXPIRED, at, handle.number)
            }
        }
    }

    pub(crate) fn from_stored(stored: StoredEvent) -> Option<EventKind> {
        let StoredEvent { kind, percent, first, second, text } = stored;
        let status = |number: u64| Status::ALL.get(number as usize).copied();
        Some(match kind {
            THRESHOLD => EventKind::Threshold { percent, used: first, limit: second },
            EXHAUSTED => EventKind::Exhausted { used: first, limit: second },
            RENEWED => EventKind::Renewed { period: first },
            LAPSED => EventKind::Lapsed,
            PAUSED => EventKind::Paused,
            RESUMED => EventKind::Resumed { period: first },
            STATUS_CHANGED => {
                EventKind::StatusChanged { from: status(first)?, to: status(second)? }
            }
            PLAN_CHANGED => EventKind::PlanChanged { plan: text },
            PAYMENT_DIFFERS => EventKind::PaymentDiffers {
                invoice: text.parse().ok()?,
                amount_cents: first.cast_signed(),
                paid_cents: second.cast_signed(),
            },
            REMOVAL_ANNOUNCED => {
                EventKind::RemovalAnnounced { removal: Timestamp::from_ms(first.cast_signed()) }
            }
            REMOVED => EventKind::Removed,
            ERASED => EventKind::Erased,
            PAYMENT_UNMATCHED => {
                EventKind::PaymentUnmatched { payment: text, paid_cents: first.cast_signed() }
            }
            PAID_AGAIN => EventKind::PaidAgain {
                invoice: first.cast_signed(),
                payment: text,
                paid_cents: second.cast_signed(),
            },
            PARTLY_REFUNDED => EventKind::PartlyRefunded {
                invoice: text.parse().ok()?,
                refunded_cents: first.cast_signed(),
                paid_cents: second.cast_signed(),
            },
            CHECKPOINTS_FAILED => {
                EventKind::CheckpointsFailed { failing_ms: first, failure: second as i32 }
            }
            GRANT_EXPIRED => EventKind::GrantExpired { grant: first, units: second },
            LEASE_EXPIRED => EventKind::LeaseExpired { fencing: first },
            RESERVATION_EXPIRED => {
                let (epoch, index) = ((first >> 32) as u32, first as u32);
                let handle = EntryHandle { epoch, index, number: second };
                EventKind::ReservationExpired { reservation: ReservationId(handle) }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Reason;

    const PAGE: &str = include_str!("../../../docs/events.md");

    /// The first column of the tables under a heading, and the whole rows.
    fn rows(heading: &str) -> Vec<(&str, &str)> {
        let section = PAGE.split("\n## ").find(|it| it.starts_with(heading)).unwrap();
        let rows = section.lines().filter_map(|row| row.strip_prefix("| `"));
        rows.map(|row| row.split_once('`').unwrap()).collect()
    }

    #[test]
    fn every_kind_of_event_is_documented_with_its_details() {
        let stored = |kind| StoredEvent { kind, text: "1".to_owned(), ..StoredEvent::default() };
        let kinds = (0..=u8::MAX).filter_map(|kind| EventKind::from_stored(stored(kind)));
        let rows = rows("Events");
        let mut found = Vec::new();
        for kind in kinds {
            let row = rows.iter().find(|(code, _)| *code == kind.code());
            let (code, row) = row.unwrap_or_else(|| panic!("{} is missing", kind.code()));
            let event = serde_json::to_value(&kind).unwrap();
            let details = event["details"].as_object().into_iter().flatten();
            for (detail, _) in details {
                assert!(row.contains(&format!("`{detail}`")), "{code}: {detail}");
            }
            found.push(*code);
        }
        assert_eq!(rows.len(), found.len(), "{rows:?} and {found:?}");
    }

    #[test]
    fn every_reason_is_documented_in_the_order_of_evaluation() {
        let codes: Vec<_> = rows("Reasons").into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, Reason::IN_ORDER.map(Reason::code));
    }
}
