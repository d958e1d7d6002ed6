//! The `cotas` program.
fn main() {}
