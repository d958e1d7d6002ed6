//! What gives out handles: reservations, receipts, leases.

use std::time::Duration;

use cotas::{Decision, Details, Error, ReservationId, Resolution};

use crate::HOUR_MS;
use crate::catalog::{CALLS, LEASE_MS, RESOURCES, VIDEO};
use crate::operations::{Scene, assert_agree, sms_charges};
use crate::steps::{Key, Operation, Resolve};
use crate::tenant::{Gate, Lease, Reservation, Taken, with_parents};

/// Does an operation about handles, if it is one.
pub fn take(scene: &mut Scene<'_>, operation: &Operation) -> bool {
    match operation {
        Operation::Reserve { units, hours, key } => reserve(scene, units, *hours, *key),
        &Operation::ReserveSms { quantity, hours, key } => reserve_sms(scene, quantity, hours, key),
        &Operation::Resolve { which, how } => resolve(scene, which, how),
        &Operation::Refund { which } => refund(scene, which),
        &Operation::Acquire { resource, holder, seconds, key } => {
            acquire(scene, (resource, holder), seconds, key);
        }
        &Operation::RenewLease { which, seconds } => renew_lease(scene, which, seconds),
        &Operation::ReleaseLease { which } => release_lease(scene, which),
        _ => return false,
    }
    true
}

// ---- reservations ------------------------------------------------------------------------------

/// A time that no boundary shares.
fn hold_ms(hours: i64) -> i64 {
    hours * HOUR_MS + 7
}

fn reserve(scene: &mut Scene<'_>, units: &[(usize, u64)], hours: i64, key: Key) {
    scene.model.catch_up(scene.now);
    let named: Vec<(&str, u64)> =
        units.iter().map(|&(resource, units)| (RESOURCES[resource].name, units)).collect();
    let ttl = Duration::from_millis(hold_ms(hours) as u64);
    let result = match key {
        Some(key) => scene.under(key, &key.0.to_string()).reserve(&named, ttl),
        None => scene.handle.reserve(&named, ttl),
    };
    let charges = with_parents(units);
    let what = format!("reserve {units:?} {hours}");
    let made = scene.agree(result, what, key, Gate::Consume, &charges);
    keep(scene, made, hours);
}

fn reserve_sms(scene: &mut Scene<'_>, quantity: u64, hours: i64, key: Key) {
    scene.model.catch_up(scene.now);
    let details = Details { quantity: Some(quantity), ..Details::default() };
    let ttl = Duration::from_millis(hold_ms(hours) as u64);
    let result = match key {
        Some(key) => scene.under(key, &key.0.to_string()).reserve_action("send_sms", &details, ttl),
        None => scene.handle.reserve_action("send_sms", &details, ttl),
    };
    let what = format!("reserve_sms {quantity} {hours}");
    let made = scene.agree(result, what, key, Gate::Send, &sms_charges(quantity));
    keep(scene, made, hours);
}

/// Notes how long the reservation is held that was made just now.
fn keep(scene: &mut Scene<'_>, made: Option<Decision>, hours: i64) {
    if let Some(decision) = made {
        assert!(decision.reservation.is_some());
        let last = scene.model.reservations.last_mut().expect("it is held");
        last.until = scene.now + hold_ms(hours);
    }
}

/// Notes a reservation; its time is still to be written.
pub fn hold(scene: &mut Scene<'_>, id: ReservationId, taken: Vec<Taken>) {
    let (epoch, period) = (scene.epoch, scene.model.period);
    let until = i64::MAX;
    scene.model.reservations.push(Reservation { id, epoch, until, period, taken, resolved: None });
}

fn resolve(scene: &mut Scene<'_>, which: usize, how: Resolve) {
    if scene.model.reservations.is_empty() {
        return;
    }
    scene.model.catch_up(scene.now);
    let which = which % scene.model.reservations.len();
    let Reservation { id, epoch, taken, resolved, .. } = scene.model.reservations[which].clone();
    let mut sums: Vec<(usize, u64)> = Vec::new();
    for Taken { resource, units, .. } in taken {
        match sums.iter_mut().find(|(of, _)| *of == resource) {
            Some((_, sum)) => *sum += units,
            None => sums.push((resource, units)),
        }
    }
    // Of each resource that was named, not of those above.
    let percent = if let Resolve::Part(percent) = how { percent } else { 0 };
    let part: Vec<(usize, u64)> = sums
        .iter()
        .filter(|(of, _)| !sums.iter().any(|(it, _)| crate::catalog::parent(*it) == Some(*of)))
        .map(|&(resource, units)| (resource, (units * percent).div_ceil(100)))
        .collect();
    let (result, resolution) = match how {
        Resolve::Commit => (scene.handle.commit(&id), Resolution::Committed),
        Resolve::Release => (scene.handle.release(&id), Resolution::Released),
        Resolve::Part(_) => {
            let named: Vec<(&str, u64)> =
                part.iter().map(|&(of, units)| (RESOURCES[of].name, units)).collect();
            (scene.handle.commit_part(&id, &named), Resolution::PartlyCommitted)
        }
    };
    if epoch != scene.epoch {
        assert!(matches!(result, Err(Error::Stale { .. })), "{result:?}");
        return;
    }
    if let Some(before) = resolved {
        let reported = matches!(result, Err(Error::AlreadyResolved(how)) if how == before);
        assert!(reported, "{result:?}, it was {before:?}");
        return;
    }
    let mut kept = with_parents(&part);
    let held = |resource| sums.iter().find(|(of, _)| *of == resource).map_or(0, |it| it.1);
    if kept.iter().any(|&(resource, units)| units > held(resource)) {
        assert!(matches!(result, Err(Error::InvalidArgument { .. })), "{result:?}");
        return;
    }
    result.expect("resolves");
    let now = scene.now;
    scene.model.resolve(which, now, resolution, |units, resource| match how {
        Resolve::Commit => 0,
        Resolve::Release => units,
        Resolve::Part(_) => {
            let Some((_, kept)) = kept.iter_mut().find(|(of, _)| *of == resource) else {
                return units;
            };
            let stays = units.min(*kept);
            *kept -= stays;
            units - stays
        }
    });
}

// ---- receipts ----------------------------------------------------------------------------------

fn refund(scene: &mut Scene<'_>, which: usize) {
    // Whether a receipt is still known when its key has expired is not specified.
    let now = scene.now;
    let known = |it: &usize| {
        let stored = &scene.model.stored[*it];
        stored.until > now && stored.decision.receipt.is_some()
    };
    let all: Vec<usize> = (0..scene.model.stored.len()).filter(known).collect();
    let Some(&which) = all.get(which % all.len().max(1)) else { return };
    scene.model.catch_up(now);
    let stored = scene.model.stored[which].clone();
    let result = scene.handle.refund(&stored.decision.receipt.expect("it has one"));
    if stored.epoch != scene.epoch {
        assert!(matches!(result, Err(Error::Stale { .. })), "{result:?}");
        return;
    }
    if stored.refunded {
        assert!(matches!(result, Err(Error::AlreadyRefunded)), "{result:?}");
        return;
    }
    result.expect("refunds");
    let model = &mut *scene.model;
    model.stored[which].refunded = true;
    let mut taken = stored.taken;
    if model.close_refunded(stored.number, now) {
        taken.extend(stored.session);
    }
    let changes_limits = model.changes_limits(&taken, stored.period, now);
    taken.iter().for_each(|&taken| model.give_back(taken, stored.period, now));
    if changes_limits {
        model.watch();
    }
}

// ---- leases ------------------------------------------------------------------------------------

fn acquire(scene: &mut Scene<'_>, (resource, holder): (usize, u8), seconds: Option<u64>, key: Key) {
    scene.model.catch_up(scene.now);
    let text = key.map(|(key, _)| key.to_string()).unwrap_or_default();
    let name = RESOURCES[resource].name;
    let leases = match key {
        Some(key) => scene.under(key, &text).leases(name),
        None => scene.handle.leases(name),
    };
    let ttl = seconds.map(Duration::from_secs);
    let result = leases.expect("are leases").acquire(&holder.to_string(), ttl);
    let what = format!("acquire {name} {holder} {seconds:?}");
    take_lease(scene, result, (what, key), &[], (resource, holder), seconds);
}

fn ttl_ms(resource: usize, seconds: Option<u64>) -> i64 {
    seconds.map_or(LEASE_MS[usize::from(resource == VIDEO)], |it| it as i64 * 1_000)
}

/// Takes or prolongs a lease as was decided, and charges what goes with it.
pub fn take_lease(
    scene: &mut Scene<'_>,
    result: Result<Decision, Error>,
    (what, key): (String, Key),
    charges: &[(usize, u64)],
    (resource, holder): (usize, u8),
    seconds: Option<u64>,
) {
    if scene.is_again(&result, key, &what) {
        return;
    }
    let decision = result.expect("decides");
    let end = scene.now + ttl_ms(resource, seconds);
    let is_it = |it: &&mut Lease| (it.resource, it.holder) == (resource, holder);
    let held = scene.model.leases.iter_mut().find(is_it).is_some();
    let mut asked = charges.to_vec();
    if !held {
        asked.extend(with_parents(&[(resource, 1)]));
    }
    let verdict = scene.model.ask(scene.now, Gate::Consume, &asked);
    assert_agree(&decision, &verdict);
    assert_eq!(decision.lease.is_some(), verdict.allowed());
    let Some(lease) = decision.lease else { return };
    assert_eq!((lease.acquired, lease.expires_at.ms()), (!held, end));
    let taken = scene.model.take(charges);
    scene.store(&decision, what, key, taken);
    let fencing = lease.fencing;
    match scene.model.leases.iter_mut().find(is_it) {
        Some(had) if had.stale => {
            assert!(fencing > had.fencing, "the number is a new one");
            (had.fencing, had.stale, had.end) = (fencing, false, end);
        }
        Some(had) => {
            assert_eq!(fencing, had.fencing);
            had.end = end;
        }
        None => {
            let newest = scene.model.leases.iter().map(|it| it.fencing).max();
            assert!(newest.is_none_or(|newest| fencing > newest), "numbers rise");
            scene.model.leases.push(Lease { resource, holder, fencing, end, stale: false });
        }
    }
    for (resource, _) in with_parents(&[(resource, 1)]) {
        scene.model.report(resource);
    }
    debug_assert!(resource == CALLS || resource == VIDEO);
}

fn renew_lease(scene: &mut Scene<'_>, which: usize, seconds: Option<u64>) {
    scene.model.catch_up(scene.now);
    let count = scene.model.leases.len();
    if count == 0 {
        let leases = scene.handle.leases("calls").expect("are leases");
        assert!(matches!(leases.renew("0", 1, None), Err(Error::LeaseNotHeld { .. })));
        return;
    }
    let Lease { resource, holder, fencing, stale, .. } = scene.model.leases[which % count];
    let leases = scene.handle.leases(RESOURCES[resource].name).expect("are leases");
    let holder = holder.to_string();
    let ttl = seconds.map(Duration::from_secs);
    assert!(matches!(leases.renew(&holder, fencing + 1, ttl), Err(Error::LeaseNotHeld { .. })));
    let renewed = leases.renew(&holder, fencing, ttl);
    if stale {
        assert!(matches!(renewed, Err(Error::LeaseNotHeld { .. })), "from before a rebuild");
        return;
    }
    let lease = renewed.expect("it is held");
    let end = scene.now + ttl_ms(resource, seconds);
    assert_eq!((lease.acquired, lease.fencing, lease.expires_at.ms()), (false, fencing, end));
    scene.model.leases[which % count].end = end;
}

fn release_lease(scene: &mut Scene<'_>, which: usize) {
    let count = scene.model.leases.len();
    if count == 0 {
        return;
    }
    scene.model.catch_up(scene.now);
    let Lease { resource, holder, fencing, stale, .. } = scene.model.leases[which % count];
    let leases = scene.handle.leases(RESOURCES[resource].name).expect("are leases");
    let holder = holder.to_string();
    let released = leases.release(&holder, fencing);
    if stale {
        assert!(matches!(released, Err(Error::LeaseNotHeld { .. })), "from before a rebuild");
        return;
    }
    released.expect("it is held");
    scene.model.leases.remove(which % count);
    let again = leases.release(&holder, fencing);
    assert!(matches!(again, Err(Error::LeaseNotHeld { .. })), "{again:?}");
}
