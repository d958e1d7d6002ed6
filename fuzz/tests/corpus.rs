//! Replays what the fuzzer found worth keeping, and what once was wrong.

use std::fs;
use std::path::Path;

use cotas_fuzz::TARGETS;

#[test]
fn every_input_of_the_corpora_is_answered() {
    for target in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let mut played = 0;
        for entry in fs::read_dir(&corpus).expect("a corpus") {
            let path = entry.expect("an entry").path();
            println!("{}", path.display());
            (target.run)(&fs::read(&path).expect("an input"));
            played += 1;
        }
        assert!(played > 0, "{}: the corpus is empty", target.name);
    }
}
