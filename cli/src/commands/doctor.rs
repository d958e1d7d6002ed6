//! `cotas doctor`.

use std::fmt::Write;

use clap::Args;
use cotas::{Diagnosis, FileSystemView, LiveView, OwnerView, Severity};
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Output, counted, grouped, table, words};

/// Looks at the database from outside.
#[derive(Args)]
pub struct Doctor {
    /// The live file may lie on a network file system that one host alone mounts
    #[arg(long)]
    allow_network_file_system: bool,
}

impl Doctor {
    /// Shows what was found; fails if something must be put right.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let builder = database.builder().allow_network_file_system(self.allow_network_file_system);
        let diagnosis = builder.doctor()?;
        output.print(&page(&diagnosis), &json!(diagnosis))?;
        let is_error = |it: &&cotas::Concern| it.severity == Severity::Error;
        match diagnosis.concerns.iter().filter(is_error).count() {
            0 => Ok(()),
            errors => Err(Failure::Unsound(errors)),
        }
    }
}

fn page(seen: &Diagnosis) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", files(seen));
    for it in &seen.file_systems {
        let _ = writeln!(text, "{}", file_system(it));
    }
    let versions = &seen.versions;
    let found = |number: Option<String>| number.unwrap_or_else(|| "none".to_owned());
    let _ = writeln!(
        text,
        "versions: library {}, layout {} (live file {}), schema {} (database {}), SQLite {}, time \
         zones {} (machine {})",
        versions.library,
        versions.layout,
        found(versions.layout_found.map(|it| it.to_string())),
        versions.schema,
        found(versions.schema_found.map(|it| it.to_string())),
        versions.sqlite,
        versions.zone_data,
        found(versions.zone_data_of_system.clone()),
    );
    let _ = writeln!(text, "{}", seen.live.as_ref().map_or_else(no_live_file, live));
    let latest = seen.clock.latest_seen.map_or("nothing".to_owned(), |it| it.to_string());
    let _ = writeln!(text, "clock: {}; tenants have seen {latest}", seen.clock.now);
    for it in &seen.owners {
        let _ = writeln!(text, "{}", owner(it));
    }
    if seen.concerns.is_empty() {
        text.push_str("ok: nothing is wrong\n");
    }
    for it in &seen.concerns {
        let severity = match it.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ = writeln!(text, "{severity}: {}: {}", it.about, it.what);
    }
    text
}

fn files(seen: &Diagnosis) -> String {
    let header = ["file", "path", "bytes", "user:group", "mode"].map(words).to_vec();
    let rows = seen.files.iter().map(|it| {
        vec![
            words(it.role),
            words(it.path.display()),
            words(grouped(it.bytes)),
            words(format!("{}:{}", it.user, it.group)),
            words(&it.mode),
        ]
    });
    table(header, rows)
}

fn file_system(it: &FileSystemView) -> String {
    let free =
        it.free_bytes.map_or(String::new(), |free| format!(", {} bytes free", grouped(free)));
    format!("file system of the {}: {} ({}){free}", it.role, it.name, it.verdict)
}

fn no_live_file() -> String {
    "live file: none; it is made when the database is opened".to_owned()
}

fn live(it: &LiveView) -> String {
    let lag = match it.lag_ms {
        0 => String::new(),
        ms => format!(" for {} ms", grouped(ms)),
    };
    format!(
        "live file: epoch {}, {}, {} not in the database yet{lag}{}",
        it.epoch,
        counted(it.tenants, "tenant"),
        grouped(it.unsaved_tenants),
        if it.is_clean { ", closed in order" } else { "" }
    )
}

fn owner(it: &OwnerView) -> String {
    let age = it.age_seconds.map_or(String::new(), |age| format!(", running for {age} s"));
    let state = match (it.is_alive, it.is_stopped) {
        (_, Some(true)) => "stopped",
        (Some(true), _) => "alive",
        (Some(false), _) => "gone",
        (None, _) => "cannot be asked",
    };
    let namespace = if it.is_same_namespace { "this namespace" } else { "another namespace" };
    format!("process {} ({namespace}, {}): {state}{age}", it.pid, it.namespace)
}
