//! `cotas open`.

use std::fmt::Write as _;
use std::sync::Arc;

use cotas::{Origin, SystemClock};
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;

/// Opens the database and says how the live file was found.
pub fn run(database: &Database, output: Output) -> Result<(), Failure> {
    let engine = database.open(Arc::new(SystemClock))?;
    let opening = engine.opening();
    let origin = match opening.origin {
        Origin::Adopted => "adopted",
        Origin::Joined => "joined",
        Origin::Rebuilt => "rebuilt",
    };
    let live_file = engine.live_path().map(|path| path.display().to_string());
    let mut text = format!("{origin}: {}", opening.why);
    if opening.may_miss_consumption {
        text.push_str("; what was used since the last checkpoint may be missing");
    }
    let _ = write!(text, "\nrules of time zones: {}", opening.zone_rules);
    let json = json!({
        "origin": origin,
        "why": opening.why,
        "may_miss_consumption": opening.may_miss_consumption,
        "zone_rules": opening.zone_rules,
        "live_file": live_file,
    });
    output.print(&text, &json)
}
