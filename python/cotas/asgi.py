"""Middleware for ASGI: Starlette, FastAPI, Litestar, Django's asynchronous half.

    app.add_middleware(Quotas, engine=engine, asked=what_is_asked)  # Starlette, FastAPI
    app = Quotas(app, engine, asked=what_is_asked)  # any other

`asked` is a function or coroutine of the scope: it names what a request asks, or gives `None` where
it asks nothing. A denial is answered with 402 or 429, the decision as JSON and `Retry-After`; so is
a `QuotaExceeded` that the application lets out before it has begun to answer. The decision of an
admitted request is in `scope["cotas.decision"]`; what it charged stays charged, whatever the
application answers. A decision does not wait, and so needs no thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .engine import Engine
from .errors import QuotaExceeded
from .web import Answer, Asked, answer, decide, of_exception

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
WhatIsAsked = Callable[[Scope], Asked | None | Awaitable[Asked | None]]

__all__ = ["Asked", "Quotas"]


class Quotas:
    """Lets through the requests that the quotas allow."""

    def __init__(self, app: Application, engine: Engine, *, asked: WhatIsAsked) -> None:
        self._app = app
        self._engine = engine
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = self._asked(scope)
        asked = await named if inspect.isawaitable(named) else named
        if asked is not None:
            decision = decide(self._engine, asked)
            if not decision:
                await _send(send, answer(decision))
                return
            scope["cotas.decision"] = decision
        await self._answered(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except QuotaExceeded as error:
            if begun:
                raise
            await _send(send, of_exception(error))


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
