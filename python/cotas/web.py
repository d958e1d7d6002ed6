"""What the ASGI and the WSGI middleware have in common: which action a request is, and how a denial
is answered."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from ._cotas import Decision
from .engine import Engine
from .errors import QuotaExceeded
from .names import Reason

PAYMENT_REQUIRED = 402
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class Asked:
    """What a request asks of the quotas."""

    tenant: str
    action: str
    channel: str = ""
    contact: str = ""
    quantity: int | None = None
    key: str | None = None


def decide(engine: Engine, asked: Asked) -> Decision:
    """Performs what a request asks."""
    return engine.tenant(asked.tenant).perform(
        asked.action,
        channel=asked.channel,
        contact=asked.contact,
        quantity=asked.quantity,
        key=asked.key,
    )


@dataclass(frozen=True)
class Answer:
    """A denial as an HTTP response: 429 where it came too fast, else 402; the decision as JSON;
    `Retry-After` in seconds where it can be foreseen when it would pass."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def phrase(self) -> str:
        """The status line of WSGI."""
        words = {PAYMENT_REQUIRED: "Payment Required", TOO_MANY_REQUESTS: "Too Many Requests"}
        return f"{self.status} {words[self.status]}"


def answer(decision: Decision) -> Answer:
    """How a denial is answered. A receipt or a reservation is the host's, and stays out."""
    after = decision.retry_after
    status = TOO_MANY_REQUESTS if decision.reason is Reason.RATE_EXCEEDED else PAYMENT_REQUIRED
    document = decision.to_dict()
    for private in ("receipt", "reservation"):
        document.pop(private)
    body = json.dumps(document).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    if after is not None:
        headers.append(("retry-after", str(math.ceil(after.total_seconds()))))
    return Answer(status, headers, body)


def of_exception(error: QuotaExceeded) -> Answer:
    """How a denial is answered that a handler raised: what Flask's `errorhandler` and the
    `process_exception` of a Django middleware make their responses of."""
    return answer(error.decision)
