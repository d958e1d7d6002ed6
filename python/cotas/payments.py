"""Payment events in the engine's own terms, for gateways that it has no adapter for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from .documents import cents, plain

Gateway = Literal["asaas", "pagarme"]
"""A gateway whose webhooks are understood."""

PaymentKind = Literal[
    "opened",
    "paid",
    "overdue",
    "withdrawn",
    "reversed",
    "charged_back",
    "partly_reversed",
    "subscription_ended",
    "other",
]
"""What has happened to a payment."""

PaymentMethod = Literal["boleto", "card", "pix", "cash", "transfer", "other"]
"""How money changes hands."""


@dataclass(frozen=True)
class PaymentEvent:
    """What a gateway reports of a payment, as a host has read it.

    `id` distinguishes a repetition from something new, and `payment` two events of one payment from two
    payments; where a subscription has ended, `subscription` says which. `reference` is the invoice's
    `reference`, where the host gave it to the gateway. Amounts are in the catalog's currency:
    `amount` was paid, `original` was to be paid before interest, fine and discount, `refunded` was
    given back in all. `part` says which instalment it is. Prints nothing personal."""

    gateway: Gateway
    id: str
    kind: PaymentKind
    payment: str = ""
    subscription: str | None = None
    customer: str | None = None
    reference: str | None = None
    amount: Decimal | None = None
    method: PaymentMethod = "other"
    due: date | None = None
    original_due: date | None = None
    paid_on: date | None = None
    occurred_at: datetime | None = None
    installment: str | None = None
    part: int | None = None
    original: Decimal | None = None
    refunded: Decimal | None = None

    def to_json(self) -> str:
        """All of it, as the engine reads it."""
        document = plain(self)
        for name in ("amount", "original", "refunded"):
            amount = getattr(self, name)
            del document[name]
            document[f"{name}_cents"] = None if amount is None else cents(amount)
        return json.dumps(document, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<PaymentEvent {self.kind} of {self.gateway}>"

