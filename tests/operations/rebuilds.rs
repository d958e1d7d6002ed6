//! Handles from before a rebuild: refused after it, and never taken for another's.

use cotas::{Engine, Error, Origin, Receipt, ReservationId};
use cotas_tests::wide::{allowed, catalog, stands};
use cotas_tests::{Database, acts, add_tenant, assert_sound};

struct Handles {
    receipt: Receipt,
    reservation: ReservationId,
    fencing: u64,
}

impl Handles {
    fn parse(text: &str) -> Handles {
        let words: Vec<_> = text.split_whitespace().collect();
        Handles {
            receipt: words[0].parse().expect("is a receipt"),
            reservation: words[1].parse().expect("is an id"),
            fencing: words[2].parse().expect("is a number"),
        }
    }
}

fn opened(database: &Database) -> Engine {
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    engine
}

fn made(engine: &Engine, key: &str) -> Handles {
    Handles::parse(&acts::handles(engine, "acme", key).expect("are made"))
}

fn rebuilt(database: &Database, engine: Engine) -> Engine {
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    assert_eq!(engine.opening().origin, Origin::Rebuilt);
    engine
}

#[track_caller]
fn refuses_all(engine: &Engine, old: &Handles) {
    let before = engine.report("acme").expect("reports").balances;
    let tenant = engine.tenant("acme").expect("exists");
    let stale = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Stale { .. })), "{result:?}");
    };
    stale(tenant.refund(&old.receipt));
    stale(tenant.charges_of(&old.receipt).map(|_| ()));
    stale(tenant.commit(&old.reservation));
    stale(tenant.commit_part(&old.reservation, &[("sms", 1)]));
    stale(tenant.release(&old.reservation));
    let calls = tenant.leases("calls").expect("is a lease");
    for result in
        [calls.renew("holder", old.fencing, None).map(|_| ()), calls.release("holder", old.fencing)]
    {
        assert!(matches!(result, Err(Error::LeaseNotHeld { .. })), "{result:?}");
    }
    assert_eq!(engine.report("acme").expect("reports").balances, before);
}

#[test]
fn what_was_given_out_since_the_checkpoint_names_nothing_after_a_rebuild() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = opened(&database);
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    drop(engine);
    // What a killed process did is in the live file alone, and lost with it.
    let mut command = database.command(&["handles", "acme", "k"]);
    let output = command.env("COTAS_ABANDON", "1").output().expect("starts");
    let old = Handles::parse(&String::from_utf8_lossy(&output.stdout));
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    assert_eq!(engine.opening().origin, Origin::Rebuilt);
    assert_eq!(stands(&engine, "acme", "credits").0, 0, "the charge is lost");
    refuses_all(&engine, &old);
    // New ones take the same places and numbers.
    let new = made(&engine, "other");
    let places = |it: &Handles| {
        let texts = [it.receipt.to_string(), it.reservation.to_string()];
        texts.map(|text| text.splitn(3, '-').nth(2).expect("place and number").to_owned())
    };
    assert_eq!(places(&new), places(&old));
    assert!(new.fencing > old.fencing, "fencing rises");
    refuses_all(&engine, &old);
    let tenant = engine.tenant("acme").expect("exists");
    tenant.refund(&new.receipt).expect("refunds");
    tenant.commit(&new.reservation).expect("commits");
    let calls = tenant.leases("calls").expect("is a lease");
    calls.renew("holder", new.fencing, None).expect("renews");
    assert_sound(&engine);
}

#[test]
fn what_the_checkpoint_has_is_kept_and_its_old_handles_are_refused() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = opened(&database);
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    let old = made(&engine, "k");
    let engine = rebuilt(&database, engine);
    assert_eq!(stands(&engine, "acme", "credits"), (2, 8, 0));
    assert_eq!(stands(&engine, "acme", "sms"), (2, 8, 2));
    assert_eq!(stands(&engine, "acme", "calls"), (1, 2, 0));
    refuses_all(&engine, &old);
    // A caller that holds the key or the lease gets a handle that is good now.
    let tenant = engine.tenant("acme").expect("exists");
    let again = allowed(tenant.once("k").consume("credits", 2));
    assert!(again.replayed);
    tenant.refund(&again.receipt.expect("a receipt")).expect("refunds");
    let calls = tenant.leases("calls").expect("is a lease");
    let lease = allowed(calls.acquire("holder", None)).lease.expect("a lease");
    assert!(lease.fencing > old.fencing);
    calls.release("holder", lease.fencing).expect("releases");
    assert_eq!(stands(&engine, "acme", "calls"), (0, 3, 0));
    assert_eq!(stands(&engine, "acme", "credits"), (0, 10, 0));
    assert_sound(&engine);
}
