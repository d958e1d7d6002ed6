//! What descriptors an engine has: none that a program inherits, none left when it is closed, and
//! none of the live file, whose number a host might close or use again.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cotas::{Maintenance, NewTenant};
use cotas_tests::{Database, assert_sound};

/// The open descriptors: where each leads, and whether a program that is started gets it.
fn descriptors() -> BTreeMap<u32, (PathBuf, bool)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").expect("lists") {
        let number = entry.expect("is listed").file_name();
        let number = number.to_str().and_then(|it| it.parse::<u32>().ok()).expect("a number");
        // The one of the directory that is being listed is gone by now.
        let Ok(target) = fs::read_link(format!("/proc/self/fd/{number}")) else { continue };
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("0");
        let flags = i32::from_str_radix(flags.trim(), 8).expect("is octal");
        found.insert(number, (target, flags & libc::O_CLOEXEC == 0));
    }
    found.retain(|_, (target, _)| !target.starts_with("/proc"));
    found
}

#[test]
fn no_descriptor_is_inherited_or_left_and_none_is_of_the_live_file() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let before = descriptors();
    for maintenance in [Maintenance::External, Maintenance::Inline, Maintenance::Thread] {
        let engine = database.builder().maintenance(maintenance).open().expect("opens");
        engine.load_catalog(&cotas_tests::catalog()).expect("loads");
        let due = "2026-05-20".parse().expect("a date");
        let names: Vec<_> = (0..300).map(|index| format!("t{index}")).collect();
        let new: Vec<_> =
            names.iter().map(|name| NewTenant::new(name).plan("full", due, true)).collect();
        // The live file grows meanwhile.
        engine.ensure_tenants(&new).expect("are made");
        assert!(engine.consume("t0", "credits", 1).expect("decides").allowed());
        engine.checkpoint().expect("is made");
        assert_sound(&engine);
        let ours = || descriptors().into_iter().filter(|it| before.get(&it.0) != Some(&it.1));
        let opened: Vec<_> = ours().collect();
        assert!(!opened.is_empty(), "the database is open");
        for (number, (target, is_inherited)) in opened {
            assert!(!is_inherited, "{number} of {} is inherited", target.display());
            assert_ne!(target, database.live(), "{number} is of the live file");
        }
        drop(engine);
        let left: Vec<_> = ours().collect();
        assert!(left.is_empty(), "{maintenance:?} leaves {left:?}");
    }
    assert!(database.builder().doctor().expect("looks").is_sound());
    assert_eq!(descriptors(), before, "the doctor leaves some");
}
