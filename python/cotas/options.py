"""What operations take by keyword, where there is much of it: for type checkers, and to be read."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NoReturn, TypedDict, TypeVar

from .documents import cents, plain
from .names import Status

T = TypeVar("T")

Limit = int | Literal["unlimited", "disabled"]
"""So many units; or as many as one likes; or not part of the plan."""


@dataclass(frozen=True)
class Extra:
    """Units on top of a plan's."""

    units: int
    expires_at: datetime | None = None


class TenantOptions(TypedDict, total=False):
    """What there is to say of a tenant that is created, besides its name.

    - `status`: its first one, `active`; `time_zone`: of its days, the catalog's; `created_at`: now.
    - `plan` needs its `first_due`, unless a payment begins it (`pay_first`); `anchor_day`: the day of
      all later due dates, if not the first one's; `auto_renew`: not unless it says so.
    - `extras`: units on top of the plan's by resource, an `Extra` where they expire.
    - `limits` and `features`: its own, whatever plan it is on.
    - `holder`: whose account it is, as a registration form sends it: `person` (`natural`, `legal`)
      and `administrator` (`name`, `email`, `phone`) are mandatory, `document` (`type`, `number`),
      `trade_name`, `legal_name`, `company_type`, `address` (`cep`, `street`, `number`,
      `complement`, `district`, `city`, `state`) are not.
    - `pay_first`: how it pays, if its plan begins only when the first invoice is paid.
    - `first_period`: `"paid"`, where that of a plan paid in advance has been paid elsewhere.
    - `price`: what a period of its plan costs this tenant, whatever the catalog says.
    """

    status: Status | str
    time_zone: str | None
    created_at: datetime | None
    plan: str | None
    first_due: date | None
    anchor_day: int | None
    auto_renew: bool
    extras: Mapping[str, int | Extra]
    holder: Mapping[str, Any] | None
    limits: Mapping[str, Limit]
    features: Mapping[str, bool | str]
    pay_first: str | None
    first_period: str | None
    price: Decimal | None


def new_tenant(name: str, options: TenantOptions) -> str:
    """A tenant to be created, as the document that the engine reads: see `TenantOptions`."""
    if not isinstance(options, Mapping):
        raise TypeError(f"the options of tenant {name!r} are not a mapping: {options!r}")
    for option in options:
        if option not in TenantOptions.__annotations__:
            raise TypeError(_unknown(option))
    plan = options.get("plan")
    first_due = options.get("first_due")
    if plan is None and first_due is not None:
        raise TypeError(f"first_due {first_due!r} needs a plan")
    if plan is not None and first_due is None and options.get("pay_first") is None:
        raise TypeError(f"the plan {plan!r} needs a first_due")
    auto_renew = options.get("auto_renew", False)
    terms = {
        "name": plan,
        "first_due": None if first_due is None else plain(first_due),
        "anchor_day": options.get("anchor_day"),
        "auto_renew": auto_renew,
    }
    created_at = options.get("created_at")
    holder = options.get("holder")
    price = options.get("price")
    extras = _mapping("extras", options.get("extras"))
    form = {
        "name": name,
        "status": str(options.get("status", Status.ACTIVE)),
        "time_zone": options.get("time_zone"),
        "created_at": None if created_at is None else plain(created_at),
        "plan": None if plan is None else terms,
        "extras": [_extra(resource, extra) for resource, extra in extras.items()],
        "holder": None if holder is None else plain(holder),
        "limits": plain(_mapping("limits", options.get("limits"))),
        "features": plain(_mapping("features", options.get("features"))),
        "pay_first": options.get("pay_first"),
        "first_period": options.get("first_period"),
        "price_cents": None if price is None else cents(price),
    }
    return json.dumps(form, ensure_ascii=False, default=_not_an_option)


def _unknown(option: object) -> str:
    """The message for an option that there is not."""
    known = list(TenantOptions.__annotations__)
    near = difflib.get_close_matches(str(option), known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown option {option!r}{meant} (expected {', '.join(known)})"


def _mapping(option: str, value: Mapping[str, T] | None) -> Mapping[str, T]:
    """The value of an option that is a mapping; none stands for an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{option}: {value!r} is not a mapping of names to values")
    return value


def _not_an_option(value: object) -> NoReturn:
    raise TypeError(f"{value!r} is not a value that an option can have (expected a str or an int)")


def _extra(resource: str, extra: int | Extra) -> dict[str, Any]:
    known = extra if isinstance(extra, Extra) else Extra(extra)
    return {"resource": resource, "units": known.units, "expires_at": plain(known.expires_at)}
