"""Guards and middleware."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

import cotas
import pytest
from cotas import asgi, wsgi
from cotas.web import Asked, answer


def test_a_guarded_function_charges_when_it_is_through(
    engine: cotas.Engine, acme: cotas.Tenant
) -> None:
    @engine.guard("send_sms", quantity=lambda tenant, parts: parts)
    def send(tenant: str, parts: int) -> str:
        """Sends."""
        if parts == 3:
            raise ConnectionError
        return f"{parts} sent"

    assert send("acme", 2) == "2 sent" and send(tenant="acme", parts=4) == "4 sent"
    with pytest.raises(ConnectionError):
        send("acme", 3)
    assert acme.check("sms").used - 1 == 6
    with pytest.raises(cotas.QuotaExceeded) as caught:
        send("acme", 5)
    assert caught.value.decision.available == 4
    assert send.__name__ == "send" and send.__doc__ == "Sends."


def test_a_guarded_coroutine_charges_when_it_is_through(
    engine: cotas.Engine, acme: cotas.Tenant
) -> None:
    @engine.guard("send_sms", tenant="who", denied=lambda decision: decision.reason)
    async def send(text: str, who: str = "acme") -> Any:
        await asyncio.sleep(0)
        if text == "fails":
            raise ConnectionError
        return text

    async def all_of_them() -> list[Any]:
        sent = [send("hello") for _ in range(12)]
        return await asyncio.gather(send("fails"), *sent, return_exceptions=True)

    results = asyncio.run(all_of_them())
    assert isinstance(results[0], ConnectionError)
    assert results.count("hello") == 9 and results.count(cotas.Reason.QUOTA_EXHAUSTED) == 3
    assert acme.check("sms").used - 1 == 9


def test_a_guard_says_what_it_cannot_guard(engine: cotas.Engine) -> None:
    with pytest.raises(TypeError, match="generator"):

        @engine.guard("send_sms")
        def numbers(tenant: str) -> Iterable[int]:
            yield 1

    @engine.guard("send_sms", tenant="whom", denied=None)
    def send(tenant: str) -> None: ...

    with pytest.raises(TypeError, match="no text argument 'whom'"):
        send("acme")


def asked(headers: dict[str, str]) -> Asked | None:
    """What a request asks: nothing where it names no tenant."""
    tenant = headers.get("x-tenant")
    return None if tenant is None else Asked(tenant, "send_sms", quantity=6)


def request_asgi(app: asgi.Application, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """One request of an ASGI application."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def request() -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await app({"type": "http", "headers": raw}, receive, send)

    asyncio.run(request())
    start, body = sent
    got = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], got, body["body"]


def request_wsgi(app: wsgi.Application, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """One request of a WSGI application."""
    started: list[Any] = []
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": it for name, it in headers.items()}
    body = b"".join(app(environ, lambda *args: started.append(args)))
    status, got = started[0]
    return int(status.split()[0]), dict(got), body


def asgi_app(engine: cotas.Engine) -> asgi.Application:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if b"x-raise" in dict(scope["headers"]):
            engine.check("acme", "sms", 99).raise_if_denied()
        decision = scope.get("cotas.decision")
        body = b"free" if decision is None else str(decision.used).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def of(scope: Any) -> Asked | None:
        return asked({name.decode(): it.decode() for name, it in scope["headers"]})

    return asgi.Quotas(app, engine, asked=of)


def wsgi_app(engine: cotas.Engine) -> wsgi.Application:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_X_RAISE" in environ:
            engine.check("acme", "sms", 99).raise_if_denied()
        decision = environ.get("cotas.decision")
        start_response("200 OK", [])
        return [b"free" if decision is None else str(decision.used).encode()]

    def of(environ: dict[str, Any]) -> Asked | None:
        tenant = environ.get("HTTP_X_TENANT")
        return asked({} if tenant is None else {"x-tenant": tenant})

    return wsgi.Quotas(app, engine, asked=of)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_denial_is_a_response(engine: cotas.Engine, kind: str) -> None:
    def get(**headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind == "asgi":
            return request_asgi(asgi_app(engine), named)
        return request_wsgi(wsgi_app(engine), named)

    assert get()[::2] == (200, b"free")
    assert get(x_tenant="acme")[0] == 200
    for denied in (get(x_tenant="acme"), get(x_raise="1")):
        status, headers, body = denied
        document = json.loads(body)
        assert status == 402 and document["reason"] == "quota_exhausted"
        assert "receipt" not in document and headers["content-type"] == "application/json"
        assert headers["content-length"] == str(len(body))
        assert int(headers["retry-after"]) == 21 * 86_400 + 12 * 3_600


def test_what_comes_too_fast_is_429(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    denied = acme.rate("pair_rate").check("c-1", 3)
    assert acme.rate("pair_rate").pass_("c-1", 2)
    denied = acme.rate("pair_rate").pass_("c-1")
    response = answer(denied)
    assert response.status == 429 and ("retry-after", "6") in response.headers
    assert response.phrase == "429 Too Many Requests"


def test_other_protocols_pass(engine: cotas.Engine) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any: ...

    guarded = asgi.Quotas(app, engine, asked=lambda scope: Asked("acme", "send_sms"))
    asyncio.run(guarded({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
