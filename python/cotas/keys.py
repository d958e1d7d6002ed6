"""Idempotency keys of decisions."""

from __future__ import annotations

from datetime import timedelta


class Key(str):
    """An idempotency key that is kept for another time than the usual 7 days, from a millisecond to
    400 days: `tenant.consume("sms", key=Key("order-8812", kept_for=timedelta(days=30)))`. Keys of
    administrative operations are kept for ever, whatever it says."""

    kept_for: timedelta

    def __new__(cls, text: str, *, kept_for: timedelta) -> Key:
        key = super().__new__(cls, text)
        key.kept_for = kept_for
        return key

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, timedelta]]:
        return (str(self),), {"kept_for": self.kept_for}
