//! `cotas verify`.

use std::fmt::Write;
use std::sync::Arc;

use cotas::SystemClock;
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Output, counted};

/// Audits the database; fails if something does not add up.
pub fn run(database: &Database, output: Output) -> Result<(), Failure> {
    let engine = database.open(Arc::new(SystemClock))?;
    let findings = engine.verify()?;
    let tenants = engine.tenants()?.len();

    let mut text = String::new();
    for finding in &findings {
        let subject = if finding.tenant.is_empty() { "the database" } else { &finding.tenant };
        let _ = writeln!(text, "{subject}: {}", finding.what);
    }
    if findings.is_empty() {
        let tenants = counted(tenants as u64, "tenant");
        let _ = writeln!(text, "ok: the books of {tenants} balance");
    }
    let found: Vec<_> =
        findings.iter().map(|it| json!({ "tenant": it.tenant, "what": it.what })).collect();
    let json = json!({ "ok": findings.is_empty(), "tenants": tenants, "findings": found });
    output.print(&text, &json)?;

    if findings.is_empty() { Ok(()) } else { Err(Failure::Faults(findings.len())) }
}
