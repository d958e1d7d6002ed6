//! `cotas tenant import`: tenants of another system.

mod common;

use common::{Desk, stderr, stdout};
use serde_json::json;

const HEAD: &str = "company,plan,first_due,status,limit.sessions,feature.crm,extra.sms\n";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.ok(&["tenant", "add", "old", "--plan", "small", "--first-due", "2027-12-10"]);
    desk
}

fn import(desk: &Desk, text: &str, more: &[&str]) -> std::process::Output {
    desk.write("tenants.csv", text);
    let arguments = ["tenant", "import", "tenants.csv", "--map", "name=company"];
    desk.run(&[&arguments[..], more].concat())
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_the_import_does() {
    let desk = desk();
    let rows = [
        "new-1,big,2027-12-10,active,7,,",
        "\"new 2\",small,2027-12-10,,unlimited,,30",
        "old,big,2027-12-10,,,,",
    ];
    let text = HEAD.to_owned() + &rows.join("\n");
    let dry = import(&desk, &text, &["--dry-run", "--json"]);
    let expected = json!({ "created": ["new 2", "new-1"], "exist": 1, "dry_run": true });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stdout(&dry)).expect("JSON"), expected);
    assert_eq!(desk.json(&["tenant", "list"]), json!(["old"]));
    let done = import(&desk, &text, &[]);
    assert_eq!(stdout(&done), "2 tenants created, 1 tenant had been there already\n");
    assert_eq!(desk.json(&["tenant", "list"]), json!(["new 2", "new-1", "old"]));
    let balance =
        |name: &str, resource: &str| desk.json(&["balances", name])["balances"][resource].clone();
    assert_eq!(balance("new-1", "sessions")["contracted"], json!(7));
    assert_eq!(balance("new 2", "sms")["available"], json!(35), "the plan's and the extras");
    assert_eq!(
        desk.json(&["tenant", "show", "old"])["subscription"]["plan"],
        "small",
        "it was left as it was"
    );
    let again = import(&desk, &text, &[]);
    assert_eq!(stdout(&again), "0 tenants created, 3 tenants had been there already\n");
}

#[test]
fn every_line_that_is_wrong_is_named_and_nothing_is_imported() {
    let desk = desk();
    let rows = [
        "good,big,2027-12-10,,,,",
        "bad-1,bigg,2027-12-10,,,,",
        "bad-2,big,10/12/2027,,,,",
        "bad-3,big,2027-12-10,asleep,,,",
        "bad-4,big,2027-12-10,,-3,,",
        "bad-5,big,2027-12-10,,,,some",
    ];
    let refused = import(&desk, &(HEAD.to_owned() + &rows.join("\n")), &[]);
    let (shown, said) = (stdout(&refused), stderr(&refused));
    assert_eq!(refused.status.code(), Some(1), "{shown}{said}");
    // Line 3 is right but for the catalog, which is asked once every line can be read.
    for (line, why) in [(4, "first_due"), (5, "status"), (6, "limits.sessions"), (7, "units")] {
        let has = |it: &str| {
            it.trim_start_matches(['│', ' ']).starts_with(&line.to_string()) && it.contains(why)
        };
        assert!(shown.lines().any(has), "{line} {why}: {shown}");
    }
    assert!(said.contains("nothing was imported"), "{said}");
    let unknown_plan = import(
        &desk,
        &(HEAD.to_owned() + "good,big,2027-12-10,,,,\nbad-1,bigg,2027-12-10,,,,\n"),
        &[],
    );
    let shown = stdout(&unknown_plan);
    assert!(shown.contains('3') && shown.contains("bigg"), "{shown}");
    assert_eq!(desk.json(&["tenant", "list"]), json!(["old"]), "not even the good one");
}

#[test]
fn columns_that_mean_nothing_are_refused_by_name() {
    let desk = desk();
    let refused = import(&desk, "company,pla,limit.,name\nx,big,1,y\n", &[]);
    let shown = stdout(&refused);
    for why in ["\"pla\"", "\"limit.\"", "\"name\" is there twice"] {
        assert!(shown.contains(why), "{why}: {shown}");
    }
    let twice = "company\nx\ny\nx\n";
    assert!(stdout(&import(&desk, twice, &[])).contains("tenant \"x\" is there twice"));
    desk.write("tenants.csv", "plan\nbig\n");
    let without = desk.run(&["tenant", "import", "tenants.csv"]);
    assert!(stdout(&without).contains("there is no column \"name\""), "{without:?}");
    let wrong = desk.run(&["tenant", "import", "tenants.csv", "--map", "company=name"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}
