"""Between the engine's JSON documents and typed values.

Instants are RFC 3339 text in UTC, dates `2026-05-20`, money in cents under a key that ends so,
what is absent `null`; here they are `datetime`, `date`, `Decimal` and `None`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from ._cotas import Decision
from .errors import invalid

T = TypeVar("T")

_CENTS = "_cents"
_CENT = Decimal("0.01")
_AMOUNT_MAX = 10**12  # More than the engine takes, and little enough to be reckoned with exactly.


def plain(value: object) -> Any:
    """A value as JSON takes it."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise invalid(f"time: {value!r} does not say its zone; give it a tzinfo")
        utc = value.astimezone(timezone.utc)
        return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, Decision):
        return value.to_dict()
    names = getattr(type(value), "__match_args__", ())
    # A name that Python keeps for itself has an underscore behind it.
    return {name.rstrip("_"): plain(getattr(value, name)) for name in names}


def read(kind: type[T], value: Any) -> T:
    """A typed value of what a document says. Keys that the type does not have are passed over: a
    newer engine may say more."""
    return typing.cast(T, _read(kind, value))


def _read(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _read(next(each for each in arguments if each is not type(None)), value)
    if origin is tuple:
        return _read_tuple(arguments, value)
    if origin is dict:
        return {key: _read(arguments[1], each) for key, each in value.items()}
    if kind is datetime:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    if kind is date:
        return date.fromisoformat(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value)
    return value


def _read_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if kinds[1:] == (Ellipsis,):
        return tuple(_read(kinds[0], each) for each in value)
    return tuple(_read(kind, each) for kind, each in zip(kinds, value))


def _read_fields(kind: Any, value: Mapping[str, Any]) -> Any:
    fields = {}
    for name, of in _fields(kind).items():
        if name + _CENTS in value:
            fields[name] = money(value[name + _CENTS])
        elif (key := name.rstrip("_")) in value:
            fields[name] = _read(of, value[key])
    return kind(**fields)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def money(cents: int | None) -> Decimal | None:
    """An amount of money of whole cents."""
    return None if cents is None else Decimal(cents).scaleb(-2)


def cents(amount: Decimal) -> int:
    """The whole cents of an amount of money."""
    if not isinstance(amount, Decimal):
        raise TypeError(f"amount: {amount!r} is not a Decimal")
    is_sane = amount.is_finite() and abs(amount) <= _AMOUNT_MAX
    if not is_sane or amount != amount.quantize(_CENT):
        raise invalid(f"amount: {amount} is not a number of whole cents, such as 9.90")
    return int(amount.scaleb(2))
