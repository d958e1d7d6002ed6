"""What operations take by keyword, where there is much of it: for type checkers, and to be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from .documents import plain
from .names import Status

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
    - `plan` and its `first_due` belong together; `auto_renew`: not unless it says so.
    - `extras`: units on top of the plan's by resource, an `Extra` where they expire.
    - `limits` and `features`: its own, whatever plan it is on.
    - `holder`: whose account it is, as a registration form sends it: `person` (`natural`, `legal`)
      and `administrator` (`name`, `email`, `phone`) are mandatory, `document` (`type`, `number`),
      `trade_name`, `legal_name`, `company_type`, `address` (`cep`, `street`, `number`,
      `complement`, `district`, `city`, `state`) are not.
    - `pay_first`: how it pays, if its plan begins only when the first invoice is paid.
    """

    status: Status | str
    time_zone: str | None
    created_at: datetime | None
    plan: str | None
    first_due: date | None
    auto_renew: bool
    extras: Mapping[str, int | Extra]
    holder: Mapping[str, Any] | None
    limits: Mapping[str, Limit]
    features: Mapping[str, bool | str]
    pay_first: str | None


def new_tenant(
    name: str,
    *,
    status: Status | str = Status.ACTIVE,
    time_zone: str | None = None,
    created_at: datetime | None = None,
    plan: str | None = None,
    first_due: date | None = None,
    auto_renew: bool = False,
    extras: Mapping[str, int | Extra] | None = None,
    holder: Mapping[str, Any] | None = None,
    limits: Mapping[str, Limit] | None = None,
    features: Mapping[str, bool | str] | None = None,
    pay_first: str | None = None,
) -> str:
    """A tenant to be created, as the document that the engine reads: see `TenantOptions`."""
    terms = None
    if plan is not None:
        if first_due is None:
            raise TypeError(f"the plan {plan!r} needs a first_due")
        terms = {"name": plan, "first_due": plain(first_due), "auto_renew": auto_renew}
    form = {
        "name": name,
        "status": str(status),
        "time_zone": time_zone,
        "created_at": None if created_at is None else plain(created_at),
        "plan": terms,
        "extras": [_extra(resource, extra) for resource, extra in (extras or {}).items()],
        "holder": None if holder is None else plain(holder),
        "limits": dict(limits or {}),
        "features": dict(features or {}),
        "pay_first": pay_first,
    }
    return json.dumps(form, ensure_ascii=False)


def _extra(resource: str, extra: int | Extra) -> dict[str, Any]:
    known = extra if isinstance(extra, Extra) else Extra(extra)
    return {"resource": resource, "units": known.units, "expires_at": plain(known.expires_at)}
