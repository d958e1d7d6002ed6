"""The words in which the engine answers. Each member is also the text itself."""

from enum import Enum


class _Word(str, Enum):
    """Text from a fixed list: compares and prints as the text."""

    def __str__(self) -> str:
        return str(self.value)


class Reason(_Word):
    """Why a decision was denied. `Decision.reasons` has them in the order of evaluation."""

    STATUS_FORBIDS = "status_forbids"
    DEMO_EXPIRED = "demo_expired"
    NO_SUBSCRIPTION = "no_subscription"
    SUBSCRIPTION_PENDING = "subscription_pending"
    PLAN_LAPSED = "plan_lapsed"
    FEATURE_MISSING = "feature_missing"
    SESSION_REQUIRED = "session_required"
    NOT_IN_PLAN = "not_in_plan"
    QUOTA_EXHAUSTED = "quota_exhausted"
    RATE_EXCEEDED = "rate_exceeded"
    PAUSED = "paused"


class Mode(_Word):
    """How a resource is limited for a tenant."""

    FINITE = "finite"
    UNLIMITED = "unlimited"
    DISABLED = "disabled"


class Source(_Word):
    """Where units come from."""

    PLAN = "plan"
    EXTRA = "extra"
    PACKAGE = "package"
    MANUAL = "manual"


class Status(_Word):
    """How a tenant stands (demonstração, em implantação, produção, em atraso, suspenso, cancelado)."""

    DEMO = "demo"
    ONBOARDING = "onboarding"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


class InvoiceStatus(_Word):
    """How an invoice stands."""

    PENDING = "pending"
    PAID = "paid"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class Delivery(_Word):
    """What a channel reports of a message."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class DeliveryOutcome(_Word):
    """What came of a report: the send is paid for good, what it charged is given back, nothing
    (its outcome was known), or no send is known by that message."""

    COMMITTED = "committed"
    RELEASED = "released"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
