"""PHP's own server with four workers, which share nothing but the database."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

from binding import Engine
from machine import CATALOG, STORIES, TARGET, Server, database

AUTOLOAD = TARGET / "php" / "vendor" / "autoload.php"
WORKERS = 4
CLIENTS = 8
TENANT = "padaria-aurora"


@contextlib.contextmanager
def workers(limit):
    """Four workers over a tenant that may send so many messages."""
    with database() as path:
        prepare(path, limit)
        more = {"PHP_CLI_SERVER_WORKERS": str(WORKERS), "COTAS_DB": str(path), "COTAS_AUTOLOAD": str(AUTOLOAD)}
        command = ["php", "-d", "ffi.enable=1", "-S", "127.0.0.1:{port}", "decide.php"]
        with Server(command, path.with_name("php.log"), STORIES / "php", **more) as server:
            yield server


def prepare(path, limit):
    engine = Engine(str(path))
    engine.load_catalog(CATALOG.read_text(encoding="utf-8"), CATALOG.name)
    plan = {"name": "starter", "first_due": "2099-12-31", "auto_renew": True}
    engine.ensure_tenant(
        {"name": TENANT, "plan": plan, "limits": {"notification_credits": limit}}
    )
    engine.close()


def decide(server):
    status, _, body = server.request("GET", "/")
    assert status == 200, f"{status}: {body}\n{server.output()}"
    decided = json.loads(body)
    assert decided["closed"], "the request still holds a handle"
    assert decided["attached"], "the process must open the database again"
    return decided


def exactly_the_limit_is_admitted():
    """Requests at once, until all workers have decided: as many are allowed as the limit says."""
    limit, decided = 100, []
    with workers(limit) as server, ThreadPoolExecutor(CLIENTS) as clients:
        while len({it["process"] for it in decided}) < WORKERS:
            assert len(decided) < 10_000, "some worker never decides"
            asked = [clients.submit(decide, server) for _ in range(2 * limit)]
            decided += [it.result() for it in asked]
    allowed = [it["used"] for it in decided if it["allowed"]]
    assert sorted(allowed) == list(range(1, limit + 1)), f"{len(allowed)} of {limit} were admitted"


def the_library_is_loaded_by_each_request():
    """By each of 10,000, with its handles closed, while the thread that the first one started runs on
    and the engine stays open."""
    requests = 10_000
    with workers(requests) as server, ThreadPoolExecutor(CLIENTS) as clients:
        decided = list(clients.map(lambda _: decide(server), range(requests)))
    assert sorted(it["used"] for it in decided) == list(range(1, requests + 1))
