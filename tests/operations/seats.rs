//! Seats: held by name until they are released.

use cotas::{Engine, Error, Occupancy, OverLimit, Reason, Seats, Tenant, Terms, TokenSeat};
use cotas_tests::wide::{acme, allowed, catalog, denied, stands};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, date};

fn seats<'a>(tenant: &'a Tenant, resource: &str) -> Seats<'a> {
    tenant.seats(resource).expect("is a seat")
}

fn holders(engine: &Engine, resource: &str) -> Vec<(String, bool)> {
    let tenant = engine.tenant("acme").expect("exists");
    let list = seats(&tenant, resource).list().expect("reads");
    list.into_iter().map(|seat| (seat.holder, seat.pending)).collect()
}

#[test]
fn a_seat_is_taken_once_by_each_holder_until_it_is_released() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let users = seats(&tenant, "users");
    let start = engine.now();
    for holder in ["ana", "bia", "ana", "caio"] {
        allowed(users.occupy(holder));
        clock.advance_ms(1);
    }
    assert_eq!(stands(&engine, "acme", "users"), (3, 0, 0));
    let refused = denied(users.occupy("davi"));
    assert_eq!((refused.reason(), refused.limit()), (Some(Reason::QuotaExhausted), Some(3)));
    allowed(users.occupy("ana"));
    assert_eq!(users.list().expect("reads")[0].since, start, "since the first time");
    assert!(users.release("bia").expect("releases"));
    assert!(!users.release("bia").expect("there is none"));
    allowed(users.occupy("davi"));
    let names: Vec<_> = holders(&engine, "users").into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["ana", "caio", "davi"]);
    assert!(users.occupy("").is_err());
    assert_sound(&engine);
}

#[test]
fn an_invitation_holds_its_seat_and_becomes_it() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let users = seats(&tenant, "users");
    let pending = Occupancy { pending: true, ..Occupancy::default() };
    for holder in ["ana", "bia", "caio"] {
        allowed(users.occupy_as(holder, &pending));
    }
    denied(users.occupy("davi"));
    allowed(users.occupy("bia"));
    allowed(users.occupy_as("bia", &pending));
    let expected = [("ana", true), ("bia", false), ("caio", true)];
    assert_eq!(holders(&engine, "users"), expected.map(|(name, it)| (name.to_owned(), it)));
    assert_eq!(stands(&engine, "acme", "users"), (3, 0, 0));
    assert_sound(&engine);
}

#[test]
fn a_seat_changes_hands_also_where_none_is_free() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let users = seats(&tenant, "users");
    for holder in ["ana", "bia", "caio"] {
        allowed(users.occupy(holder));
    }
    engine.set_limit("acme", "users", cotas::Limit::Finite(1)).expect("is lowered");
    users.replace("ana", "davi").expect("changes hands");
    users.replace("davi", "davi").expect("changes nothing");
    assert!(matches!(users.replace("ana", "eva"), Err(Error::SeatNotHeld { .. })));
    assert!(matches!(users.replace("bia", "caio"), Err(Error::InvalidArgument { .. })));
    assert_eq!(stands(&engine, "acme", "users").0, 3);
    denied(users.occupy("eva"));
    let report = engine.report("acme").expect("reports");
    assert!(report.balances.iter().any(|it| it.resource == "users" && it.over_limit()));
    assert_sound(&engine);
}

#[test]
fn a_seat_counts_in_those_above_it() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let (all, whatsapp) = (seats(&tenant, "channels"), seats(&tenant, "channels.whatsapp"));
    allowed(whatsapp.occupy("w1"));
    allowed(whatsapp.occupy("w2"));
    assert_eq!(denied(whatsapp.occupy("w3")).limit(), Some(2));
    allowed(all.occupy("telegram"));
    assert_eq!(stands(&engine, "acme", "channels"), (3, 0, 0));
    assert!(whatsapp.release("w1").expect("releases"));
    allowed(all.occupy("instagram"));
    assert_eq!(denied(whatsapp.occupy("w1")).limit(), Some(3), "there is no capacity above");
    assert_eq!(stands(&engine, "acme", "channels.whatsapp"), (1, 1, 0));
    assert_eq!(all.list().expect("reads").len(), 2, "each is listed where it is held");
    assert_sound(&engine);
}

#[test]
fn a_smaller_plan_takes_no_seat_away_and_is_forewarned() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    for holder in ["ana", "bia"] {
        allowed(seats(&tenant, "users").occupy(holder));
        allowed(seats(&tenant, "channels.whatsapp").occupy(holder));
        allowed(tenant.leases("calls").expect("is a lease").acquire(holder, None));
    }
    allowed(tenant.meter("minutes.video").expect("is a meter").add(3));
    allowed(tenant.consume("credits", 9));
    let over = |resource: &str, used, limit| OverLimit { resource: resource.into(), used, limit };
    let mut forewarned = engine.what_if("acme", "narrow").expect("reports");
    forewarned.sort_by(|one, other| one.resource.cmp(&other.resource));
    let expected = [
        over("calls", 2, 1),
        over("channels", 2, 1),
        over("channels.whatsapp", 2, 0),
        over("minutes", 3, 2),
        over("minutes.video", 3, 0),
        over("users", 2, 1),
    ];
    assert_eq!(forewarned, expected);
    assert_eq!(engine.what_if("acme", "wide").expect("reports"), []);
    assert!(matches!(engine.what_if("acme", "none"), Err(Error::UnknownPlan(_))));
    let terms = Terms::new("narrow", date("2026-05-20"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
    assert_eq!(holders(&engine, "users").len(), 2);
    let report = engine.report("acme").expect("reports");
    let mut found: Vec<_> = report.balances.iter().filter(|it| it.over_limit()).collect();
    found.sort_by(|one, other| one.resource.cmp(&other.resource));
    let found: Vec<_> = found.iter().map(|it| it.resource.as_str()).collect();
    // Meters that count by the period have begun again with the plan.
    assert_eq!(found, ["calls", "channels", "channels.whatsapp", "users"]);
    let whatsapp = denied(seats(&tenant, "channels.whatsapp").occupy("caio"));
    assert!(whatsapp.reasons.contains(Reason::NotInPlan));
    allowed(seats(&tenant, "users").occupy("ana"));
    denied(seats(&tenant, "users").occupy("caio"));
    assert_sound(&engine);
}

const TOKEN: &str = "EAAG-very-secret-token-4711";

#[test]
fn a_token_opens_one_seat_over_all_tenants() {
    let (engine, _) = acme(NOON);
    add_tenant(&engine, "other", "wide", "2026-05-20", true);
    let tenants = ["acme", "other"].map(|name| engine.tenant(name).expect("exists"));
    let with = |token| Occupancy { token: Some(token), ..Occupancy::default() };
    let whatsapp = tenants.each_ref().map(|it| seats(it, "channels.whatsapp"));
    allowed(whatsapp[0].occupy_as("w1", &with(TOKEN)));
    allowed(whatsapp[0].occupy_as("w1", &with(TOKEN)));
    let seat = TokenSeat {
        tenant: "acme".to_owned(),
        resource: "channels.whatsapp".to_owned(),
        holder: "w1".to_owned(),
    };
    assert_eq!(engine.verify_token(TOKEN).expect("looks"), Some(seat));
    for taken in [
        whatsapp[0].occupy_as("w2", &with(TOKEN)),
        whatsapp[1].occupy_as("w1", &with(TOKEN)),
        seats(&tenants[0], "users").occupy_as("w1", &with(TOKEN)),
    ] {
        let error = taken.expect_err("is taken");
        assert!(matches!(error, Error::TokenTaken), "{error}");
        assert!(!error.to_string().contains(TOKEN));
    }
    assert_eq!(stands(&engine, "other", "channels").0, 0, "nothing was taken");
    // Taken again without a token it keeps the one it has; another one takes its place.
    allowed(whatsapp[0].occupy("w1"));
    assert!(engine.verify_token(TOKEN).expect("looks").is_some());
    assert!(whatsapp[0].list().expect("reads")[0].has_token);
    allowed(whatsapp[0].occupy_as("w1", &with("another-token")));
    assert_eq!(engine.verify_token(TOKEN).expect("looks"), None);
    whatsapp[0].release("w1").expect("releases");
    assert_eq!(engine.verify_token("another-token").expect("looks"), None);
    allowed(whatsapp[1].occupy_as("w1", &with(TOKEN)));
    let long = TOKEN.repeat(50);
    for bad in ["", "short", &long] {
        let error = engine.verify_token(bad).expect_err("is refused");
        assert!(matches!(error, Error::InvalidArgument { .. }));
        assert!(bad.is_empty() || !error.to_string().contains(bad), "{error}");
        let error = whatsapp[0].occupy_as("w9", &with(bad)).expect_err("is refused");
        assert!(bad.is_empty() || !error.to_string().contains(bad), "{error}");
    }
    assert_sound(&engine);
}

#[test]
fn i9_a_token_and_a_contact_are_in_no_file() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    let tenant = engine.tenant("acme").expect("exists");
    let how = Occupancy { token: Some(TOKEN), ..Occupancy::default() };
    allowed(seats(&tenant, "channels.whatsapp").occupy_as("seat-holder-1", &how));
    let contact = "5511-contact-4712";
    let message = cotas::Details { contact, holder: contact, channel: "w", ..Default::default() };
    allowed(tenant.once(contact).perform("receive_message", &message));
    allowed(tenant.perform("start_agent", &message));
    tenant.link_contact(contact, "other").expect("links");
    engine.checkpoint().expect("writes");
    drop(engine);
    let engine = database.open();
    assert!(engine.verify_token(TOKEN).expect("looks").is_some(), "the hash's key is kept");
    std::mem::forget(engine); // The log stays as it is.
    let mut files = 0;
    let mut found = false;
    for entry in std::fs::read_dir(database.directory()).expect("is there") {
        let path = entry.expect("is there").path();
        let bytes = std::fs::read(&path).expect("is read");
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has(TOKEN) && !has(contact), "{}", path.display());
        found |= has("seat-holder-1");
        files += 1;
    }
    assert!(files >= 3 && found, "the files were looked through: what may stand there does");
}
