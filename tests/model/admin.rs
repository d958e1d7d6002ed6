//! Administration: seats, grants, limits, plans, status.

use chrono::Days;
use cotas::catalog::Feature;
use cotas::{Error, Limit, Source, Status, Terms, Timestamp};

use crate::catalog::{PLANS, RESOURCES};
use crate::operations::{Scene, assert_agree};
use crate::steps::Operation;
use crate::tenant::{Gate, days, with_parents};
use crate::time::date_at;

/// Does an administrative operation.
pub fn take(scene: &mut Scene<'_>, operation: &Operation) {
    scene.model.expire_reservations(scene.now);
    scene.model.expire_leases(scene.now);
    // A change that is refused settles nothing.
    let before = scene.model.clone();
    scene.model.begin(scene.now);
    match *operation {
        Operation::Occupy { resource, holder, pending } => occupy(scene, resource, holder, pending),
        Operation::ReleaseSeat { resource, holder } => release(scene, resource, holder),
        Operation::ReplaceSeat { resource, old, new } => {
            if !replace(scene, resource, old, new) {
                *scene.model = before;
                return;
            }
        }
        Operation::Grant { resource, units, days } => grant(scene, resource, units, days),
        Operation::SetLimit { resource, limit } => {
            let limit = limit.map_or(Limit::Unlimited, Limit::Finite);
            let changed = scene.engine.set_limit(scene.name, RESOURCES[resource].name, limit);
            if scene.model.gone {
                assert_eq!(changed.expect_err("has no plan").code(), 409);
                *scene.model = before;
                return;
            }
            changed.expect("changes");
            scene.model.set_limit(resource, limit);
        }
        Operation::ChangePlan { plan, days, auto_renew } => {
            let due = date_at(scene.now) + Days::new(days);
            let terms = Terms::new(PLANS[plan].name, due, auto_renew);
            let changed = scene.engine.change_plan(scene.name, &terms, None);
            if scene.model.status == Status::Cancelled {
                assert_eq!(changed.expect_err("is cancelled").code(), 406);
                *scene.model = before;
                return;
            }
            changed.expect("changes");
            scene.model.bill_end(scene.now);
            if !scene.model.gone {
                scene.model.close_period();
            }
            scene.model.subscribe(plan, due, auto_renew);
            scene.model.event(format!("has plan {}", PLANS[plan].name));
        }
        Operation::SetAi { on } => {
            let feature = on.map(Feature::Flag);
            scene.engine.set_feature(scene.name, "ai", feature.as_ref()).expect("is known");
            scene.model.ai.1 = on;
        }
        Operation::SetAnalytics { level } => {
            let feature = level.map(|level| Feature::Level(level.to_owned()));
            scene.engine.set_feature(scene.name, "analytics", feature.as_ref()).expect("is known");
            scene.model.analytics.1 = level;
        }
        Operation::SetStatus { status, as_operator } => {
            if !set_status(scene, status, as_operator) {
                *scene.model = before;
                return;
            }
        }
        Operation::Settle => scene.engine.settle(scene.name).expect("settles"),
        ref other => unreachable!("{other:?} is done elsewhere"),
    }
    scene.model.end(scene.now);
}

/// Whether it was done.
fn set_status(scene: &mut Scene<'_>, to: Status, as_operator: bool) -> bool {
    use Status::{Active, Cancelled, PastDue, Suspended};
    let from = scene.model.status;
    let may_be = as_operator
        || from == to
        || matches!(
            (from, to),
            (Active | PastDue | Suspended, Cancelled | Active) | (Active | PastDue, _)
        );
    let done = scene.engine.set_status(scene.name, to, "", as_operator);
    if !may_be {
        assert!(matches!(done, Err(Error::Transition { .. })), "{from:?} {to:?}: {done:?}");
        return false;
    }
    done.expect("may be");
    if from != to {
        scene.model.event(format!("is {}", to.code()));
    }
    scene.model.status = to;
    if from != to && to == Cancelled {
        let is_due = scene.model.bill_end(scene.now);
        scene.model.cancelled = Some((date_at(scene.now), is_due));
    } else if from != to && from == Cancelled {
        scene.model.resume();
    }
    true
}

fn occupy(scene: &mut Scene<'_>, resource: usize, holder: u8, pending: bool) {
    let seats = scene.handle.seats(RESOURCES[resource].name).expect("are seats");
    let how = cotas::Occupancy { pending, token: None };
    let decision = seats.occupy_as(&holder.to_string(), &how).expect("decides");
    let seat = scene.model.seats.iter().position(|&(of, by, _)| (of, by) == (resource, holder));
    let charges = with_parents(&[(resource, u64::from(seat.is_none()))]);
    let verdict = scene.model.ask(scene.now, Gate::Access, &charges);
    assert_agree(&decision, &verdict);
    if verdict.allowed() {
        match seat {
            // A holder who is there is not invited again.
            Some(at) => scene.model.seats[at].2 &= pending,
            None => scene.model.seats.push((resource, holder, pending)),
        }
    }
}

fn release(scene: &mut Scene<'_>, resource: usize, holder: u8) {
    let seats = scene.handle.seats(RESOURCES[resource].name).expect("are seats");
    let freed = seats.release(&holder.to_string()).expect("releases");
    let before = scene.model.seats.len();
    scene.model.seats.retain(|&(of, by, _)| (of, by) != (resource, holder));
    assert_eq!(freed, scene.model.seats.len() < before);
}

/// Whether it was done.
fn replace(scene: &mut Scene<'_>, resource: usize, old: u8, new: u8) -> bool {
    let seats = scene.handle.seats(RESOURCES[resource].name).expect("are seats");
    let replaced = seats.replace(&old.to_string(), &new.to_string());
    let seat =
        |holder| scene.model.seats.iter().position(|&(of, by, _)| (of, by) == (resource, holder));
    match (seat(old), seat(new)) {
        (None, _) => {
            assert!(matches!(replaced, Err(Error::SeatNotHeld { .. })), "{replaced:?}");
            false
        }
        (Some(_), Some(_)) if old != new => {
            assert!(matches!(replaced, Err(Error::InvalidArgument { .. })), "{replaced:?}");
            false
        }
        (Some(at), _) => {
            replaced.expect("it always passes");
            scene.model.seats[at].1 = new;
            true
        }
    }
}

fn grant(scene: &mut Scene<'_>, resource: usize, units: u64, lifetime: Option<u64>) {
    let expires = lifetime.map(|lifetime| scene.now + days(lifetime));
    let until = expires.map(Timestamp::from_ms);
    let name = RESOURCES[resource].name;
    let granted = scene.engine.grant(scene.name, name, Source::Extra, units, until, None);
    granted.expect("grants");
    scene.model.add_grant(resource, false, units, expires);
}
