"""Traffic of the past, decided again: each event at its own time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ._cotas import Decision, ManualClock, Tenant

if TYPE_CHECKING:
    from .engine import Engine


@dataclass(frozen=True)
class Traffic:
    """Something that happened at a host: which tenant did which action, and what it was about."""

    at: datetime
    tenant: str
    action: str
    channel: str = ""
    contact: str = ""
    quantity: int | None = None
    key: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far a tenant has come in a log that began at `since`, and what came of its events up to
    `position`. `too_old` were allowed and opened no session. `refused_quota` and `refused_status` are parts of `refused`."""

    since: datetime
    position: int
    opened: int
    continued: int
    others: int
    refused: int
    refused_quota: int
    refused_status: int
    too_old: int


def replayed(
    engine: Engine, events: Iterable[Traffic], source: bytes | None
) -> Iterator[tuple[Traffic, Decision | None]]:
    """See `Engine.replay`."""
    since: datetime | None = None
    clock: ManualClock | None = None
    own: Engine | None = None
    tenants: dict[str, Tenant] = {}
    try:
        for position, event in enumerate(events, start=1):
            if clock is None or own is None or since is None:
                clock, since = ManualClock(event.at), event.at
                own = engine.with_clock(clock)
            clock.set(max(clock.now, event.at))
            tenant = tenants.get(event.tenant)
            if tenant is None:
                tenant = tenants[event.tenant] = own.tenant(event.tenant)
            yield event, _decide(tenant, event, source, since, position)
    finally:
        if own is not None:
            own.close()


def _decide(
    tenant: Tenant, event: Traffic, source: bytes | None, since: datetime, position: int
) -> Decision | None:
    if source is None:
        return tenant.perform(
            event.action,
            channel=event.channel,
            contact=event.contact,
            at=event.at,
            quantity=event.quantity,
            key=event.key,
        )
    return tenant._perform_next(
        source,
        since,
        position,
        event.action,
        channel=event.channel,
        contact=event.contact,
        at=event.at,
        quantity=event.quantity,
        key=event.key,
    )
