//! Size and places of every struct, as Rust has them and as a C compiler has them.

use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use crate::decision::{cotas_charge, cotas_decision};
use crate::error::cotas_error;
use crate::money::cotas_payment;

macro_rules! lines {
    ($name:ident: $($field:ident),*) => {
        [
            format!("{} {}", stringify!($name), size_of::<$name>()),
            $(format!(
                "{}.{} {}",
                stringify!($name),
                stringify!($field),
                offset_of!($name, $field)
            ),)*
        ]
        .to_vec()
    };
}

fn of_rust() -> Vec<String> {
    [
        lines!(cotas_error: struct_size, code, message),
        lines!(cotas_charge: units, resource, source),
        lines!(
            cotas_decision:
            struct_size, allowed, reason, reasons, shadowed, flags, resource, mode, units, used,
            available, limit, retry_at_ms, session_expires_at_ms, lease_expires_at_ms, fencing,
            reservation, receipt, charge_count, reserved, charges
        ),
        lines!(
            cotas_payment:
            struct_size, outcome, invoice, subscription, invoice_status, reserved
        ),
    ]
    .concat()
}

#[test]
fn structs_lie_as_a_c_compiler_lays_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = std::env::temp_dir().join(format!("cotas-layout-{}", std::process::id()));
    let compiled = Command::new("cc")
        .arg("-std=c11")
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join("tests/c/layout.c"))
        .arg("-o")
        .arg(&program)
        .status();
    assert!(compiled.expect("a C compiler is there").success());
    let printed = Command::new(&program).output().expect("runs").stdout;
    std::fs::remove_file(&program).expect("can be removed");
    let of_c = String::from_utf8(printed).expect("is text");
    assert_eq!(of_c.lines().collect::<Vec<_>>(), of_rust());
}
