"""Threads of one process, which share engines, handles and decisions. On a free-threaded build they
do so at the same instant; elsewhere the interpreter changes between them as often as it can."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import cotas
import pytest

LIMIT = 1000  # Of credits, in the plan of `acme`.
THREADS = 8

T = TypeVar("T")


@pytest.fixture(autouse=True)
def changing_often() -> Iterator[None]:
    """Under a global lock threads take turns: short ones."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def at_once(work: Callable[[int], T]) -> list[T]:
    """What `work` gives in each of eight threads, which begin together."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_importing_it_switches_no_global_lock_on() -> None:
    program = "import sys, cotas; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    command = [sys.executable, "-W", "error", "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    has_one = not sysconfig.get_config_var("Py_GIL_DISABLED")
    assert printed.strip() == str(has_one)


Operation = Callable[[cotas.Engine, cotas.Tenant, int], object]

OPERATIONS: list[tuple[str, Operation]] = [
    ("handle", lambda engine, tenant, _: tenant.consume("credits")),
    ("name", lambda engine, tenant, _: engine.consume("acme", "credits")),
    ("handles of each time", lambda engine, tenant, _: engine.tenant("acme").consume("credits")),
    ("key", lambda engine, tenant, number: tenant.consume("credits", key=f"order-{number}")),
    ("reservation", lambda engine, tenant, _: reserved(tenant)),
]


def reserved(tenant: cotas.Tenant) -> bool:
    """Sets a unit aside and uses it."""
    held = tenant.reserve({"credits": 1})
    if held:
        held.commit()
    return bool(held)


@pytest.mark.parametrize(("how", "operation"), OPERATIONS, ids=[how for how, _ in OPERATIONS])
def test_eight_threads_admit_exactly_as_much_as_there_is(
    database: Path, how: str, operation: Operation
) -> None:
    with cotas.open(database) as engine:
        tenant = engine.tenant("acme")
        numbers = itertools.count()
        allowed = at_once(
            lambda _: sum(bool(operation(engine, tenant, next(numbers))) for _ in range(2 * LIMIT // 8))
        )
        assert sum(allowed) == LIMIT
        assert tenant.check("credits").used == LIMIT
        assert engine.verify() == ()


def test_one_key_is_decided_once_by_eight_threads(database: Path) -> None:
    with cotas.open(database) as engine:
        tenant = engine.tenant("acme")
        decided = at_once(lambda _: [tenant.consume("sms", key=f"{n}") for n in range(10)])
        assert tenant.check("sms").used == 10
        for same in zip(*decided):
            assert [decision.replayed for decision in same].count(False) == 1
            assert len({decision.receipt for decision in same}) == 1


def test_leases_and_rates_let_in_as_many_as_they_may(engine: cotas.Engine) -> None:
    acme = engine.tenant("acme")

    def work(number: int) -> tuple[int, int]:
        passed = sum(bool(acme.rate("pair_rate").pass_("c-1")) for _ in range(50))
        leases = [acme.lease("calls", f"call-{number}-{each}") for each in range(20)]
        return passed, sum(map(bool, leases))

    passed, leased = zip(*at_once(work))
    assert sum(passed) == 2 and sum(leased) == 2


def test_handles_are_made_and_dropped_while_others_use_theirs(database: Path) -> None:
    with cotas.open(database) as engine:

        def work(number: int) -> int:
            allowed = 0
            for each in range(150):
                tenants = [engine.tenant("acme") for _ in range(3)]
                meters = [tenant.meter("storage_mb") for tenant in tenants]
                allowed += bool(tenants[each % 3].consume("credits"))
                del tenants, meters[each % 3]
            return allowed

        assert sum(at_once(work)) == LIMIT
        assert engine.verify() == ()


def test_names_are_learned_by_all_at_once(quotas: cotas.Engine) -> None:
    names = [f"things_{number}" for number in range(64)]
    resources = "\n".join(f'[resources.{name}]\nkind = "allowance"' for name in names)
    limits = "\n".join(f"{name} = 100" for name in names)
    plan = f'[plans.wide]\ntitle = "Largo"\nprice = "1.00"\n[plans.wide.limits]\n{limits}'
    quotas.load_catalog(f"{resources}\n{plan}")
    due = quotas.now.date() + timedelta(days=21)
    wide = quotas.create_tenant("wide", plan="wide", first_due=due)

    def work(number: int) -> list[str]:
        turned = names[number:] + names[:number]
        return sorted(wide.consume(name).resource or "" for name in turned)

    assert at_once(work) == [sorted(names)] * THREADS


def test_a_decision_is_read_by_all_at_once(acme: cotas.Tenant) -> None:
    decision = acme.perform("send_sms", quantity=2, key="k")

    def work(_: int) -> set[tuple[object, ...]]:
        read: set[tuple[object, ...]] = set()
        for _ in range(100):
            again = pickle.loads(pickle.dumps(decision))
            assert again == decision and hash(again) == hash(decision)
            charges = [(it.resource, it.source, it.units) for it in decision.charges]
            read.add((repr(decision), decision.mode, decision.retry_at, *charges))
        return read

    assert len(set.union(*at_once(work))) == 1


def test_an_engine_is_closed_by_all_at_once_while_it_decides(database: Path) -> None:
    for _ in range(10):
        engine = cotas.open(database)
        tenant = engine.tenant("acme")

        def work(number: int, engine: cotas.Engine = engine, tenant: cotas.Tenant = tenant) -> int:
            decided = 0
            try:
                for decided in range(10_000):
                    tenant.check("credits")
                    engine.tenant("acme").check("credits")
                    if number < 4 and decided == 20 * number:
                        engine.close()
            except cotas.EngineClosed:
                pass
            return decided

        assert max(at_once(work)) < 9_999
        assert engine.closed and repr(engine) == "<Engine closed>"
    # With another maintenance only if every one has really been released.
    with cotas.open(database, maintenance="inline") as again:
        assert again.verify() == ()


def test_engines_are_opened_and_closed_by_all_at_once(database: Path) -> None:
    def work(number: int) -> int:
        allowed = 0
        for _ in range(25):
            with cotas.open(database) as engine:
                allowed += bool(engine.consume("acme", "credits"))
                with engine.with_durability("process") as again:
                    allowed += bool(again.consume("acme", "credits"))
        return allowed

    assert sum(at_once(work)) == 8 * 50
    with cotas.open(database) as engine:
        assert engine.check("acme", "credits").used == 1 + 8 * 50
        assert engine.verify() == ()


PROGRAM = """
import pathlib, sys, threading, time
import cotas

engine = cotas.open(sys.argv[1])
tenant = engine.tenant("acme")

def work(number):
    while True:
        try:
            tenant.consume("credits") if number % 2 else engine.tenant("acme")
            denied = tenant.check("credits", 2_000)
            denied.to_dict()
            denied.raise_if_denied()
        except cotas.CotasError:
            pass

for number in range(4):
    threading.Thread(target=work, args=(number,), daemon=True).start()
time.sleep(0.05)
"""


def test_a_program_ends_whatever_its_threads_are_doing(database: Path) -> None:
    for _ in range(5):
        command = [sys.executable, "-W", "error", "-c", PROGRAM, str(database)]
        subprocess.run(command, check=True, timeout=60)
    with cotas.open(database) as engine:
        assert engine.verify() == ()
