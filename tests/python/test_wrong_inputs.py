"""The table of wrong inputs, `tests/wrong_inputs/python.toml`: each call raises the exception of
its row with the whole message of its row, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import cotas
import pytest
import tomli


TABLE = Path(__file__).parents[1] / "wrong_inputs"
ROWS: list[dict[str, Any]] = tomli.loads((TABLE / "python.toml").read_text())["wrong"]
INTERNALS = [
    line
    for line in (TABLE / "internals.txt").read_text().splitlines()
    if line and not line.startswith("# ")
]
KNOWN = {
    "cotas": cotas,
    "date": date,
    "datetime": datetime,
    "timedelta": timedelta,
    "utc": timezone.utc,
    "Decimal": Decimal,
}


@pytest.fixture(scope="module")
def of_the_table() -> Iterator[cotas.Engine]:
    """An engine in memory with the catalog of the table and the tenants acme and free."""
    clock = cotas.ManualClock(datetime(2026, 5, 20, 12, tzinfo=timezone.utc))
    with cotas.in_memory(clock=clock) as engine:
        engine.load_catalog((TABLE / "catalog.toml").read_text())
        engine.create_tenant("acme", plan="small", first_due=date(2026, 6, 10))
        engine.create_tenant("free")
        yield engine


@pytest.mark.parametrize("row", ROWS, ids=[row["call"] for row in ROWS])
def test_a_wrong_input_is_refused_in_words_that_help(
    of_the_table: cotas.Engine, row: dict[str, Any]
) -> None:
    engine = of_the_table
    before = engine.report("acme"), engine.tenants()
    names = {**KNOWN, "engine": engine, "tenant": engine.tenant("acme")}
    with pytest.raises(Exception) as caught:  # noqa: PT011 The row says which.
        eval(row["call"], names)
    # The interpreter names the argument in a note.
    notes = getattr(caught.value, "__notes__", [])
    message = "; ".join([str(caught.value), *notes])
    assert (type(caught.value).__name__, message) == (row["raises"], row["says"])
    assert not [word for word in INTERNALS if word in message.lower()]
    assert (engine.report("acme"), engine.tenants()) == before


def test_the_table_has_rows() -> None:
    assert len(ROWS) >= 60
