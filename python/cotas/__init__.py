"""Cotas: exact, durable quotas inside a chat platform's own process.

*May this tenant do this now, and if so, what does it use up?* The answer comes from memory that all
processes of a host share, and is remembered in one SQLite file.

    import cotas

    with cotas.open("quotas.db") as engine:
        tenant = engine.tenant("padaria-aurora")
        decision = tenant.perform("receive_message", channel="whatsapp-1", contact="c-1042")
        if not decision:
            print(decision.reason, decision.limit, decision.retry_at)
"""

from . import whatsapp
from ._cotas import (
    Charge,
    Decision,
    LeaseOutcome,
    ManualClock,
    Meter,
    Rate,
    SessionOutcome,
    Tenant,
    __version__,
)
from .engine import Durability, Engine, Maintenance, doctor, in_memory, open, restore
from .errors import (
    AlreadyResolved,
    Busy,
    CatalogError,
    Conflict,
    CotasError,
    DocumentError,
    DurabilityUnknown,
    EngineClosed,
    IdempotencyConflict,
    InternalError,
    InvalidArgument,
    InvalidForm,
    NotHeld,
    OpenError,
    PayloadError,
    Poisoned,
    PriceError,
    QuotaExceeded,
    StoreError,
    TenantExists,
    Unavailable,
    UnknownAction,
    UnknownFeature,
    UnknownInvoice,
    UnknownName,
    UnknownPackage,
    UnknownPlan,
    UnknownReceipt,
    UnknownReservation,
    UnknownResource,
    UnknownTenant,
    WrongKind,
)
from .holds import Lease, Reservation
from .keys import Key
from .names import Delivery, DeliveryOutcome, InvoiceStatus, Mode, Reason, Source, Status
from .options import Extra, Limit, TenantOptions
from .payments import PaymentEvent
from .seats import Seats
from .traffic import Progress, Traffic

__all__ = [
    "AlreadyResolved",
    "Busy",
    "CatalogError",
    "Charge",
    "Conflict",
    "CotasError",
    "Decision",
    "Delivery",
    "DeliveryOutcome",
    "DocumentError",
    "Durability",
    "DurabilityUnknown",
    "Engine",
    "EngineClosed",
    "Extra",
    "IdempotencyConflict",
    "InternalError",
    "InvalidArgument",
    "InvalidForm",
    "InvoiceStatus",
    "Key",
    "Lease",
    "LeaseOutcome",
    "Limit",
    "Maintenance",
    "ManualClock",
    "Meter",
    "Mode",
    "NotHeld",
    "OpenError",
    "PayloadError",
    "PaymentEvent",
    "Poisoned",
    "PriceError",
    "Progress",
    "QuotaExceeded",
    "Rate",
    "Reason",
    "Reservation",
    "Seats",
    "SessionOutcome",
    "Source",
    "Status",
    "StoreError",
    "Tenant",
    "TenantExists",
    "TenantOptions",
    "Traffic",
    "Unavailable",
    "UnknownAction",
    "UnknownFeature",
    "UnknownInvoice",
    "UnknownName",
    "UnknownPackage",
    "UnknownPlan",
    "UnknownReceipt",
    "UnknownReservation",
    "UnknownResource",
    "UnknownTenant",
    "WrongKind",
    "__version__",
    "doctor",
    "in_memory",
    "open",
    "restore",
    "whatsapp",
]
