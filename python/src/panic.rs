//! For the tests of the boundary alone: the feature `test-panic` is never on in production.

use pyo3::prelude::*;

use crate::engine_state;
use crate::tenant::Tenant;

#[pymethods]
impl Tenant {
    /// Panics where the engine makes a decision or, detached, where it may wait.
    fn _panic(&self, py: Python<'_>, waiting: bool) -> PyResult<()> {
        let ask = |tenant: &cotas::Tenant| -> Result<(), cotas::Error> {
            panic!("as a test, of {}", tenant.name())
        };
        if waiting {
            engine_state::ask(py, &self.handle, ask)
        } else {
            engine_state::decide(py, &self.handle, ask)
        }
    }
}
