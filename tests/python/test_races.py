"""Many at once: exactly as many are let through as there are units."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cotas
import pytest

LIMIT = 1000  # Of credits, in the plan of `acme`.
PARTICIPANTS = 4
TRIES = 400  # Of each participant: together more than there are units.


def count_allowed(tenant: cotas.Tenant, tries: int) -> int:
    """Tries to use a unit so many times; says how often it was allowed."""
    return sum(bool(tenant.consume("credits")) for _ in range(tries))


def consume_in_a_process(path: Path, start: float, allowed: multiprocessing.Queue[int]) -> None:
    """What a spawned process does: opens the database for itself."""
    with cotas.open(path) as engine:
        tenant = engine.tenant("acme")
        time.sleep(max(0.0, start - time.time()))
        allowed.put(count_allowed(tenant, TRIES))


def test_eight_threads_share_a_limit(database: Path) -> None:
    with cotas.open(database) as engine:
        tenants = [engine.tenant("acme") for _ in range(8)]
        barrier = threading.Barrier(8)

        def work(tenant: cotas.Tenant) -> int:
            barrier.wait()
            return count_allowed(tenant, TRIES)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, tenants)) == LIMIT
        assert engine.verify() == ()


def test_threads_consume_while_others_change_the_tenant(database: Path) -> None:
    """Decisions wait for the lock that a grant holds over its commit, and no decision for the
    interpreter."""
    with cotas.open(database) as engine:
        tenant = engine.tenant("acme")
        stop = threading.Event()

        def grant() -> int:
            for granted in itertools.count(1):
                engine.grant("acme", "credits", 1)
                if stop.is_set():
                    return granted
            raise AssertionError("counting ended")

        with ThreadPoolExecutor(4) as pool:
            granting = pool.submit(grant)
            counting = [pool.submit(count_allowed, tenant, 2 * LIMIT) for _ in range(3)]
            allowed = sum(each.result() for each in counting)
            stop.set()
            granted = granting.result()
        allowed += count_allowed(tenant, LIMIT + granted)
        assert allowed == LIMIT + granted
        assert engine.verify() == ()


def test_four_forked_processes_share_a_limit(database: Path) -> None:
    with cotas.open(database) as engine:
        tenant = engine.tenant("acme")
        assert tenant.consume("credits"), "the parent has used it, its thread is running"
        reader, writer = os.pipe()
        children = []
        for _ in range(PARTICIPANTS):
            child = os.fork()
            if child == 0:
                try:
                    allowed = count_allowed(tenant, TRIES)
                    engine.grant("acme", "sms", 1)  # The admin transaction works in the child, too.
                    os.write(writer, allowed.to_bytes(4, "big"))
                    engine.close()
                finally:
                    os._exit(0)
            children.append(child)
        os.close(writer)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        with open(reader, "rb") as results:
            counts = [int.from_bytes(results.read(4), "big") for _ in range(PARTICIPANTS)]
        assert 1 + sum(counts) == LIMIT
        assert engine.report("acme").balances["sms"].limit == 10 + PARTICIPANTS
        assert engine.verify() == ()


def test_four_spawned_processes_share_a_limit(database: Path) -> None:
    context = multiprocessing.get_context("spawn")
    allowed: multiprocessing.Queue[int] = context.Queue()
    start = time.time() + 1.0
    processes = [
        context.Process(target=consume_in_a_process, args=(database, start, allowed))
        for _ in range(PARTICIPANTS)
    ]
    for process in processes:
        process.start()
    total = sum(allowed.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert total == LIMIT
    with cotas.open(database) as engine:
        assert engine.verify() == ()


SERVER = """
import os
import pathlib
import time
import cotas

engine = cotas.open(os.environ["COTAS_TEST_DB"])
tenant = engine.tenant("acme")
tenant.check("credits")
met = pathlib.Path("met")
met.mkdir()


def meet():
    \"\"\"The first request of each worker waits for those of the others, so that all take part.\"\"\"
    (met / str(os.getpid())).touch()
    until = time.monotonic() + 60
    while len(list(met.iterdir())) < 4 and time.monotonic() < until:
        time.sleep(0.01)


def app(environ, start_response):
    meet()
    allowed = sum(bool(tenant.consume("credits")) for _ in range(20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {allowed}".encode()]
"""


def test_gunicorn_with_preloaded_workers_shares_a_limit(database: Path, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER, encoding="utf-8")
    address = tmp_path / "address"
    hook = f"def when_ready(server): open({str(address)!r}, 'w').write(str(server.LISTENERS[0]))"
    (tmp_path / "settings.py").write_text(hook, encoding="utf-8")
    command = [sys.executable, "-W", "default", "-m", "gunicorn", "--preload", "--workers", "4"]
    command += ["--bind", "127.0.0.1:0", "--timeout", "120"]
    command += ["--config", "settings.py", "server:app"]
    environment = os.environ | {"COTAS_TEST_DB": str(database)}
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, close_fds=True
        )
    try:
        url = wait_for(address, server, tmp_path / "log")

        def get(_: int) -> tuple[str, int]:
            with urllib.request.urlopen(url, timeout=120) as response:
                pid, allowed = response.read().decode().split()
                return pid, int(allowed)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(get, range(100)))
    finally:
        server.terminate()
        server.wait(60)
    assert sum(allowed for _, allowed in answers) == LIMIT
    assert len({pid for pid, _ in answers}) == 4, "not every worker took part"
    with cotas.open(database) as engine:
        assert engine.verify() == ()


def wait_for(address: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, once it does."""
    for _ in range(600):
        if address.exists() and address.read_text():
            return address.read_text()
        if server.poll() is not None:
            break
        time.sleep(0.1)
    server.kill()
    pytest.fail(f"gunicorn did not start:\n{log.read_text()}")


def test_ten_thousand_tasks_share_a_limit(database: Path) -> None:
    async def one(tenant: cotas.Tenant) -> bool:
        await asyncio.sleep(0)
        return bool(tenant.consume("credits"))

    async def all_of_them(engine: cotas.Engine) -> int:
        tenant = engine.tenant("acme")
        grant = asyncio.create_task(asyncio.to_thread(engine.grant, "acme", "credits", 5))
        allowed = sum(await asyncio.gather(*(one(tenant) for _ in range(10_000))))
        await grant
        return allowed + sum([await one(tenant) for _ in range(10)])

    with cotas.open(database) as engine:
        assert asyncio.run(all_of_them(engine)) == LIMIT + 5
        assert engine.verify() == ()


def test_closing_lets_go_while_others_decide(database: Path) -> None:
    engine = cotas.open(database)
    tenants = [engine.tenant("acme") for _ in range(4)]

    def work(tenant: cotas.Tenant) -> bool:
        try:
            while True:
                tenant.check("credits")
        except cotas.EngineClosed:
            return True

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, tenant) for tenant in tenants]
        time.sleep(0.05)
        engine.close()
        assert all(each.result() for each in working)
    # With another maintenance only if the first has really been released.
    with cotas.open(database, maintenance="inline") as again:
        assert again.verify() == ()


@pytest.mark.parametrize("maintenance", ["thread", "inline", "external"])
def test_an_engine_works_in_a_child_of_a_child(database: Path, maintenance: str) -> None:
    program = f"""
import cotas, os
engine = cotas.open({str(database)!r}, maintenance={maintenance!r})
tenant = engine.tenant("acme")
assert tenant.consume("sms")
if os.fork() == 0:
    assert tenant.consume("sms")
    if os.fork() == 0:
        assert tenant.consume("sms") and engine.report("acme").balances["sms"].used == 3
        raise SystemExit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    raise SystemExit(8)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 8
assert engine.verify() == ()
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    subprocess.run(command, check=True, timeout=120)
    with cotas.open(database) as engine:
        assert engine.report("acme").balances["sms"].used == 3
