//! The live file: who uses it, what is locked, and what SQLite does not have yet.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{Concern, LiveView, OwnerView, Severity, StuckLock};
use crate::clock::Timestamp;
use crate::live::inspect::{HeldLock, Inspected, InspectedLag, LOCKS, Records};
use crate::live::layout::{LAYOUT_VERSION, header};
use crate::live::owners::OwnerRow;
use crate::live::process;

/// How often a lock is looked at that was held at the first look, and how long between two looks.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Default)]
pub(super) struct Looked {
    /// The file, where it can be believed.
    pub(super) file: Option<Inspected>,
    pub(super) layout: Option<u64>,
    pub(super) view: Option<LiveView>,
    pub(super) owners: Vec<OwnerView>,
    pub(super) stuck: Vec<StuckLock>,
    pub(super) latest_seen: Option<Timestamp>,
    /// Why it could not be looked at.
    pub(super) concern: Option<Concern>,
}

/// Looks at the live file at `path`.
pub(super) fn look(path: &Path) -> Looked {
    let failed = |what: String| {
        let concern = Concern { severity: Severity::Error, about: "live file", what };
        Looked { concern: Some(concern), ..Looked::default() }
    };
    let shown = path.display();
    let file = match Inspected::open(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Looked::default(),
        Err(error) => return failed(format!("{shown} cannot be read: {error}")),
    };
    if !file.is_live_file() {
        return failed(format!("{shown} does not begin as a live file does; remove it"));
    }
    let layout = file.word(header::LAYOUT);
    let is_of_this_boot = file.is_of_this_boot();
    if layout != Some(LAYOUT_VERSION) {
        return Looked { layout, ..Looked::default() };
    }
    let rows = file.owners();
    let records = if is_of_this_boot { file.records() } else { Records::default() };
    let stuck = if is_of_this_boot { stuck(&file, &rows, &records) } else { Vec::new() };
    let lag = if is_of_this_boot { file.lag() } else { InspectedLag::default() };
    let view = LiveView {
        is_of_this_boot,
        is_clean: file.word(header::IS_CLEAN) == Some(1) && file.poison().is_none(),
        poisoned: file.poison(),
        epoch: file.word(header::EPOCH).unwrap_or(0),
        tenants: records.count,
        unsaved_tenants: records.unsaved,
        lag_ms: lag.ms,
        failing_ms: lag.failing.map(|(ms, _)| ms),
        failure: lag.failing.map(|(_, code)| code),
        rounds_failed: lag.rounds_failed,
        inquiries_failed: file.word(header::INQUIRIES_FAILED).unwrap_or(0),
    };
    let concern = records.is_damaged.then(|| Concern {
        severity: Severity::Error,
        about: "live file",
        what: format!(
            "{shown} is damaged: a word of it leads outside it. Close every process that uses it, \
             then remove it; what was used since the last checkpoint is lost"
        ),
    });
    Looked {
        layout,
        view: Some(view),
        owners: rows.iter().map(|row| owner(&file, row, is_of_this_boot)).collect(),
        stuck,
        latest_seen: i64::try_from(records.latest_ms)
            .ok()
            .filter(|&ms| ms > 0)
            .map(Timestamp::from_ms),
        concern,
        file: is_of_this_boot.then_some(file),
    }
}

fn owner(file: &Inspected, row: &OwnerRow, is_of_this_boot: bool) -> OwnerView {
    let is_alive = if is_of_this_boot { file.lives(row) } else { Some(false) };
    let is_here = row.is_here();
    let lives_here = is_here && is_alive == Some(true);
    OwnerView {
        pid: row.pid,
        namespace: row.namespace,
        is_same_namespace: is_here,
        age_seconds: process::age_seconds(row.started).filter(|_| is_alive != Some(false)),
        is_alive,
        is_stopped: lives_here.then(|| process::is_stopped(row.pid)),
    }
}

/// The locks that one process holds at every look. A lock that goes from hand to hand is not among
/// them: its owner changes, or what it guards does.
fn stuck(file: &Inspected, rows: &[OwnerRow], records: &Records) -> Vec<StuckLock> {
    let mut held = file.held_in_header();
    held.extend(&records.held);
    for _ in 0..LOOKS {
        if held.is_empty() {
            break;
        }
        thread::sleep(LOOK_AGAIN);
        file.look_again();
        held.retain(|it| file.still_held(it));
    }
    let name = |it: &HeldLock| LOCKS.iter().find(|(at, _)| *at == it.at && it.seq == 0);
    held.iter()
        .map(|it| {
            let row = rows.iter().find(|row| row.id == it.owner);
            StuckLock {
                what: name(it).map_or("a tenant", |(_, what)| what),
                pid: row.map(|row| row.pid),
                is_alive: match row {
                    Some(row) => file.lives(row) != Some(false),
                    None => file.holder_lives(it.owner),
                },
            }
        })
        .collect()
}
