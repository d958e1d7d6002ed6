//! What a tenant's status permits: one table (docs/sources.md, Helena), which a catalog may
//! override.

use serde::{Deserialize, Serialize};

use crate::catalog::Gate;

/// The life of an account (docs/sources.md, Helena, "Situação").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Status {
    /// Demonstração: a free trial that ends by itself; each send carries the notice.
    Demo = 0,
    /// Em implantação: being set up; everything allowed, nothing billed.
    Onboarding = 1,
    /// Produção.
    Active = 2,
    /// Em atraso: a recent debt; everything allowed, with a warning.
    PastDue = 3,
    /// Suspenso: receives and is billed, does not send.
    Suspended = 4,
    /// Cancelado: final.
    Cancelled = 5,
}

impl Status {
    /// Every status, in the order of its number.
    pub const ALL: [Status; 6] = [
        Status::Demo,
        Status::Onboarding,
        Status::Active,
        Status::PastDue,
        Status::Suspended,
        Status::Cancelled,
    ];

    /// The code used in catalogs, databases and reports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Status::Demo => "demo",
            Status::Onboarding => "onboarding",
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Suspended => "suspended",
            Status::Cancelled => "cancelled",
        }
    }

    /// The status with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Status> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Whether an account may go from this status to `next` without an operator's override.
    #[must_use]
    pub const fn may_become(self, next: Status) -> bool {
        use Status::{Active, Cancelled, Demo, Onboarding, PastDue, Suspended};
        matches!(
            (self, next),
            (Demo | Onboarding | Active | PastDue | Suspended, Cancelled)
                | (Demo | Onboarding | PastDue | Suspended, Active)
                | (Active, PastDue)
                | (Active | PastDue, Suspended)
        )
    }
}

/// What one status permits, one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // It is a row of a table of yes and no.
pub struct Permissions {
    /// The platform can be used.
    pub access: bool,
    /// Messages can be sent.
    pub send: bool,
    /// Messages are received; opening a session for one counts.
    pub receive: bool,
    /// Anything else can be used up.
    pub consume: bool,
    /// The account is billed.
    pub billed: bool,
}

impl Permissions {
    /// Whether this row opens `gate`.
    #[must_use]
    pub const fn open(&self, gate: Gate) -> bool {
        match gate {
            Gate::Access => self.access,
            Gate::Send => self.send,
            Gate::Receive => self.receive,
            Gate::Consume => self.consume,
        }
    }
}

/// The whole table: one row per status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateTable(pub [Permissions; 6]);

const fn row(access: u8, send: u8, receive: u8, consume: u8, billed: u8) -> Permissions {
    Permissions {
        access: access == 1,
        send: send == 1,
        receive: receive == 1,
        consume: consume == 1,
        billed: billed == 1,
    }
}

impl Default for GateTable {
    /// The table of Helena (docs/sources.md).
    fn default() -> Self {
        //            access send receive consume billed
        GateTable([
            row(1, 1, 1, 1, 0), // demo
            row(1, 1, 1, 1, 0), // onboarding
            row(1, 1, 1, 1, 1), // active
            row(1, 1, 1, 1, 1), // past_due
            row(1, 0, 1, 0, 1), // suspended
            row(0, 0, 0, 0, 0), // cancelled
        ])
    }
}

impl GateTable {
    /// The row of `status`.
    #[must_use]
    pub fn row(&self, status: Status) -> &Permissions {
        // Six rows, six statuses: the index always exists.
        #[allow(clippy::indexing_slicing)]
        &self.0[status as usize]
    }

    /// The row of `status`, to change it.
    pub fn row_mut(&mut self, status: Status) -> &mut Permissions {
        #[allow(clippy::indexing_slicing)]
        &mut self.0[status as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_001_only_suspended_and_cancelled_block_sending() {
        let table = GateTable::default();
        for status in Status::ALL {
            let blocked = matches!(status, Status::Suspended | Status::Cancelled);
            assert_eq!(table.row(status).open(Gate::Send), !blocked, "{status:?}");
            assert_eq!(table.row(status).open(Gate::Receive), status != Status::Cancelled);
        }
    }

    #[test]
    fn seed_001_billing_stops_only_when_cancelled() {
        let table = GateTable::default();
        for status in [Status::Active, Status::PastDue, Status::Suspended] {
            assert!(table.row(status).billed);
        }
        assert!(!table.row(Status::Cancelled).billed);
    }

    #[test]
    fn cancelled_is_final_and_nothing_returns_to_demo() {
        for status in Status::ALL {
            assert!(!Status::Cancelled.may_become(status));
            assert!(!status.may_become(Status::Demo));
        }
        assert!(Status::Suspended.may_become(Status::Active));
        assert!(!Status::Demo.may_become(Status::PastDue));
    }
}
