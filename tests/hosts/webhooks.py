"""The examples' webhooks, each asked the same: what it answers, refuses and does only once."""

import contextlib
import hashlib
import hmac
import json
import math
import pathlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from binding import Engine
from machine import EXAMPLES, Server, database

SECRET = "a secret of this test"
CATALOG = (EXAMPLES / "catalog.toml").read_text(encoding="utf-8")
TENANTS = [
    {"name": "padaria-aurora", "limits": {"sessions": 2}},
    {"name": "mercado-são-jorge", "status": "demo"},
    {"name": "pet-shop-amigo-fiel", "status": "suspended"},
    {"name": "oficina-tres-irmaos"},
    {"name": "clinica-boa-vista", "limits": {"sessions": 10}},
]
CLIENTS = 8
DEMO_NOTICE = "Esta é uma mensagem de teste"


def prepare(path):
    engine = Engine(str(path))
    # A pace that no test outruns: three messages at once, then one an hour.
    pace = CATALOG.replace('every = "6s"', 'every = "1h"').replace("burst = 45", "burst = 3")
    assert pace.count('"1h"') == pace.count("burst = 3") == 1
    engine.load_catalog(pace, "catalog.toml")
    plan = {"name": "starter", "first_due": "2099-12-30", "auto_renew": True}
    for tenant in TENANTS:
        engine.ensure_tenant({**tenant, "plan": plan})
    engine.close()


def sessions_used(path, tenant):
    engine = Engine(str(path))
    with contextlib.closing(engine):
        balances = json.loads(engine.statement(tenant))["balances"]
    return next(it["used"] for it in balances if it["resource"] == "sessions")


def webhook(*messages, at=None):
    """A body as Meta sends it; a message is an id and a contact."""
    now = str(int(time.time())) if at is None else at
    texts = [
        {"from": contact, "id": name, "timestamp": now, "type": "text", "text": {"body": "Oi"}}
        for name, contact in messages
    ]
    metadata = {"phone_number_id": "100000000000001"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": texts}
    changes = [{"field": "messages", "value": value}]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"changes": changes}]})


def post(server, tenant, body, secret=SECRET):
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    path = f"/webhooks/{tenant}"
    status, headers, answer = server.request("POST", path, body.encode(), headers)
    return status, {name.lower(): value for name, value in headers.items()}, answer


def answered(server, tenant, *messages):
    """The ids and texts of the answers."""
    status, _, body = post(server, tenant, webhook(*messages))
    assert status == 200, f"{status}: {body}\n{server.output()}"
    return [(it["message"], it["text"]) for it in json.loads(body)["answers"]]


def refused(server, tenant, *messages):
    """Status and document of a refusal. Its header says the same as its document."""
    before = time.time()
    status, headers, body = post(server, tenant, webhook(*messages))
    after = time.time()
    assert status in (402, 403, 429), f"{status}: {body}\n{server.output()}"
    document = json.loads(body)
    retry_at, wait = document["retry_at"], headers.get("retry-after")
    assert (retry_at is None) == (wait is None), (retry_at, wait)
    if retry_at is not None:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", retry_at), retry_at
        at = datetime.fromisoformat(retry_at.replace("Z", "+00:00")).timestamp()
        # The document has whole seconds.
        assert math.floor(at - after) <= int(wait) <= math.ceil(at + 1 - before), (retry_at, wait)
    return status, document


def play(server):
    padaria = "padaria-aurora"
    [(message, text)] = answered(server, padaria, ("m1", "ana"))
    assert message == "m1" and text and DEMO_NOTICE not in text
    assert answered(server, padaria, ("m1", "ana")) == [], "what comes twice is answered once"
    told = answered(server, padaria, ("m2", "ana"), ("m3", "bia"))
    assert [it[0] for it in told] == ["m2", "m3"]

    status, document = refused(server, padaria, ("m4", "caio"))
    quota = {"reason": "quota_exhausted", "used": 2, "limit": 2, "retry_at": "2099-12-31T03:00:00Z"}
    assert (status, document) == (402, quota), document
    assert [it[0] for it in answered(server, padaria, ("m5", "bia"))] == ["m5"], "a session goes on"

    [(_, text)] = answered(server, "mercado-s%C3%A3o-jorge", ("m1", "ana"))
    assert text.startswith(DEMO_NOTICE)
    status, document = refused(server, "pet-shop-amigo-fiel", ("m1", "ana"))
    assert (status, document["reason"]) == (403, "status_forbids"), document
    quick = [("m1", "ana"), ("m2", "ana"), ("m3", "ana")]
    assert len(answered(server, "oficina-tres-irmaos", *quick)) == 3
    status, document = refused(server, "oficina-tres-irmaos", ("m4", "ana"))
    assert (status, document["reason"]) == (429, "rate_exceeded"), document
    assert document["retry_at"], "a rate tells when"

    assert post(server, "nobody", webhook(("m1", "ana")))[0] == 404
    assert post(server, padaria, webhook(("m9", "ana")), secret="wrong")[0] == 401
    wrong = ["nonsense", "7", "[1]", '{"entry": 7}']
    wrong += [webhook(("m8", None)), webhook(("m8", "a" * 300))]
    wrong += [webhook(("m8", "ana"), at=at) for at in ("today", "-1", "", "9" * 30, 7)]
    for nonsense in wrong:
        status, _, body = post(server, padaria, nonsense)
        assert status == 400, f"{status} for {nonsense[:40]}: {body}\n{server.output()}"
    assert post(server, padaria, '{"entry": []}')[0] == 200, "a webhook without messages"


def play_at_once(server):
    """What comes at once: a message is answered once, and no contact beyond the limit."""
    clinica = "clinica-boa-vista"
    with ThreadPoolExecutor(CLIENTS) as clients:
        same = [clients.submit(answered, server, clinica, ("m0", "c0")) for _ in range(CLIENTS)]
        answers = [answer for it in same for answer in it.result()]
        assert len(answers) == 1, f"one message, {len(answers)} answers"
        contacts = [webhook((f"m{it}", f"c{it}")) for it in range(1, 5 * CLIENTS)]
        statuses = list(clients.map(lambda body: post(server, clinica, body)[0], contacts))
    assert statuses.count(200) == 9 and statuses.count(402) == len(contacts) - 9, statuses


def example(*command, cwd, port=None, behind=None, **more):
    """Starts an example on a port of the loopback and asks it all that. `behind`: the command and
    the port of a server that the example asks in its turn."""
    with database() as path, contextlib.ExitStack() as servers:
        prepare(path)
        more = {"COTAS_DB": str(path), "WHATSAPP_APP_SECRET": SECRET, **more}
        for one, place in filter(None, [behind, (command, port)]):
            log = path.with_name(f"{pathlib.Path(one[0]).name}.log")
            server = servers.enter_context(Server(one, log, cwd, place, **more))
        play(server)
        play_at_once(server)
        assert sessions_used(path, "padaria-aurora") == 2
        assert sessions_used(path, "mercado-são-jorge") == 1
        assert sessions_used(path, "clinica-boa-vista") == 10
