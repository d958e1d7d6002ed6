"""The middleware in the frameworks that hosts use, as the documentation has it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import cotas
import django
import pytest
from cotas import asgi, web, wsgi
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.test import Client

urlpatterns: list[Any] = []
"""Of the Django project that this module is."""


class Denials:
    """The Django middleware of the documentation."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        if isinstance(exception, cotas.QuotaExceeded):
            answer = web.of_exception(exception)
            return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
        return None


def asked(path: str) -> web.Asked | None:
    """What a request asks: ten messages, where it sends some."""
    return web.Asked("acme", "send_sms", quantity=10) if path == "/send" else None


def check(responses: list[tuple[int, dict[str, str], str]]) -> None:
    """Of `/send`, `/send` again, and `/raise`: the first is admitted, the others are denied."""
    (sent, _, used), *denied = responses
    assert (sent, used) == (200, "10")
    for status, headers, body in denied:
        assert status == 402 and headers["content-type"] == "application/json"
        assert json.loads(body)["reason"] == "quota_exhausted" and int(headers["retry-after"]) > 0


def called_async(app: Any, path: str) -> tuple[int, dict[str, str], str]:
    """One request of an ASGI application."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    start, body = sent[:2]
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"].decode()


def called(app: wsgi.Application, path: str) -> tuple[int, dict[str, str], str]:
    """One request of a WSGI application."""
    response = Client(app).get(path)
    return response.status_code, lower(response.headers), response.text


def lower(headers: Any) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


PATHS = ["/send", "/send", "/raise"]


def test_starlette(engine: cotas.Engine) -> None:
    async def send(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(request.scope["cotas.decision"].used))

    async def refuse(request: Request) -> None:
        engine.check("acme", "sms", 99).raise_if_denied()

    async def of(scope: asgi.Scope) -> web.Asked | None:
        return asked(scope["path"])

    app = Starlette(routes=[Route("/send", send), Route("/raise", refuse)])
    app.add_middleware(asgi.Quotas, engine=engine, asked=of)
    check([called_async(app, path) for path in PATHS])


def test_flask(engine: cotas.Engine) -> None:
    app = Flask(__name__)

    @app.get("/send")
    def send() -> str:
        return str(request.environ["cotas.decision"].used)

    @app.get("/raise")
    def refuse() -> str:
        engine.check("acme", "sms", 99).raise_if_denied()
        return "never"

    @app.errorhandler(cotas.QuotaExceeded)
    def denied(error: cotas.QuotaExceeded) -> Any:
        answer = web.of_exception(error)
        return answer.body, answer.status, answer.headers

    guarded: Any = wsgi.Quotas(app.wsgi_app, engine, asked=lambda it: asked(it["PATH_INFO"]))
    app.wsgi_app = guarded  # type: ignore[method-assign]
    check([called(app, path) for path in PATHS])


def test_django(engine: cotas.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"%d" % request.META["cotas.decision"].used)

    def refuse(request: HttpRequest) -> HttpResponse:
        engine.check("acme", "sms", 99).raise_if_denied()
        return HttpResponse(b"never")

    monkeypatch.setattr(
        f"{__name__}.urlpatterns", [path("send", send), path("raise", refuse)]
    )
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[f"{__name__}.Denials"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of a test",
        USE_TZ=True,
    )
    django.setup()
    application: Any = get_wsgi_application()
    app = wsgi.Quotas(application, engine, asked=lambda it: asked(it["PATH_INFO"]))
    check([called(app, path) for path in PATHS])

