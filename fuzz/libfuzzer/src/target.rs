//! Runs under libFuzzer the target that `COTAS_FUZZ` names.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&'static cotas_fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("COTAS_FUZZ").expect("COTAS_FUZZ names a target");
    cotas_fuzz::target(&name).unwrap_or_else(|| panic!("there is no target {name}"))
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));
