"""What the tests share: a small catalog, and engines in memory or on disk with a tenant `acme`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import cotas
import pytest

CATALOG = """
[catalog]
time_zone = "America/Sao_Paulo"
[resources.sessions]
kind = "session"
[resources.credits]
kind = "allowance"
[resources.sms]
kind = "allowance"
[resources.users]
kind = "seat"
[resources.calls]
kind = "lease"
ttl = "60s"
[resources.storage_mb]
kind = "meter"
reset = "never"
[resources.pair_rate]
kind = "rate"
every = "6s"
burst = 2
[plans.full]
title = "Plano full"
price = "299.00"
[plans.full.limits]
sessions = 2
credits = 1000
sms = 10
users = 3
calls = 2
storage_mb = 100
[plans.full.features]
recording = true
[plans.small]
title = "Plano pequeno"
price = "29.00"
limits = { sms = 1, users = 1 }
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
[actions.send_message]
gate = "send"
session = { resource = "sessions" }
[actions.send_sms]
gate = "send"
charge = { sms = "quantity", credits = 1 }
[actions.start_call]
lease = "calls"
charge = { credits = 1 }
"""

FIRST_DUE = date(2026, 6, 10)
"""Three weeks after what the manual clock shows."""


def furnish(engine: cotas.Engine) -> cotas.Tenant:
    """Loads the catalog and creates `acme`."""
    engine.load_catalog(CATALOG, name="test.toml")
    first_due = engine.now.date() + timedelta(days=21)
    return engine.create_tenant("acme", plan="full", first_due=first_due, auto_renew=True)


@pytest.fixture
def engine(quotas: cotas.Engine) -> cotas.Engine:
    furnish(quotas)
    return quotas


@pytest.fixture
def acme(engine: cotas.Engine) -> cotas.Tenant:
    return engine.tenant("acme")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A database on disk, which no process has open, with `acme` in it."""
    path = tmp_path / "quotas.db"
    with cotas.open(path) as engine:
        furnish(engine)
    yield path
