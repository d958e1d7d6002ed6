"""The engine of one database, and its tenants, as a Python program uses them."""

from __future__ import annotations

import atexit
import json
import weakref
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from os import PathLike
from types import TracebackType
from typing import Any, Literal

from . import _cotas
from .documents import plain
from .guards import RAISES, Guard, TenantOf
from .holds import Lease, Reservation

Durability = Literal["process", "disk"]
"""What an acknowledged decision survives: the death of any process; or a power cut as well."""

Maintenance = Literal["thread", "inline", "external"]
"""Who makes checkpoints: a thread of this process, the call that finds one overdue, or the host."""

Limit = int | Literal["unlimited", "disabled"]
"""So many units; or as many as one likes; or not part of the plan."""

Path = str | PathLike[str]

_HOLD = timedelta(minutes=5)


class Tenant(_cotas.Tenant):
    """A tenant of an engine, found once and used many times, by any number of threads."""

    __slots__ = ()

    def reserve(
        self, units: Mapping[str, int], *, ttl: timedelta = _HOLD, key: str | None = None
    ) -> Reservation:
        """Sets units of several resources aside for `ttl`, all or none. Unless it is committed in
        time they go back."""
        return Reservation(self, self._reserve(dict(units), ttl, key))

    def reserve_action(
        self, action: str, *, ttl: timedelta = _HOLD, key: str | None = None, **about: Any
    ) -> Reservation:
        """As `reserve`, what an action charges; `about` as for `perform`."""
        return Reservation(self, self._reserve_action(action, ttl, key, **about))

    def lease(
        self, resource: str, holder: str, *, ttl: timedelta | None = None, key: str | None = None
    ) -> Lease:
        """May `holder` have a lease? If so it is taken, for `ttl` or as long as the catalog says.
        A holder that has it already has it prolonged."""
        return Lease(self, resource, holder, self._acquire(resource, holder, ttl, key))

    def check_lease(self, resource: str, holder: str) -> _cotas.Decision:
        """What `lease` would answer. Changes nothing."""
        return self._check_lease(resource, holder)


class Engine(_cotas.Engine):
    """The quota engine of one database, to be shared by all threads and by forked workers.

    A context manager: it is closed when the block ends. Decisions wait for nothing; what is marked
    so waits for the disk, and belongs into `asyncio.to_thread` where an event loop runs.
    """

    __slots__ = ()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def tenant(self, name: str) -> Tenant:
        """The tenant with this name, for many calls."""
        return Tenant(self, name)

    def load_catalog_file(self, path: Path) -> int:
        """Puts the catalog of a TOML or JSON file in force; gives its version. Waits for the
        disk."""
        with open_file(path, encoding="utf-8") as file:
            return self.load_catalog(file.read(), name=str(path))

    def create_tenant(self, name: str, **options: Any) -> Tenant:
        """Creates a tenant with its plan and its extras, all or nothing. Waits for the disk.

        `options`: `status`, `time_zone`, `created_at`, `plan` with `first_due` and `auto_renew`,
        `extras`, `holder`, `limits`, `features`, `pay_first`; see `new_tenant`."""
        self._create_tenant(new_tenant(name, **options), True)
        return self.tenant(name)

    def ensure_tenant(self, name: str, **options: Any) -> bool:
        """As `create_tenant`, unless there is a tenant of that name already, which is left as it
        is. Says whether it was created."""
        return self._create_tenant(new_tenant(name, **options), False)

    def consume_many(
        self, rows: Iterable[tuple[str, str, int]]
    ) -> list[_cotas.Decision]:
        """`consume` for many rows of tenant, resource and units, each on its own, in their order."""
        consume = self.consume
        return [consume(tenant, resource, units) for tenant, resource, units in rows]

    def guard(
        self,
        action: str,
        *,
        tenant: TenantOf = "tenant",
        quantity: int | Callable[..., int] | None = None,
        ttl: timedelta = _HOLD,
        denied: Any = RAISES,
    ) -> Guard:
        """Makes of a function or coroutine one that is called only where its tenant may do `action`.

        What the action charges is set aside, committed when the function is through, and given back
        where it raises. `tenant` is the name of the argument that names the tenant, or a function
        of all arguments; so is `quantity`. A denial raises `QuotaExceeded`, or gives `denied`,
        called with the decision if it can be called."""
        return Guard(self, action, tenant=tenant, quantity=quantity, ttl=ttl, denied=denied)


open_file = open


def open(  # noqa: A001
    path: Path,
    *,
    durability: Durability = "process",
    maintenance: Maintenance = "thread",
    live_directory: Path | None = None,
    clock: _cotas.ManualClock | None = None,
    checkpoint_interval: timedelta | None = None,
    disk_patience: timedelta | None = None,
    allow_network_file_system: bool = False,
) -> Engine:
    """Opens the database at `path`, creating it if there is none.

    All processes that open it decide from the same memory. `live_directory`: where that lies,
    instead of beside the database. `checkpoint_interval`: what a power cut may cost (100 ms).
    `disk_patience`: how long a decision waits for the disk with `durability="disk"` (5 s)."""
    return _remembered(
        Engine(
            path,
            durability=durability,
            maintenance=maintenance,
            live_directory=live_directory,
            clock=clock,
            checkpoint_interval=checkpoint_interval,
            disk_patience=disk_patience,
            allow_network_file_system=allow_network_file_system,
        )
    )


def in_memory(
    *, clock: _cotas.ManualClock | None = None, maintenance: Maintenance = "external"
) -> Engine:
    """A database in memory, which no other process sees: for tests of a host."""
    return _remembered(Engine(None, clock=clock, maintenance=maintenance))


_opened: weakref.WeakSet[Engine] = weakref.WeakSet()


def _remembered(engine: Engine) -> Engine:
    _opened.add(engine)
    return engine


@atexit.register
def _close_all() -> None:
    """Leaves nothing to a checkpoint that nobody makes."""
    for engine in list(_opened):
        engine.close()


def new_tenant(
    name: str,
    *,
    status: str = "active",
    time_zone: str | None = None,
    created_at: datetime | None = None,
    plan: str | None = None,
    first_due: date | None = None,
    auto_renew: bool = False,
    extras: Mapping[str, int] | None = None,
    holder: Mapping[str, Any] | None = None,
    limits: Mapping[str, Limit] | None = None,
    features: Mapping[str, bool | str] | None = None,
    pay_first: str | None = None,
) -> str:
    """A tenant to be created, as the document that the engine reads.

    `plan` and its `first_due` belong together; `extras` are units on top of the plan's by resource;
    `limits` and `features` are the tenant's own, whatever plan it is on; `holder` is whose account
    it is; `pay_first`: how it pays, if its plan begins only when the first invoice is paid."""
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
        "extras": [{"resource": key, "units": units} for key, units in (extras or {}).items()],
        "holder": None if holder is None else plain(holder),
        "limits": dict(limits or {}),
        "features": dict(features or {}),
        "pay_first": pay_first,
    }
    return json.dumps(form, ensure_ascii=False)
