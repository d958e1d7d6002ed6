"""Seats: users, channels, departments, chatbots, boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import reports
from ._cotas import Decision

if TYPE_CHECKING:
    from ._cotas import Tenant


class Seats:
    """The seats of one resource of a tenant, each held by a named holder until it is released.
    Every operation waits for the disk."""

    __slots__ = ("_tenant", "resource")

    def __init__(self, tenant: Tenant, resource: str) -> None:
        self._tenant = tenant
        self.resource = resource

    def occupy(self, holder: str, *, pending: bool = False, token: str | None = None) -> Decision:
        """May `holder` have a seat? If so it is taken. A holder that has one keeps it. `pending`:
        invited, and not there yet; `token`: opens the seat, unique over the database, and is
        kept only as a hash."""
        return self._tenant._occupy(self.resource, holder, pending, token)

    @property
    def warning(self) -> reports.Wording | None:
        """The warning to the person who takes a seat here, if the catalog says so."""
        warning = self._tenant._seat_warning(self.resource)
        return None if warning is None else reports.Wording(*warning)

    def release(self, holder: str) -> bool:
        """Frees the seat of `holder`; says whether there was one."""
        return self._tenant._vacate(self.resource, holder)

    def replace(self, old: str, new: str) -> None:
        """Gives the seat of `old` to `new`, which always passes."""
        self._tenant._replace(self.resource, old, new)

    def list(self) -> tuple[reports.Seat, ...]:
        """Who holds seats, by name."""
        return reports.all_of(reports.Seat, self._tenant._seats(self.resource))

    def __repr__(self) -> str:
        return f"<Seats of {self.resource}>"
