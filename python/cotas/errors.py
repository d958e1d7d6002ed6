"""What can go wrong. A denial is not among it: that is a `Decision`, and becomes an exception only
where a program asks for one, by `Decision.raise_if_denied`.

Every exception has a `code`, the same number in every language that the engine speaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._cotas import Decision


class CotasError(Exception):
    """Anything that the engine answers instead of doing what was asked."""

    code: int

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[CotasError], tuple[str, int]]:
        return type(self), (str(self), self.code)


class OpenError(CotasError):
    """A database could not be opened."""


class StoreError(CotasError):
    """Remembering in SQLite failed."""


class CatalogError(CotasError, ValueError):
    """A catalog is wrong; the message names file, line and key."""


class InvalidArgument(CotasError, ValueError):
    """An argument is not acceptable."""


class InvalidForm(InvalidArgument):
    """A registration form is wrong; the message names every field that is."""


class DocumentError(InvalidArgument):
    """A CPF, CNPJ or CEP is not one."""


class PayloadError(InvalidArgument):
    """A gateway's webhook cannot be read."""


class PriceError(InvalidArgument):
    """Something has no price."""


class WrongKind(InvalidArgument):
    """The operation does not fit the kind of resource."""


class UnknownName(CotasError, LookupError):
    """There is nothing of that name."""


class UnknownTenant(UnknownName):
    """There is no such tenant."""


class UnknownResource(UnknownName):
    """The catalog has no such resource."""


class UnknownAction(UnknownName):
    """The catalog has no such action."""


class UnknownPlan(UnknownName):
    """The catalog has no such plan."""


class UnknownFeature(UnknownName):
    """No plan has such a feature."""


class UnknownPackage(UnknownName):
    """The catalog has no such package."""


class UnknownInvoice(UnknownName):
    """There is no such invoice."""


class UnknownReservation(UnknownName):
    """No reservation has this id, or it has been forgotten."""


class UnknownReceipt(UnknownName):
    """No decision has this receipt, or its key has expired."""


class Conflict(CotasError):
    """It does not fit what is there already; nothing was changed."""


class TenantExists(Conflict):
    """There is such a tenant already."""


class IdempotencyConflict(Conflict):
    """The key was used before, with other arguments."""


class AlreadyResolved(Conflict):
    """The reservation was resolved, or the receipt refunded, before."""


class NotHeld(Conflict):
    """The holder does not have the lease or the seat."""


class Unavailable(CotasError):
    """The engine cannot do it now."""


class Busy(Unavailable):
    """Another thread or process held the tenant, or the database, for too long: try again."""


class DurabilityUnknown(Unavailable):
    """It was done; whether it reached the disk in time is not known."""


class Poisoned(Unavailable):
    """The engine refuses until all processes have closed it."""


class EngineClosed(CotasError):
    """The engine has been closed."""


class InternalError(CotasError):
    """A fault of the engine's own."""


class QuotaExceeded(CotasError):
    """A decision was denied: `decision` says why, and when to try again."""

    decision: Decision

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision._denial())
        self.decision = decision

    def __reduce__(self) -> tuple[type[QuotaExceeded], tuple[Decision]]:  # type: ignore[override]
        return type(self), (self.decision,)


_BY_CODE: dict[int, type[CotasError]] = {
    300: CatalogError,
    330: DocumentError,
    331: PayloadError,
    332: PriceError,
    400: UnknownTenant,
    401: TenantExists,
    402: UnknownResource,
    403: UnknownAction,
    404: UnknownPlan,
    405: WrongKind,
    406: InvalidArgument,
    407: IdempotencyConflict,
    408: Conflict,
    409: Conflict,
    410: Conflict,
    411: Conflict,
    412: UnknownReservation,
    413: AlreadyResolved,
    414: UnknownReceipt,
    415: AlreadyResolved,
    416: Conflict,
    417: NotHeld,
    418: NotHeld,
    419: Conflict,
    420: Conflict,
    421: UnknownFeature,
    422: UnknownPackage,
    423: UnknownInvoice,
    424: Conflict,
    425: Conflict,
    426: Conflict,
    440: InvalidForm,
    441: Conflict,
    500: Busy,
    501: Unavailable,
    502: DurabilityUnknown,
    503: Poisoned,
    504: Busy,
    505: Unavailable,
    4: EngineClosed,
    7: InternalError,
}

_FAMILIES: dict[int, type[CotasError]] = {
    1: OpenError,
    2: StoreError,
    3: CatalogError,
    4: Conflict,
    5: Unavailable,
}


def of(code: int, message: str) -> CotasError:
    """The exception that goes with an error's number."""
    family = _FAMILIES.get(code // 100, CotasError)
    return _BY_CODE.get(code, family)(message, code)


def invalid(message: str) -> CotasError:
    """An argument is not acceptable, as the engine numbers it."""
    return of(406, message)
