"""Fixtures for a host's tests, known to pytest wherever the package is installed.

- `manual_clock`: a `ManualClock` at noon of 2026-05-20 in São Paulo;
- `quotas`: an engine in memory with that clock, closed after the test. It has no catalog yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from ._cotas import ManualClock
from .engine import Engine, in_memory

NOON = datetime(2026, 5, 20, 15, tzinfo=timezone.utc)


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    return ManualClock(NOON)


@pytest.fixture
def quotas(manual_clock: ManualClock) -> Iterator[Engine]:
    """An engine in memory, whose time is `manual_clock`'s."""
    with in_memory(clock=manual_clock) as engine:
        yield engine
