#!/usr/bin/env python3
"""How many decisions threads make together from Python, with or without a global interpreter lock.

usage: python_threads.py

The best of many short rounds, taken in turns, so that the threads had two cores at least once.
"""

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import cotas

ROUNDS = 300
DECISIONS = 10_000
THREADS = 2

CATALOG = """
[resources.sms]
kind = "allowance"
[plans.full]
title = "Plano full"
price = "299.00"
limits = { sms = 1_000_000_000_000 }
"""


def decide(tenant: cotas.Tenant, together: threading.Barrier) -> tuple[float, float]:
    """Makes so many decisions; says when it began and ended."""
    together.wait()
    start = time.perf_counter()
    for _ in range(DECISIONS):
        tenant.consume("sms")
    return start, time.perf_counter()


def per_second(pool: ThreadPoolExecutor, tenants: list[cotas.Tenant]) -> float:
    """Decisions per second of as many threads as there are handles."""
    together = threading.Barrier(len(tenants))
    working = [pool.submit(decide, tenant, together) for tenant in tenants]
    starts, ends = zip(*(each.result() for each in working))
    return len(tenants) * DECISIONS / float(max(ends) - min(starts))


def main() -> None:
    """Prints the figures, and how they compare with one thread's."""
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {sys.version.split()[0]}, {'one lock' if locked else 'free-threaded'}")
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(THREADS) as pool:
        with cotas.open(Path(directory) / "quotas.db") as engine:
            engine.load_catalog(CATALOG)
            due = date.today() + timedelta(days=30)
            own = [
                engine.create_tenant(f"tenant-{number}", plan="full", first_due=due)
                for number in range(THREADS)
            ]
            subjects: dict[str, list[cotas.Tenant]] = {
                "one thread": own[:1],
                "two threads, a tenant each": own,
                "two threads, one tenant": own[:1] * THREADS,
            }
            best = dict.fromkeys(subjects, 0.0)
            for _ in range(ROUNDS):
                for what, tenants in subjects.items():
                    best[what] = max(best[what], per_second(pool, tenants))
            for what, rate in best.items():
                print(f"{what:<28}{rate:>12,.0f} /s  {rate / best['one thread']:.2f} x")
            assert not engine.verify(), "the books do not balance"


if __name__ == "__main__":
    main()
