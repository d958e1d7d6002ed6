#!/usr/bin/env python3
"""How long a decision takes from Python, beside what a Python program would use instead.

usage: python.py

In one run: `limits` with its memory storage, which forgets at exit and counts per process, and a
guarded UPDATE through the standard library's sqlite3. Each figure is the best of many short rounds,
taken in turns, so that all of them had the machine to themselves at least once. A round is long
enough for what a caller has to do now and then: SQLite copies its log back into the database every
thousand transactions or so, which is a quarter of what they cost.
"""

import sqlite3
import tempfile
import timeit
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import cotas
import limits

ROUNDS = 400
ROUND_SECONDS = 0.002
ROUND_CALLS = 2_000

CATALOG = """
[resources.sms]
kind = "allowance"
[resources.sessions]
kind = "session"
[plans.full]
title = "Plano full"
price = "299.00"
limits = { sms = 1_000_000_000_000, sessions = 1_000_000_000_000 }
[actions.send_sms]
gate = "send"
charge = { sms = 1 }
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
"""

HANDLE, NAME = "consume by handle", "consume by name"
LIMITS, SQLITE = "limits, in memory", "sqlite3, guarded UPDATE"


class Target(NamedTuple):
    """What a figure is held to."""

    what: str
    at_most_ns: float | None = None
    peer: str | None = None
    times_faster: float | None = None


TARGETS = [
    Target(HANDLE, at_most_ns=120),
    Target(NAME, at_most_ns=180),
    Target(HANDLE, peer=LIMITS, times_faster=12),
    Target(HANDLE, peer=SQLITE, times_faster=50),
]


STATEMENTS = {
    HANDLE: 'tenant.consume("sms")',
    NAME: 'engine.consume("acme", "sms")',
    "check by handle": 'tenant.check("sms")',
    "perform, one charge": 'tenant.perform("send_sms")',
    "perform, open session": 'tenant.perform("receive_message", channel="w-1", contact="c-1042")',
    "reserve and release": 'tenant.reserve({"sms": 1}).release()',
    LIMITS: 'limiter.hit(item, "acme")',
    SQLITE: 'execute(UPDATE, ("acme",)).rowcount == 1',
}


def limits_in_memory() -> dict[str, object]:
    """A limit that no call reaches, of the library that most Python hosts use."""
    limiter = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
    return {"limiter": limiter, "item": limits.RateLimitItemPerDay(1_000_000_000)}


def guarded_update(directory: Path) -> dict[str, object]:
    """Check and consume in one statement, in the way that pays for speed with the last commits
    before a power cut: WAL, `synchronous = NORMAL`."""
    connection = sqlite3.connect(directory / "peer.db", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "CREATE TABLE tenants (name TEXT PRIMARY KEY, used INTEGER, lim INTEGER);"
        "INSERT INTO tenants VALUES ('acme', 0, 1000000000000);"
    )
    update = "UPDATE tenants SET used = used + 1 WHERE name = ? AND used < lim"
    return {"execute": connection.execute, "UPDATE": update}


def measure(subjects: dict[str, object]) -> dict[str, float]:
    """Nanoseconds of each statement."""
    timers = {what: timeit.Timer(it, globals=subjects) for what, it in STATEMENTS.items()}
    numbers = {}
    for what, timer in timers.items():
        number, seconds = timer.autorange()
        numbers[what] = max(ROUND_CALLS, int(number * ROUND_SECONDS / seconds))
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(ROUNDS):
        for what, timer in timers.items():
            best[what] = min(best[what], timer.timeit(numbers[what]) / numbers[what] * 1e9)
    return best


def verdicts(took: dict[str, float]) -> list[str]:
    """A line for each target."""
    lines = []
    for target in TARGETS:
        if target.at_most_ns is not None:
            met, of = took[target.what] <= target.at_most_ns, f"<= {target.at_most_ns:.0f} ns"
            line = f"{target.what}: {took[target.what]:.0f} ns, target {of}"
        else:
            assert target.peer is not None and target.times_faster is not None
            ratio = took[target.peer] / took[target.what]
            met = ratio >= target.times_faster
            line = f"{target.what}: {ratio:.1f} x faster than {target.peer}"
            line += f", target >= {target.times_faster:.0f} x"
        lines.append(f"{line}  {'ok' if met else 'over'}")
    return lines


def main() -> None:
    """Prints the figures, and what they are held to."""
    with tempfile.TemporaryDirectory() as directory:
        with cotas.open(Path(directory) / "quotas.db") as engine:
            engine.load_catalog(CATALOG)
            due = date.today() + timedelta(days=30)
            engine.create_tenant("acme", plan="full", first_due=due, auto_renew=True)
            subjects = {"engine": engine, "tenant": engine.tenant("acme")}
            took = measure(subjects | limits_in_memory() | guarded_update(Path(directory)))
            for name, nanoseconds in took.items():
                print(f"{name:<26}{nanoseconds:>9,.0f} ns")
            print("\n".join(verdicts(took)))
            assert not engine.verify(), "the books do not balance"


if __name__ == "__main__":
    main()
