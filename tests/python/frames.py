"""The columns of `Engine.usage` are what data frames are made of: `make test-frames`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import cotas
import pytest

Columns = Mapping[str, list[Any]]

NAMES = ["start", "end", "resource", "metric", "reason", "count"]
HOUR = datetime(2026, 5, 20, 15, tzinfo=timezone.utc)
NEXT = datetime(2026, 5, 20, 16, tzinfo=timezone.utc)
ROWS = [
    dict(zip(NAMES, (HOUR, NEXT, "sms", "used", None, 4))),
    dict(zip(NAMES, (HOUR, NEXT, "sms", "denied", "quota_exhausted", 1))),
]


@pytest.fixture
def nothing(engine: cotas.Engine) -> Columns:
    """The usage of a tenant that has used nothing."""
    return engine.usage("acme", "hour")


@pytest.fixture
def usage(nothing: Columns, engine: cotas.Engine, acme: cotas.Tenant) -> Columns:
    """The usage of a tenant that was let through once, and denied once."""
    assert acme.consume("sms", 4) and not acme.consume("sms", 40)
    return engine.usage("acme", "hour")


def test_pandas_takes_usage(nothing: Columns, usage: Columns) -> None:
    pandas = importlib.import_module("pandas")
    frame = pandas.DataFrame(usage)
    assert frame.astype(object).where(frame.notna(), None).to_dict("records") == ROWS
    assert str(frame["start"].dtype) == "datetime64[us, UTC]" and frame["count"].sum() == 5
    assert list(pandas.DataFrame(nothing).columns) == NAMES


def test_polars_takes_usage(nothing: Columns, usage: Columns) -> None:
    polars = importlib.import_module("polars")
    frame = polars.DataFrame(usage)
    assert frame.to_dicts() == ROWS
    assert frame.schema["start"] == polars.Datetime("us", "UTC") and frame["count"].sum() == 5
    assert polars.DataFrame(nothing).columns == NAMES


def test_pyarrow_takes_usage(nothing: Columns, usage: Columns) -> None:
    pyarrow = importlib.import_module("pyarrow")
    table = pyarrow.table(usage)
    assert table.to_pylist() == ROWS
    assert table.schema.field("start").type == pyarrow.timestamp("us", "UTC")
    assert pyarrow.table(nothing).column_names == NAMES
