"""A WhatsApp Cloud API webhook that asks before it answers: POST /webhooks/<tenant>.

    pip install cotas
    COTAS_DB=quotas.db WHATSAPP_APP_SECRET=... PORT=8080 python webhook.py

It is a WSGI application: `gunicorn webhook:application` runs it in forked workers. The package
brings the engine with it and needs no libcotas. ../README.md makes the database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any
from wsgiref.simple_server import make_server

import cotas
from cotas import Reason

BODY_BYTES_MAX = 1 << 20
TO_BE_PAID = {
    Reason.QUOTA_EXHAUSTED,
    Reason.NOT_IN_PLAN,
    Reason.PLAN_LAPSED,
    Reason.NO_SUBSCRIPTION,
    Reason.SUBSCRIPTION_PENDING,
    Reason.DEMO_EXPIRED,
}

Environ = dict[str, Any]
Answer = tuple[str, dict[str, str], dict[str, Any]]

engine = cotas.open(os.environ["COTAS_DB"])


class Malformed(Exception):
    """A body that is no webhook."""


def member(document: Any, key: str, kind: type, default: Any = None) -> Any:
    """A member of a document that must be of a type."""
    found = document.get(key, default) if isinstance(document, dict) else None
    if not isinstance(found, kind):
        raise Malformed(key)
    return found


def instant(seconds: str) -> datetime:
    """A timestamp of WhatsApp's: seconds since 1970, as text."""
    if not re.fullmatch("[0-9]{1,11}", seconds):
        raise Malformed("timestamp")
    return datetime.fromtimestamp(int(seconds), timezone.utc)


def messages(body: Any) -> Iterator[tuple[str, str, str, datetime]]:
    """The messages of a webhook's body, whatever else is in it: id, channel, contact, time."""
    for entry in member(body, "entry", list):
        for change in member(entry, "changes", list):
            value = member(change, "value", dict)
            for message in member(value, "messages", list, default=[]):
                channel = member(member(value, "metadata", dict), "phone_number_id", str)
                at = instant(member(message, "timestamp", str))
                yield member(message, "id", str), channel, member(message, "from", str), at


def refusal(decision: cotas.Decision) -> Answer:
    """What a refusal is over HTTP: to be paid, too fast, or forbidden; and when to come again."""
    status = "403 Forbidden"
    if decision.reason is Reason.RATE_EXCEEDED:
        status = "429 Too Many Requests"
    elif decision.reason in TO_BE_PAID:
        status = "402 Payment Required"
    headers, again = {}, None
    if decision.retry_at and decision.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(decision.retry_after.total_seconds())))
        again = decision.retry_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = decision.to_dict()
    told = {name: document[name] for name in ("reason", "used", "limit")}
    return status, headers, {**told, "retry_at": again}


def respond(tenant: cotas.Tenant, body: Any) -> Answer:
    """Asks, and answers each message once: Meta delivers some of them again."""
    answers = []
    for name, channel, contact, at in list(messages(body)):
        received = tenant.perform("receive_message", channel=channel, contact=contact, at=at)
        if not received:
            return refusal(received)
        sent = tenant.perform("send_message", channel=channel, contact=contact, key=name)
        if not sent:
            return refusal(sent)
        if not sent.replayed:
            # Here the platform sends it. This example tells what it would send.
            notice = f"{sent.notice}\n" if sent.notice else ""
            answers.append({"message": name, "text": f"{notice}Olá! Já vamos atender você."})
    return "200 OK", {}, {"answers": answers}


def is_signed(body: bytes, signature: str) -> bool:
    secret = os.environ["WHATSAPP_APP_SECRET"].encode()
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("latin-1"))


def handle(environ: Environ) -> Answer:
    # WSGI hands paths over as Latin-1.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    name = path.removeprefix("/webhooks/")
    if environ["REQUEST_METHOD"] != "POST" or name == path or not name:
        return "404 Not Found", {}, {"error": "there is nothing here"}
    length = environ.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch("[0-9]{1,9}", length):
        return "400 Bad Request", {}, {"error": "the length of the body is missing"}
    if int(length) > BODY_BYTES_MAX:
        return "413 Content Too Large", {}, {"error": "the body is too large"}
    body = environ["wsgi.input"].read(int(length))
    if not is_signed(body, environ.get("HTTP_X_HUB_SIGNATURE_256", "")):
        return "401 Unauthorized", {}, {"error": "the signature is wrong"}
    try:
        return respond(engine.tenant(name), json.loads(body))
    except cotas.UnknownTenant:
        return "404 Not Found", {}, {"error": "there is no such tenant"}
    except cotas.InvalidArgument as error:
        return "400 Bad Request", {}, {"error": str(error)}
    except (Malformed, ValueError):
        return "400 Bad Request", {}, {"error": "this is no webhook of WhatsApp"}
    except cotas.CotasError as error:
        print(f"cotas: {error} ({error.code})", file=environ["wsgi.errors"])
        return "503 Service Unavailable", {"Retry-After": "1"}, {"error": "come again"}


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, headers, document = handle(environ)
    start_response(status, [("Content-Type", "application/json"), *headers.items()])
    return [json.dumps(document).encode()]


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8080")), application) as server:
        server.serve_forever()
