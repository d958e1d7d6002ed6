"""A WhatsApp webhook that asks before it answers: POST /webhooks/<tenant>.

    pip install cotas
    COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... WHATSAPP_VERIFY_TOKEN=... PORT=8080 \
        python webhook.py

It is a WSGI application: `gunicorn webhook:application` runs it in forked workers. The package
brings the engine with it and needs no libcotas. ../README.md makes the database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterable
from datetime import timezone
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

import cotas
from cotas import whatsapp

BODY_BYTES_MAX = 1 << 20
# What each kind of part that opens a session is in the catalog.
ACTIONS = {
    "message": "receive_message",
    "call": "receive_call",
    "template": "template_sent",
}

Environ = dict[str, Any]
Answer = tuple[str, dict[str, str], dict[str, Any]]

engine = cotas.open(os.environ["COTAS_DB"])


def refusal(part: whatsapp.BodyPart, decision: cotas.Decision) -> dict[str, Any]:
    """Why a message is not answered, with its figures; it is the platform's to show."""
    document = decision.to_dict()
    reported = {name: document[name] for name in ("reason", "used", "limit")}
    again = decision.retry_at and decision.retry_at.astimezone(timezone.utc)
    retry_at = again and again.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"message": part.id, **reported, "retry_at": retry_at}


def decide(tenant: cotas.Tenant, part: whatsapp.BodyPart) -> cotas.Decision | None:
    """Decides about one part; None: it opens nothing."""
    for other in part.contacts[1:]:
        tenant.link_contact(part.contacts[0], other)
    if not part.opens:
        return None
    channel, contact = part.channel or "", part.contacts[0]
    action = ACTIONS[part.kind]
    received = tenant.perform(action, channel=channel, contact=contact, at=part.at)
    if not received or part.kind != "message":
        return received
    return tenant.perform("send_message", channel=channel, contact=contact, key=part.id)


def respond(tenant: cotas.Tenant, body: whatsapp.Body) -> Answer:
    """Asks about each part, and answers each message once: Meta delivers some of them again."""
    answers, refused = [], []
    for part in body.events:
        decision = decide(tenant, part)
        if decision is None:
            continue
        if not decision:
            # The message is kept; what is not done is the answer.
            refused.append(refusal(part, decision))
        elif part.kind == "message" and not decision.replayed:
            # Here the platform sends it. This example reports what it would send.
            notice = f"{decision.notice}\n" if decision.notice else ""
            answers.append({"message": part.id, "text": f"{notice}Olá! Já vamos atender você."})
    malformed = [f"{it.path} {it.rule}" for it in body.malformed]
    return "200 OK", {}, {"answers": answers, "refused": refused, "malformed": malformed}


def is_signed(body: bytes, signature: str) -> bool:
    secret = os.environ["WHATSAPP_APP_SECRET"].encode()
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("latin-1"))


def subscribe(query: str) -> Answer | str:
    """Meta asks once whether this is the right place: the token is agreed in its settings."""
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    token = os.environ["WHATSAPP_VERIFY_TOKEN"].encode()
    is_right = hmac.compare_digest(token, asked.get("hub.verify_token", "").encode())
    if not is_right or asked.get("hub.mode") != "subscribe":
        return "403 Forbidden", {}, {"error": "the token is wrong"}
    return asked.get("hub.challenge", "")


def handle(environ: Environ) -> Answer | str:
    # WSGI hands paths over as Latin-1.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    name = path.removeprefix("/webhooks/")
    if name == path or not name:
        return "404 Not Found", {}, {"error": "there is nothing here"}
    if environ["REQUEST_METHOD"] == "GET":
        return subscribe(environ.get("QUERY_STRING", ""))
    length = environ.get("CONTENT_LENGTH") or ""
    if environ["REQUEST_METHOD"] != "POST" or not length.isdecimal() or len(length) > 9:
        return "400 Bad Request", {}, {"error": "expected a body and its length"}
    if int(length) > BODY_BYTES_MAX:
        return "413 Content Too Large", {}, {"error": "the body is too large"}
    body = environ["wsgi.input"].read(int(length))
    if not is_signed(body, environ.get("HTTP_X_HUB_SIGNATURE_256", "")):
        return "401 Unauthorized", {}, {"error": "the signature is wrong"}
    try:
        read = whatsapp.read(body)
        if not read.known:
            return "400 Bad Request", {}, {"error": "this is no webhook of WhatsApp"}
        return respond(engine.tenant(name), read)
    except cotas.UnknownTenant:
        return "404 Not Found", {}, {"error": "there is no such tenant"}
    except ValueError as error:
        return "400 Bad Request", {}, {"error": str(error)}
    except cotas.CotasError as error:
        print(f"cotas: {error} ({error.code})", file=environ["wsgi.errors"])
        return "503 Service Unavailable", {"Retry-After": "1"}, {"error": "come again"}


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    answer = handle(environ)
    if isinstance(answer, str):
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [answer.encode()]
    status, headers, document = answer
    start_response(status, [("Content-Type", "application/json"), *headers.items()])
    return [json.dumps(document).encode()]


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8080")), application) as server:
        server.serve_forever()
