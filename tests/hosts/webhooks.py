"""The examples' webhooks, each asked the same: what it answers, refuses and does only once."""

import contextlib
import hashlib
import hmac
import json
import pathlib
import re
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from binding import Engine
from machine import EXAMPLES, ROOT, Server, database

SECRET = "a secret of this test"
TOKEN = "a token of this test"
PAYLOADS = ROOT / "tests" / "payloads" / "whatsapp.jsonl"
# The time that the payloads are about; they are played as if it were now.
PAYLOADS_AT = "17792"
CATALOG = (EXAMPLES / "catalog.toml").read_text(encoding="utf-8")
TENANTS = [
    {"name": "padaria-aurora", "limits": {"sessions": 2}},
    {"name": "mercado-são-jorge", "status": "demo"},
    {"name": "pet-shop-amigo-fiel", "status": "suspended"},
    {"name": "oficina-tres-irmaos"},
    {"name": "clinica-boa-vista", "limits": {"sessions": 10}},
    {"name": "livraria-do-porto", "limits": {"sessions": "unlimited"}},
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


def delivered(server, tenant, *messages):
    """What a delivery of messages is answered with: 200, whatever was decided."""
    status, headers, body = post(server, tenant, webhook(*messages))
    assert status == 200, f"{status}: {body}\n{server.output()}"
    assert "retry-after" not in {name.lower() for name in headers}
    document = json.loads(body)
    assert set(document) == {"answers", "refused", "malformed"}, document
    return document


def answered(server, tenant, *messages):
    """The ids and texts of the answers, where nothing is refused."""
    document = delivered(server, tenant, *messages)
    assert document["refused"] == document["malformed"] == [], document
    return [(it["message"], it["text"]) for it in document["answers"]]


def refused(server, tenant, message):
    """Why a message is not answered."""
    document = delivered(server, tenant, message)
    assert document["answers"] == document["malformed"] == [], document
    [refusal] = document["refused"]
    assert refusal.pop("message") == message[0]
    retry_at = refusal["retry_at"]
    is_time = retry_at is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", retry_at)
    assert is_time, retry_at
    return refusal


def subscribe(server, **query):
    """Meta's question whether this is the right place."""
    named = {f"hub.{name}": value for name, value in query.items()}
    path = f"/webhooks/padaria-aurora?{urllib.parse.urlencode(named)}"
    status, _, body = server.request("GET", path)
    return status, body


def play(server):
    right = {"mode": "subscribe", "verify_token": TOKEN, "challenge": "1158201444"}
    assert subscribe(server, **right) == (200, "1158201444")
    for wrong in ({"verify_token": "wrong"}, {"verify_token": ""}, {"mode": "unsubscribe"}):
        status, body = subscribe(server, **{**right, **wrong})
        assert status == 403 and "1158201444" not in body, (wrong, status, body)

    padaria = "padaria-aurora"
    [(message, text)] = answered(server, padaria, ("m1", "ana"))
    assert message == "m1" and text and DEMO_NOTICE not in text
    assert answered(server, padaria, ("m1", "ana")) == [], "what comes twice is answered once"
    two = answered(server, padaria, ("m2", "ana"), ("m3", "bia"))
    assert [it[0] for it in two] == ["m2", "m3"]

    quota = {"reason": "quota_exhausted", "used": 2, "limit": 2, "retry_at": "2099-12-31T03:00:00Z"}
    refusal = refused(server, padaria, ("m4", "caio"))
    assert refusal == quota, refusal
    batch = delivered(server, padaria, ("m5", "bia"), ("m6", "caio"), ("m7", "ana"))
    assert [it["message"] for it in batch["answers"]] == ["m5", "m7"], "one refusal, two answers"
    assert [it["message"] for it in batch["refused"]] == ["m6"], batch

    [(_, text)] = answered(server, "mercado-s%C3%A3o-jorge", ("m1", "ana"))
    assert text.startswith(DEMO_NOTICE)
    refusal = refused(server, "pet-shop-amigo-fiel", ("m1", "ana"))
    assert refusal["reason"] == "status_forbids", refusal
    quick = [("m1", "ana"), ("m2", "ana"), ("m3", "ana")]
    assert len(answered(server, "oficina-tres-irmaos", *quick)) == 3
    refusal = refused(server, "oficina-tres-irmaos", ("m4", "ana"))
    assert refusal["reason"] == "rate_exceeded" and refusal["retry_at"], refusal

    assert post(server, "stranger", webhook(("m1", "ana")))[0] == 404
    assert post(server, padaria, webhook(("m9", "ana")), secret="wrong")[0] == 401
    for nonsense in ("nonsense", "7", "[1]", '{"entry": 7}', "[" * 5_000):
        status, _, body = post(server, padaria, nonsense)
        assert status == 400, f"{status} for {nonsense[:40]}: {body}\n{server.output()}"
    assert post(server, padaria, '{"entry": []}')[0] == 200, "a webhook without messages"


def play_payloads(server, path):
    """The shared payloads: each shape opens the sessions that it should, in every language."""
    now = str(int(time.time()) - 1_000)
    engine = Engine(str(path))

    def used():
        balances = json.loads(engine.statement("livraria-do-porto"))["balances"]
        return next(it["used"] for it in balances if it["resource"] == "sessions")

    shapes = [json.loads(it) for it in PAYLOADS.read_text(encoding="utf-8").splitlines()]
    assert len(shapes) >= 40
    with contextlib.closing(engine):
        for shape in shapes:
            before, answers, malformed, refusals = used(), 0, 0, []
            for body in shape["bodies"]:
                text = re.sub(PAYLOADS_AT + r"\d{5}", lambda it: shifted(it[0], now), json.dumps(body))
                status, _, answer = post(server, "livraria-do-porto", text)
                expected = 200 if shape["known"] else 400
                assert status == expected, f"{shape['shape']}: {status}: {answer}\n{server.output()}"
                if shape["known"]:
                    document = json.loads(answer)
                    answers += len(document["answers"])
                    malformed += len(document["malformed"])
                    refusals += document["refused"]
            assert refusals == [], f"{shape['shape']}: {refusals}"
            opened = used() - before
            assert opened == shape["sessions"], f"{shape['shape']}: {opened} sessions"
            if shape["known"]:
                assert malformed == shape["malformed"], f"{shape['shape']}: {malformed} malformed"
            messages = shape.get("answers", shape["kinds"].count("message"))
            assert answers == messages, f"{shape['shape']}: {answers} answers"


def shifted(at, now):
    """A time of the payloads as if their first were now."""
    return str(int(now) + int(at) - 1_779_278_400)


def play_at_once(server):
    """What comes at once: a message is answered once, and no contact beyond the limit."""
    clinica = "clinica-boa-vista"
    with ThreadPoolExecutor(CLIENTS) as clients:
        same = [clients.submit(answered, server, clinica, ("m0", "c0")) for _ in range(CLIENTS)]
        answers = [answer for it in same for answer in it.result()]
        assert len(answers) == 1, f"one message, {len(answers)} answers"
        contacts = [webhook((f"m{it}", f"c{it}")) for it in range(1, 5 * CLIENTS)]
        bodies = list(clients.map(lambda body: post(server, clinica, body)[2], contacts))
    answers = [len(json.loads(body)["answers"]) for body in bodies]
    assert answers.count(1) == 9 and answers.count(0) == len(contacts) - 9, answers


def example(*command, cwd, port=None, behind=None, **more):
    """Starts an example on a port of the loopback and asks it all that. `behind`: the command and
    the port of a server that the example asks in its turn."""
    with database() as path, contextlib.ExitStack() as servers:
        prepare(path)
        more = {"COTAS_DB": str(path), "WHATSAPP_APP_SECRET": SECRET,
                "WHATSAPP_VERIFY_TOKEN": TOKEN, **more}  # fmt: skip
        for one, place in filter(None, [behind, (command, port)]):
            log = path.with_name(f"{pathlib.Path(one[0]).name}.log")
            server = servers.enter_context(Server(one, log, cwd, place, **more))
        play(server)
        play_at_once(server)
        play_payloads(server, path)
        assert sessions_used(path, "padaria-aurora") == 2
        assert sessions_used(path, "mercado-são-jorge") == 1
        assert sessions_used(path, "clinica-boa-vista") == 10
