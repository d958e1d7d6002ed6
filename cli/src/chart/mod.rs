//! Charts of a tenant's usage for the terminal. As a drawing: the crate `cotas-chart`.

pub mod terminal;
