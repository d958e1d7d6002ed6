"""Middleware for WSGI: Flask, Django, Bottle.

    app.wsgi_app = Quotas(app.wsgi_app, engine, asked=lambda environ: Asked(..., "send_message"))

`asked` names what a request asks, or gives `None` where it asks nothing. A denial is answered
with 402 or 429, the decision as JSON and `Retry-After`. The decision of an admitted request is in
`environ["cotas.decision"]`; what it charged stays charged, whatever the application answers.

A `QuotaExceeded` that the application lets out when it is called is answered in the same way. Flask
and Django let none out: theirs is `cotas.web.of_exception`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .engine import Engine
from .errors import QuotaExceeded
from .web import Answer, Asked, answer, decide, of_exception

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

__all__ = ["Asked", "Quotas"]


class Quotas:
    """Lets through the requests that the quotas allow."""

    def __init__(
        self, app: Application, engine: Engine, *, asked: Callable[[Environ], Asked | None]
    ) -> None:
        self._app = app
        self._engine = engine
        self._asked = asked

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked = self._asked(environ)
        if asked is not None:
            decision = decide(self._engine, asked)
            if not decision:
                return _respond(start_response, answer(decision))
            environ["cotas.decision"] = decision
        try:
            return self._app(environ, start_response)
        except QuotaExceeded as error:
            return _respond(start_response, of_exception(error))


def _respond(start_response: StartResponse, answer: Answer) -> Iterable[bytes]:
    start_response(answer.phrase, answer.headers)
    return [answer.body]
