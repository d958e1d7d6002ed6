//! Setting a database up and looking into it.

mod common;

use std::thread;
use std::time::Duration;

use common::Desk;
use serde_json::json;

const BEGIN: [&str; 2] = ["--at", "2026-05-20T08:00:00-03:00"];

fn with_padaria(extra: &[&str]) -> Desk {
    let desk = Desk::new();
    let add = ["tenant", "add", "padaria", "--plan", "small", "--first-due", "2026-06-10"];
    desk.ok(&[&add[..], &BEGIN, extra].concat());
    desk
}

#[test]
fn the_same_catalog_again_changes_nothing() {
    let desk = Desk::empty();
    let load = ["catalog", "load", "catalog.toml"];
    assert_eq!(desk.json(&load), json!({ "version": 1, "changed": true }));
    assert_eq!(desk.json(&load), json!({ "version": 1, "changed": false }));
    assert_eq!(desk.ok(&load), "version 1 was in force already; nothing changed\n");

    desk.write("catalog.toml", &common::CATALOG.replace("9.90", "9.95"));
    assert_eq!(desk.ok(&load), "version 2 is in force\n");
    let shown = desk.ok(&["catalog", "show"]);
    assert!(shown.starts_with("version 2, BRL, America/Sao_Paulo\n"), "{shown}");
    assert!(shown.contains("BRL 9.95") && shown.contains("sms by quantity"), "{shown}");
    assert_eq!(desk.json(&["catalog", "show"])["version"], 2);
}

#[test]
fn the_catalog_shows_how_limits_are_enforced_and_what_actions_take() {
    let desk = Desk::empty();
    let more = r#"
[resources.calls]
kind = "lease"
ttl = "60s"
enforce = "soft"
cap = 3
[resources.pair]
kind = "rate"
every = "6s"
enforce = "shadow"
[actions.begin_call]
lease = "calls"
rate = "pair"
"#;
    desk.write("catalog.toml", &format!("{}{more}", common::CATALOG));
    desk.ok(&["catalog", "load", "catalog.toml"]);
    let shown = desk.ok(&["catalog", "show"]);
    let row = |name: &str| {
        let row = shown.lines().find(|line| line.contains(name)).expect("is shown");
        row.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(row(" calls "), ["calls", "lease", "soft, cap 3"]);
    assert_eq!(row(" pair "), ["pair", "rate", "shadow"]);
    assert_eq!(row(" sms "), ["sms", "allowance", "hard"]);
    assert_eq!(row(" begin_call "), ["begin_call", "consume", "calls", "pair"]);
}

#[test]
fn a_tenant_is_added_with_plan_extras_zone_and_status() {
    let desk = with_padaria(&["--extra", "sessions=100", "--extra", "sms=1", "--auto-renew"]);
    desk.ok(&["tenant", "add", "oficina", "--status", "demo", "--time-zone", "America/Manaus"]);

    let padaria = desk.json(&[&["tenant", "show", "padaria"][..], &BEGIN].concat());
    assert_eq!(padaria["status"], "active");
    assert_eq!(padaria["time_zone"], "America/Sao_Paulo");
    assert_eq!(padaria["as_of"], "2026-05-20T11:00:00Z");
    assert_eq!(
        padaria["subscription"],
        json!({
            "plan": "small",
            "period_start": "2026-05-20T11:00:00Z",
            "due": "2026-06-10",
            "auto_renew": true,
            "lapsed": false,
            "pause": "none",
        })
    );
    assert_eq!(
        padaria["balances"]["sessions"],
        json!({
            "kind": "session",
            "mode": "finite",
            "limit": 102,
            "used": 0,
            "available": 102,
            "held": 0,
            "over_limit": false,
        })
    );
    assert_eq!(padaria["balances"]["sms"]["available"], 6);

    let oficina = desk.json(&["tenant", "show", "oficina"]);
    assert_eq!(oficina["status"], "demo");
    assert_eq!(oficina["time_zone"], "America/Manaus");
    assert!(oficina["subscription"].is_null());

    assert_eq!(desk.json(&["tenant", "list"]), json!(["oficina", "padaria"]));
    assert_eq!(desk.ok(&["tenant", "list"]), "oficina\npadaria\n");
    assert_eq!(desk.failure(&["tenant", "add", "padaria"]), r#"tenant "padaria" exists already"#);
}

#[test]
fn what_a_tenant_may_do_is_changed() {
    let desk = with_padaria(&[]);
    let change = |arguments: &[&str]| desk.json(&[arguments, &BEGIN].concat());

    let status = ["tenant", "status", "padaria", "suspended", "--reason", "debt of May"];
    let padaria = change(&status);
    assert_eq!(padaria["status"], "suspended");
    assert_eq!(padaria["status_reason"], "debt of May");
    let back = ["tenant", "status", "padaria", "onboarding", "--reason", "again"];
    assert_eq!(
        desk.failure(&[&back[..], &BEGIN].concat()),
        "a tenant that is suspended cannot become onboarding (expected active or cancelled)"
    );
    assert_eq!(change(&[&back[..], &["--as-operator"]].concat())["status"], "onboarding");

    let padaria = change(&["tenant", "limit", "padaria", "sessions", "7"]);
    assert_eq!(padaria["balances"]["sessions"]["available"], 7);
    let padaria = change(&["tenant", "limit", "padaria", "sms", "unlimited"]);
    assert_eq!(padaria["balances"]["sms"]["mode"], "unlimited");
    assert!(padaria["balances"]["sms"]["available"].is_null());

    let padaria = change(&["plan", "change", "padaria", "big", "--first-due", "2026-06-20"]);
    assert_eq!(padaria["subscription"]["plan"], "big");
    assert_eq!(padaria["balances"]["sessions"]["available"], 100);
    let text = desk.ok(&[&["tenant", "show", "padaria"][..], &BEGIN].concat());
    assert!(text.contains("plan big since 2026-05-20T11:00:00Z, due 2026-06-20"), "{text}");
}

#[test]
fn a_grant_with_a_key_is_given_once() {
    let desk = with_padaria(&[]);
    let grant = ["grant", "padaria", "sms", "10", "--source", "package", "--key", "order-1"];
    let grant = [&grant[..], &BEGIN, &["--expires", "2026-05-21T00:00:00-03:00"]].concat();
    assert_eq!(desk.json(&grant)["available"], 15);
    assert_eq!(desk.json(&grant)["available"], 15);
    assert_eq!(desk.ok(&grant), "padaria: 15 sms available\n");
    let later = ["tenant", "show", "padaria", "--at", "2026-05-21T00:00:00-03:00"];
    assert_eq!(desk.json(&later)["balances"]["sms"]["available"], 5);
}

#[test]
fn every_change_is_made_once_under_its_key() {
    let desk = with_padaria(&[]);
    let all = |words: &[&str], more: &[&str]| {
        [words, more, &BEGIN].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |words: &[&str], more: &[&str]| {
        let words = all(words, more);
        desk.json(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let conflicts = |words: &[&str], more: &[&str]| {
        let words = all(words, more);
        let failure = desk.failure(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(failure, "the idempotency key was used before with other arguments");
    };
    let units = |of: &str| run(&["tenant", "show", of], &[])["balances"]["sms"]["limit"].clone();
    for (operation, key) in [("limit", ["--key", "k-1"]), ("own-limit", ["--key", "k-2"])] {
        run(&["tenant", operation, "padaria", "sms", "9"], &key);
        run(&["tenant", operation, "padaria", "sms", "7"], &[]);
        run(&["tenant", operation, "padaria", "sms", "9"], &key);
        assert_eq!(units("padaria"), 7, "{operation}: nothing was done again");
        conflicts(&["tenant", operation, "padaria", "sms", "8"], &key);
    }
    let add = ["tenant", "add", "nova", "--plan", "small", "--first-due", "2026-06-20"];
    run(&add, &["--key", "k-1"]);
    run(&add, &["--key", "k-1"]);
    assert_eq!(desk.failure(&add), "tenant \"nova\" exists already");
    let status = ["tenant", "status", "padaria", "suspended", "--reason"];
    run(&status, &["debt", "--key", "k-3"]);
    conflicts(&status, &["abuse", "--key", "k-3"]);
    let invoice = run(&["invoices", "padaria"], &[])[0]["id"].to_string();
    run(&["invoice", "pay", &invoice], &["--key", "k-4"]);
    run(&["invoice", "pay", &invoice], &["--key", "k-4"]);
    conflicts(&["invoice", "pay", &invoice], &["--on", "2026-05-19", "--key", "k-4"]);
    conflicts(&["invoice", "split", &invoice, "3"], &["--key", "k-4"]);
    conflicts(&["invoice", "cancel", &invoice], &["--key", "k-4"]);
    conflicts(&["invoice", "end", &invoice], &["--key", "k-4"]);
}

#[test]
fn a_clock_far_ahead_is_believed_when_confirmed() {
    let desk = with_padaria(&[]);
    let at = ["--at", "2028-01-01T00:00:00Z"];
    let limit = [&["tenant", "limit", "padaria", "sms", "9"][..], &at].concat();
    assert!(desk.failure(&limit).contains("more than 400 days past 2026-05-20T11:00:00Z"));
    desk.ok(&[&["tenant", "confirm-clock", "padaria"][..], &at].concat());
    assert_eq!(desk.json(&limit)["balances"]["sms"]["available"], 9);
}

#[test]
fn a_sound_database_is_verified_and_its_backup_too() {
    let desk = with_padaria(&[]);
    assert_eq!(desk.json(&["verify"]), json!({ "ok": true, "tenants": 1, "findings": [] }));
    assert_eq!(desk.ok(&["backup", "copy.db"]), "wrote copy.db\n");
    assert!(desk.failure(&["backup", "copy.db"]).contains("cannot write the backup copy.db"));
    assert_eq!(desk.ok(&["verify", "--db", "copy.db"]), "ok: the books of 1 tenant balance\n");
}

#[test]
fn opening_says_how_the_live_file_was_found() {
    let desk = with_padaria(&[]);
    assert_eq!(desk.json(&["open"])["origin"], "adopted");
    std::fs::remove_file(desk.path("cotas.db-live")).expect("it lies beside the database");
    let says = desk.ok(&["open"]);
    let (found, rules) = says.split_once('\n').expect("two lines");
    assert_eq!(
        found,
        "rebuilt: it was missing; what was used since the last checkpoint may be missing"
    );
    assert!(rules.starts_with("rules of time zones: "), "{rules}");
    assert!(desk.ok(&["open"]).starts_with("adopted: "));
}

#[test]
fn the_live_file_lies_where_it_is_reported() {
    let desk = Desk::empty();
    std::fs::create_dir(desk.path("live")).expect("a directory");
    desk.ok(&["catalog", "load", "catalog.toml", "--live-directory", "live"]);
    assert!(desk.path("live/cotas.db-live").exists());
    assert!(!desk.path("cotas.db-live").exists());
}

#[test]
fn maintenance_runs_once_or_until_it_is_killed() {
    let desk = with_padaria(&["--auto-renew"]);
    let once = desk.json(&["maintain", "--once"]);
    assert_eq!(once["checkpointed"], 0);

    let mut running = desk.command(&["maintain"]).spawn().expect("it can be started");
    thread::sleep(Duration::from_millis(300));
    assert!(running.try_wait().expect("a child").is_none());
    assert_eq!(desk.json(&["open"])["origin"], "joined");
    running.kill().expect("killed");
    running.wait().expect("dead");
    desk.ok(&["verify"]);
}
