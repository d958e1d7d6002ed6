"""Reservations and leases: held while a `with` block runs, and given back as it ends."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from ._cotas import Decision, LeaseOutcome

if TYPE_CHECKING:
    from ._cotas import Tenant


class _Held:
    """What a decision has set aside."""

    __slots__ = ("_tenant", "_open", "decision")

    decision: Decision

    def __init__(self, tenant: Tenant, decision: Decision) -> None:
        self._tenant = tenant
        self._open = bool(decision)
        self.decision = decision

    def __bool__(self) -> bool:
        return bool(self.decision)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed" if self.decision else "denied"
        return f"<{type(self).__name__} {state}: {self.decision!r}>"


class Reservation(_Held):
    """Units set aside until they are committed, released, or out of time.

    As a context manager it raises `QuotaExceeded` where it was denied; it commits what it holds when
    the block ends, and releases it where the block raises, unless the block has done either.
    """

    __slots__ = ()

    @property
    def id(self) -> str | None:
        """What names the reservation, also in another process; `None`: it was denied."""
        return self.decision.reservation

    def commit(self, units: dict[str, int] | None = None) -> None:
        """Uses what it holds; or so much of it, and gives the rest back."""
        self._tenant.commit(self._held(), units)
        self._open = False

    def release(self) -> None:
        """Gives back what it holds."""
        self._tenant.release(self._held())
        self._open = False

    def sent(self, message: str) -> None:
        """Gives a send the id that the channel gave its message, and leaves the outcome to
        `Tenant.report_delivery`: it is neither committed nor released as a block ends."""
        self._tenant.sent(self._held(), message)
        self._open = False

    def _held(self) -> str:
        self.decision.raise_if_denied()
        assert self.id is not None
        return self.id

    def __enter__(self) -> Reservation:
        self.decision.raise_if_denied()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._open:
            return
        if kind is None:
            self.commit()
        else:
            self.release()


class Lease(_Held):
    """Something held by a named holder for a limited time, such as a call.

    As a context manager it raises `QuotaExceeded` where it was denied, and is released when the block
    ends, however it ends.
    """

    __slots__ = ("_resource", "_holder", "_outcome")

    def __init__(self, tenant: Tenant, resource: str, holder: str, decision: Decision) -> None:
        super().__init__(tenant, decision)
        self._resource = resource
        self._holder = holder
        self._outcome = decision.lease

    @property
    def fencing(self) -> int:
        """Rises with every lease of the tenant: what a slow holder writes under an old number can
        be distinguished from what the present holder writes."""
        return self._lease().fencing

    @property
    def outcome(self) -> LeaseOutcome:
        """What became of it last: acquired or renewed, and until when."""
        return self._lease()

    def renew(self, ttl: timedelta | None = None) -> LeaseOutcome:
        """Prolongs it: it ends `ttl` from now, or as long as the catalog says."""
        renewed = self._tenant.renew_lease(self._resource, self._holder, self.fencing, ttl)
        self._outcome = renewed
        return renewed

    def release(self) -> None:
        """Gives it back before its time."""
        self._tenant.release_lease(self._resource, self._holder, self.fencing)
        self._open = False

    def _lease(self) -> LeaseOutcome:
        self.decision.raise_if_denied()
        assert self._outcome is not None
        return self._outcome

    def __enter__(self) -> Lease:
        self.decision.raise_if_denied()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open:
            self.release()
