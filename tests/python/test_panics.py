"""A fault of the engine's own: the feature `test-panic` makes one where decisions are made."""

from __future__ import annotations

import cotas
import pytest


@pytest.mark.parametrize("waiting", [False, True])
def test_a_panic_is_an_exception_and_the_process_goes_on(
    engine: cotas.Engine, acme: cotas.Tenant, capfd: pytest.CaptureFixture[str], waiting: bool
) -> None:
    panic = getattr(acme, "_panic", None)
    assert panic is not None, "the wheel under test is not that of `make test-python`"
    for _ in range(3):
        with pytest.raises(Exception, match="an internal fault of the engine") as caught:
            panic(waiting)
        assert type(caught.value) is cotas.InternalError and caught.value.code == 7
        assert "acme" not in str(caught.value), "what it panicked with may be personal"
    assert "as a test" in capfd.readouterr().err, "Rust's own report is what a log has of it"
    assert acme.consume("sms").used == 1 and engine.verify() == ()
