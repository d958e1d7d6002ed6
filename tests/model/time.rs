//! What time does to a tenant of the model.

use chrono::{Datelike, Days, Months, NaiveDate};
use cotas::{Resolution, Status};

use crate::catalog::{CAPS, FREE_TIER, Kind, RESOURCES};
use crate::tenant::{Reservation, Tenant, is_granted};
use crate::{DAY_MS, HOUR_MS};

/// How long a resolved reservation is remembered after its time.
const REMEMBERED_MS: i64 = 7 * DAY_MS;

/// Midnight in Sao Paulo, which has had no daylight saving time since 2019.
pub fn midnight(date: NaiveDate) -> i64 {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    days * DAY_MS + 3 * HOUR_MS
}

/// The date there.
pub fn date_at(now: i64) -> NaiveDate {
    NaiveDate::default() + Days::new(((now - 3 * HOUR_MS) / DAY_MS) as u64)
}

/// The month there, counted from the year 0.
pub fn month_at(now: i64) -> i32 {
    let date = date_at(now);
    date.year() * 12 + date.month0() as i32
}

fn first_of(month: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(month / 12, month as u32 % 12 + 1, 1).expect("a date")
}

/// Whether a reservation is open, or remembered still.
fn is_known(reservation: &Reservation, now: i64) -> bool {
    reservation.resolved.is_none() || reservation.until + REMEMBERED_MS > now
}

impl Tenant {
    fn due(&self) -> NaiveDate {
        let months = self.first_due.year() * 12 + self.first_due.month0() as i32;
        let first = first_of(months + self.renewed as i32);
        let last = (first + Months::new(1)).pred_opt().expect("a date").day();
        first.with_day(self.first_due.day().min(last)).expect("a date")
    }

    /// When nothing is permitted any more.
    pub fn lapse_end(&self) -> Option<i64> {
        let ends = !self.gone && (!self.auto_renew || self.cancelled.is_some());
        let days = self.grace_days.filter(|_| ends)?;
        Some(midnight(self.due() + Days::new(1 + days)))
    }

    fn period_end(&self) -> Option<i64> {
        (!self.lapsed && !self.gone).then(|| midnight(self.due() + Days::new(1)))
    }

    /// Months go by where the plan has a meter of months.
    fn month_end(&self) -> Option<i64> {
        self.limits[FREE_TIER].map(|_| midnight(first_of(self.month + 1)))
    }

    /// When the day or the week ends in which a cap counts.
    pub fn cap_end(&self, cap: usize) -> i64 {
        let today = date_at(self.seen);
        let days = match RESOURCES[cap].kind {
            Kind::CapPerWeek => 7 - u64::from(today.weekday().num_days_from_monday()),
            _ => 1,
        };
        midnight(today + Days::new(days))
    }

    /// When the first due date has passed that is not paid.
    fn owed_until(&self) -> Option<i64> {
        self.owed.first_key_value().map(|(&due, _)| midnight(due + Days::new(1)))
    }

    /// Writes the invoice that is due with the present period.
    pub fn bill(&mut self) {
        self.billed = matches!(self.status, Status::Active | Status::PastDue | Status::Suspended);
        if self.billed {
            *self.owed.entry(self.due()).or_default() += 1;
        }
    }

    /// The period ends: it is due at once, in full. Says whether it is.
    pub fn bill_end(&mut self, now: i64) -> bool {
        if !self.billed || self.lapsed || self.gone || self.cancelled.is_some() {
            return false;
        }
        self.forget_owed(self.due());
        *self.owed.entry(date_at(now)).or_default() += 1;
        true
    }

    fn forget_owed(&mut self, due: NaiveDate) {
        if let Some(times) = self.owed.get_mut(&due) {
            *times -= 1;
        }
        self.owed.retain(|_, times| *times > 0);
    }

    /// It was cancelled and is back: a period that has not ended goes on.
    pub fn resume(&mut self) {
        let Some((day, was_due)) = self.cancelled.take() else { return };
        if self.gone || self.lapsed {
            return;
        }
        let is_overdue = was_due && !self.owed.contains_key(&day);
        self.billed = !is_overdue;
        if !is_overdue {
            if was_due {
                self.forget_owed(day);
            }
            self.bill();
        }
    }

    fn next_boundary(&self) -> i64 {
        let expiries = self.grants.iter().filter(|it| it.left > 0).filter_map(|it| it.expires);
        let all = expiries.chain(self.period_end()).chain(self.month_end());
        let caps = CAPS.iter().map(|&cap| self.cap_end(cap));
        all.chain(self.owed_until()).chain(caps).min().unwrap_or(i64::MAX)
    }

    /// Every boundary up to `now`, in order.
    fn settle(&mut self, now: i64) {
        loop {
            let at = self.next_boundary();
            if at > now {
                break;
            }
            for cap in CAPS.into_iter().filter(|&cap| self.cap_end(cap) == at).collect::<Vec<_>>() {
                self.used[cap] = 0;
            }
            self.seen = self.seen.max(at);
            self.expire_grants(at);
            if self.month_end() == Some(at) {
                self.month += 1;
                self.used[FREE_TIER] = 0;
            }
            if self.owed_until() == Some(at) {
                self.owed.pop_first();
                if self.status == Status::Active {
                    self.status = Status::PastDue;
                    self.event("is past_due".to_owned());
                }
            }
            if self.period_end() == Some(at) {
                if self.cancelled.is_some() {
                    self.close_period();
                    self.gone = true;
                } else if self.auto_renew {
                    self.renewed += 1;
                    self.bill();
                    self.renewals += 1;
                    let carried = self.carried();
                    self.close_period();
                    for (resource, units) in carried {
                        self.add_grant(resource, true, units, None);
                        self.grants.last_mut().expect("it was added").carried = true;
                    }
                    self.grant_plan();
                    self.event(format!("renewed {}", self.period));
                } else {
                    self.lapsed = true;
                    self.event("lapsed".to_owned());
                }
            }
            self.watch();
        }
        self.expire_grants(now);
        self.seen = self.seen.max(now);
    }

    /// What the plan has left and takes along into the next period.
    fn carried(&self) -> Vec<(usize, u64)> {
        let left = |resource| -> u64 {
            let of_it = self.grants.iter().filter(|it| it.resource == resource && it.of_plan);
            of_it.map(|it| it.left).sum()
        };
        let carried = self.carry_over.iter().map(|&(of, most)| (of, left(of).min(most)));
        carried.filter(|&(_, units)| units > 0).collect()
    }

    fn expire_grants(&mut self, at: i64) {
        let mut units = Vec::new();
        for grant in self.grants.iter_mut().filter(|it| it.expires.is_some_and(|end| end <= at)) {
            if grant.left > 0 {
                units.push(format!("{} lost {}", RESOURCES[grant.resource].name, grant.left));
            }
            grant.given -= grant.left;
            grant.left = 0;
            grant.expired = true;
        }
        units.into_iter().for_each(|what| self.event(what));
    }

    /// Ends the plan's grants, and begins to count again.
    pub fn close_period(&mut self) {
        for (resource, counted) in RESOURCES.iter().enumerate() {
            if is_granted(resource) || counted.kind == Kind::MeterOfPeriod {
                self.used[resource] = 0;
                self.beyond[resource] = 0;
            }
        }
        for grant in &mut self.grants {
            if grant.of_plan {
                (grant.left, grant.expired) = (0, true);
            }
            grant.given = grant.left;
        }
        self.period += 1;
    }

    // ---- looking -----------------------------------------------------------------------------

    /// What a change does before its own work.
    pub fn begin(&mut self, now: i64) {
        self.expire_reservations(now);
        self.expire_leases(now);
        self.settle(now);
    }

    /// And after it.
    pub fn end(&mut self, now: i64) {
        self.settle(now);
        self.watch();
    }

    /// Does what has come due before anything is decided.
    pub fn catch_up(&mut self, now: i64) {
        self.expire_reservations(now);
        if self.next_boundary() <= now {
            self.begin(now);
            self.end(now);
        }
    }

    pub fn expire_leases(&mut self, now: i64) {
        let ended: Vec<u64> =
            self.leases.iter().filter(|it| it.end <= now).map(|it| it.fencing).collect();
        self.leases.retain(|it| it.end > now);
        for fencing in ended {
            self.event(format!("lease {fencing} expired"));
        }
    }

    /// Expires what is due, each at its own time among the boundaries.
    pub fn expire_reservations(&mut self, now: i64) {
        loop {
            let due = |&at: &usize| self.reservations[at].until;
            let open = |at: &usize| self.reservations[*at].resolved.is_none();
            let first = (0..self.reservations.len()).filter(open).min_by_key(due);
            let end = first.map_or(i64::MAX, |at| due(&at));
            let reported_until = self.first_unreported().unwrap_or(i64::MAX);
            let next = end.min(reported_until);
            if next > now {
                return self.reservations.retain(|it| is_known(it, now));
            }
            let boundary = self.next_boundary();
            self.expire_leases(boundary.min(next));
            if boundary < next {
                self.settle(boundary);
                self.watch();
            } else if reported_until == next {
                self.commit_unreported(next);
            } else if let Some(first) = first {
                let id = place_of(&self.reservations[first].id.to_string());
                self.resolve(first, end, Resolution::Expired, |units, _| units);
                self.event(format!("reservation {id} expired"));
            }
        }
    }

    /// Resolves a reservation at `at`; `back` says how much of what was taken is given back.
    pub fn resolve(
        &mut self,
        which: usize,
        at: i64,
        how: Resolution,
        mut back: impl FnMut(u64, usize) -> u64,
    ) {
        self.reservations[which].resolved = Some(how);
        let Reservation { taken, period, .. } = self.reservations[which].clone();
        let changes_limits = self.changes_limits(&taken, period, at);
        for mut taken in taken {
            taken.units = back(taken.units, taken.resource);
            self.give_back(taken, period, at);
        }
        if changes_limits {
            self.watch();
        }
    }
}

/// Place and number of a handle: what outlives a rebuild.
pub fn place_of(handle: &str) -> String {
    handle.splitn(3, '-').nth(2).expect("it has three parts").to_owned()
}
