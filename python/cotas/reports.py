"""What the engine reports, as values that do not change. Amounts are `Decimal`, instants aware
`datetime`s in UTC, what is absent `None`; `to_dict` gives plain values, as JSON takes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ._cotas import Decision
from .documents import plain, read
from .names import InvoiceStatus, Mode, Source, Status

T = TypeVar("T")


class Document:
    """A value that can say itself in plain values."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, as JSON takes them."""
        document: dict[str, Any] = plain(self)
        return document


@dataclass(frozen=True)
class Balance(Document):
    """What is contracted, used and available of one resource."""

    resource: str
    kind: str
    used: int
    limit: int | None
    available: int | None
    held: int
    over_limit: bool
    mode: Mode


@dataclass(frozen=True)
class SubscriptionView(Document):
    """The current subscription."""

    plan: str
    period_start: datetime
    due: date
    auto_renew: bool
    lapsed: bool
    pause: str


@dataclass(frozen=True)
class Grant(Document):
    """Units that a tenant was given: of its plan, or on top."""

    id: int
    resource: str
    source: Source
    granted: int
    consumed: int
    remaining: int
    expired: int
    revoked: int
    expires_at: datetime | None


@dataclass(frozen=True)
class TenantReport(Document):
    """A tenant as of one instant."""

    name: str
    status: Status
    status_reason: str
    time_zone: str
    as_of: datetime
    subscription: SubscriptionView | None
    balances: dict[str, Balance]
    grants: tuple[Grant, ...]
    renewals: int


@dataclass(frozen=True)
class PlanSummary(Document):
    """The plan in short."""

    title: str
    payment_type: str
    payment_method: str | None
    next_due: date
    auto_renew: bool


@dataclass(frozen=True)
class BalanceLine(Document):
    """What is contracted and available of one resource, as people read it."""

    resource: str
    kind: str
    contracted: int | None
    used: int
    available: int | None
    over_limit: bool


@dataclass(frozen=True)
class Subscription(Document):
    """A subscription in a list: the current one, or a past one."""

    id: int
    plan: str
    title: str
    gateway_id: str | None
    payment_type: str
    payment_method: str | None
    billing: str
    period_start: datetime
    next_due: date
    status: str


@dataclass(frozen=True)
class NextPeriod(Document):
    """The period that follows the present one; its price is due on `due`."""

    from_: date
    to: date
    amount: Decimal
    currency: str
    due: date


@dataclass(frozen=True)
class InvoiceLine(Document):
    """A line of an invoice: of a `plan`, a `package`, or `manual`, and the days that it pays."""

    kind: str
    title: str
    from_: date | None
    to: date | None
    amount: Decimal


@dataclass(frozen=True)
class InvoicePreview(Document):
    """The invoice that will be written when the running period ends, or would be after a change of
    plan."""

    due: date
    amount: Decimal
    currency: str
    lines: tuple[InvoiceLine, ...]


@dataclass(frozen=True)
class PlanChangeQuote(Document):
    """What a change of plan would cost: how the tenant is billed then (`advance`, `arrears`), what
    falls due on the day of the change, the invoices that would wait to be paid, and the numbers of
    those that would not be owed any more."""

    billing: str
    due_now: Decimal
    invoices: tuple[InvoicePreview, ...]
    withdrawn: tuple[int, ...]


@dataclass(frozen=True)
class Invoice(Document):
    """An invoice."""

    id: int
    title: str
    amount: Decimal
    currency: str
    lines: tuple[InvoiceLine, ...]
    payment_type: str
    payment_method: str | None
    status: InvoiceStatus
    recurring: bool
    instalment: tuple[int, int]
    due: date
    paid_on: date | None
    gateway_id: str | None
    paid: Decimal | None
    reference: str


@dataclass(frozen=True)
class Charge(Document):
    """A charge at a gateway: for an invoice, which may have many, or waiting to be matched.

    `state` is `open`, `overdue`, `withdrawn`, `paid` or `reversed`. `unmatched` says why its money
    pays nothing: `no_invoice`, `invoice_cancelled` or `paid_before`."""

    gateway: str
    payment: str
    tenant: str | None
    invoice: int | None
    state: str
    unmatched: str | None
    amount: Decimal | None
    refunded: Decimal | None
    payment_method: str | None
    due: date | None
    paid_on: date | None
    subscription: str | None
    installment: str | None
    customer: str | None
    reference: str | None
    received_at: datetime


@dataclass(frozen=True)
class Statement(Document):
    """What a tenant has subscribed to, used and owes ("Minha assinatura")."""

    tenant: str
    plan: PlanSummary | None
    balances: tuple[BalanceLine, ...]
    grants: tuple[Grant, ...]
    subscriptions: tuple[Subscription, ...]
    invoices: tuple[Invoice, ...]
    currency: str


@dataclass(frozen=True)
class Period(Document):
    """A closed period."""

    period: int
    start: datetime
    end: datetime
    renewed: bool
    used: dict[str, int]


@dataclass(frozen=True)
class AccountHolder(Document):
    """Whose account a tenant is. Prints nothing personal."""

    person: str
    document: str | None
    trade_name: str
    legal_name: str
    company_type: str | None
    company_type_text: str
    admin_name: str
    admin_email: str
    admin_phone: str
    address: dict[str, Any] | None

    def __repr__(self) -> str:
        return f"<Profile of a {self.person} person>"


@dataclass(frozen=True)
class ErasedAccount(Document):
    """What is kept of a tenant that was erased. Prints nothing personal."""

    name: str
    erased_at: datetime
    payer_name: str
    payer_document: str | None
    invoices: tuple[Invoice, ...]

    def __repr__(self) -> str:
        return f"<ErasedAccount {self.name}>"


@dataclass(frozen=True)
class FieldProblem(Document):
    """What is wrong with one field of a registration form; `field` has dots for what is inside
    another, and is empty for the form as a whole. `code`: that of the exception."""

    field: str
    code: int
    message: str


@dataclass(frozen=True)
class PlanOffer(Document):
    """A plan as a new tenant joins it; `price` is `None` where it is agreed one by one."""

    plan: str
    title: str
    price: Decimal | None
    first_due: date | None
    auto_renew: bool
    waits_for_payment: bool


@dataclass(frozen=True)
class SummaryInvoice(Document):
    """An invoice that would be written."""

    title: str
    amount: Decimal
    due: date


@dataclass(frozen=True)
class AccountSummary(Document):
    """The account that a form would create."""

    name: str
    status: Status
    demo_ends_at: datetime | None
    time_zone: str
    plan: PlanOffer | None
    limits: dict[str, int | str]
    features: dict[str, bool | str]
    administrator_seat: str | None
    invoices: tuple[SummaryInvoice, ...]


@dataclass(frozen=True)
class Validation(Document):
    """What a registration form comes to: everything that is wrong, or what would be created."""

    problems: tuple[FieldProblem, ...]
    summary: AccountSummary | None


@dataclass(frozen=True)
class Wording(Document):
    """The same thing said in English and in Brazilian Portuguese."""

    en: str
    pt: str


@dataclass(frozen=True)
class Channel(Document):
    """A channel of a tenant."""

    holder: str
    kind: str
    since: datetime
    has_token: bool
    warning: Wording | None


@dataclass(frozen=True)
class NextCharge(Document):
    """What will be charged with the next due date."""

    title: str
    amount: Decimal


@dataclass(frozen=True)
class Channels(Document):
    """The channels of a tenant, and what they cost next."""

    tenant: str
    balance: BalanceLine
    channels: tuple[Channel, ...]
    next_due: date | None
    charges: tuple[NextCharge, ...]
    total: Decimal
    currency: str


@dataclass(frozen=True)
class OverLimit(Document):
    """A resource of which more is in use than a plan gives."""

    resource: str
    used: int
    limit: int


@dataclass(frozen=True)
class TenantLine(Document):
    """A tenant in a list."""

    name: str
    status: str
    trade_name: str
    plan: str | None


@dataclass(frozen=True)
class CatalogChange(Document):
    """Something that a new catalog says otherwise."""

    what: str
    before: str | None
    after: str | None
    takes: bool


@dataclass(frozen=True)
class PlanReport(Document):
    """A tenant's plan, its limits and what is in use. `to_dict` gives the document that the
    platform's page reads: `data.max_<resource>`, `data.<feature>_enabled`, `data.usage`."""

    plan: str | None
    status: str
    limits: dict[str, int | None]
    features: dict[str, bool]
    levels: dict[str, str]
    period_start: datetime | None
    period_end: datetime | None
    usage: dict[str, int]
    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The document."""
        return self.document


@dataclass(frozen=True)
class Hint(Document):
    """A larger quantity that costs less than the one asked for."""

    quantity: int
    amount: Decimal


@dataclass(frozen=True)
class PackageQuote(Document):
    """What a quantity of a package costs: the price of one period, size and number of the packages,
    and a larger quantity that costs less, if there is one."""

    amount: Decimal
    packages: tuple[tuple[int, int], ...]
    hint: Hint | None


@dataclass(frozen=True)
class Purchase(Document):
    """What a purchase comes to: the invoice that is due at once, in full, and what will be charged
    with the next due date. `replayed`: it was bought before, under the same key."""

    invoice: int
    quote: PackageQuote
    next_due: date | None
    next_total: Decimal
    replayed: bool


@dataclass(frozen=True)
class PaymentOutcome(Document):
    """What came of a payment event: `applied`, `subscription_ended`, `unmatched` (the money is kept
    and pays nothing yet), `paid_again` (another charge had paid the invoice), `duplicate`, `ignored`
    or `refused` (the token is wrong)."""

    outcome: str
    subject: int | None
    status: InvoiceStatus | None
    because: str | None


@dataclass(frozen=True)
class Event(Document):
    """Something that happened to a tenant."""

    sequence: int
    tenant: str
    at: datetime
    resource: str | None
    kind: str
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class AuditEntry(Document):
    """Something that was changed, and by which operation."""

    id: int
    at: datetime
    tenant: str | None
    what: str
    detail: str
    actor: str | None


@dataclass(frozen=True)
class Seat(Document):
    """A seat with its holder."""

    holder: str
    since: datetime
    pending: bool
    has_token: bool


@dataclass(frozen=True)
class TokenSeat(Document):
    """The seat that a token opens."""

    tenant: str
    resource: str
    holder: str


@dataclass(frozen=True)
class CatalogLoss(Document):
    """Something that a new catalog would take from tenants that have it. `what` is `resource`, `plan`,
    `action` or `currency`."""

    what: str
    name: str
    tenants: int
    units: int
    why: str


@dataclass(frozen=True)
class Finding(Document):
    """Something that does not add up. A sound database has none."""

    tenant: str
    what: str


@dataclass(frozen=True)
class Opening(Document):
    """How the live file was found: `adopted`, `joined` or `rebuilt`, and why. `zone_rules` says
    which rules of time zones are in force."""

    origin: str
    why: str
    may_miss_consumption: bool
    zone_rules: str


@dataclass(frozen=True)
class Concern(Document):
    """Something that is wrong. `severity`: `error`, it must be put right, or `warning`."""

    severity: str
    about: str
    what: str


@dataclass(frozen=True)
class FileView(Document):
    """A file of a database. `mode` in octal; `is_accessible`: this process may read and write it.
    """

    role: str
    path: str
    bytes: int
    user: int
    group: int
    mode: str
    links: int
    is_accessible: bool


@dataclass(frozen=True)
class FileSystemView(Document):
    """A file system. `verdict`: whether a live file may lie there."""

    role: str
    name: str
    verdict: str
    free_bytes: int | None
    is_read_only: bool


@dataclass(frozen=True)
class Versions(Document):
    """Versions of this library, of files that it makes, and of those that were found."""

    library: str
    layout: int
    layout_found: int | None
    schema: int
    schema_found: int | None
    sqlite: str
    zone_data: str
    zone_data_of_system: str | None


@dataclass(frozen=True)
class LiveView(Document):
    """A live file. `lag_ms`: the age of the oldest change that SQLite does not have. `failing_ms`:
    for how long checkpoints have failed, `failure`: the code of the last one's error."""

    is_of_this_boot: bool
    is_clean: bool
    poisoned: str | None
    epoch: int
    tenants: int
    unsaved_tenants: int
    lag_ms: int
    failing_ms: int | None
    failure: int | None
    rounds_failed: int
    inquiries_failed: int


@dataclass(frozen=True)
class OwnerView(Document):
    """A process that uses a live file. What cannot be known from here is absent."""

    pid: int
    namespace: int
    is_same_namespace: bool
    age_seconds: int | None
    is_alive: bool | None
    is_stopped: bool | None


@dataclass(frozen=True)
class StuckLock(Document):
    """A lock that one process held at every look for a second."""

    what: str
    pid: int | None
    is_alive: bool


@dataclass(frozen=True)
class ClockView(Document):
    """What this machine's clock shows, and the latest instant that a tenant has seen."""

    now: datetime
    latest_seen: datetime | None


@dataclass(frozen=True)
class Diagnosis(Document):
    """What a database, its live file and this machine look like from outside."""

    database: str
    live_file: str
    files: tuple[FileView, ...]
    file_systems: tuple[FileSystemView, ...]
    versions: Versions
    live: LiveView | None
    owners: tuple[OwnerView, ...]
    stuck: tuple[StuckLock, ...]
    clock: ClockView
    concerns: tuple[Concern, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is so wrong that it must be put right."""
        return all(it.severity != "error" for it in self.concerns)


@dataclass(frozen=True)
class Lag(Document):
    """How far SQLite is behind. `failing_ms`: for how long checkpoints have failed, `failure`: the
    code of the last one's error; both absent where the last one succeeded."""

    lag_ms: int
    failing_ms: int | None
    failure: int | None
    rounds_failed: int
    alarm: bool


@dataclass(frozen=True)
class Maintained(Document):
    """How many tenants maintenance has written to SQLite, and settled, and how many ended
    demonstrations it has removed."""

    checkpointed: int
    settled: int
    removed: int


@dataclass(frozen=True)
class Cost(Document):
    """What an action costs of one balance."""

    resource: str
    cost: int
    used: int
    available: int | None
    limit: int | None


@dataclass(frozen=True)
class Quote(Document):
    """What an action would cost, and by which tariff, reported before it is done."""

    tariff: int
    decision: Decision
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class CampaignQuote(Document):
    """What a send to each of many contacts would cost in sessions: how many it would open, how many
    are available, how many would remain, and how many are missing."""

    tariff: int
    resource: str
    contacts: int
    opens: int
    continues: int
    available: int | None
    remaining: int | None
    missing: int


def of(kind: type[T], text: str) -> T:
    """A report of the document that the engine gave."""
    return read(kind, json.loads(text))


def all_of(kind: type[T], text: str) -> tuple[T, ...]:
    """Reports of a list that the engine gave."""
    return tuple(read(kind, each) for each in json.loads(text))


def optional(kind: type[T], text: str) -> T | None:
    """A report, if there is one."""
    document = json.loads(text)
    return None if document is None else read(kind, document)


def purchase(text: str, replayed: bool) -> Purchase:
    """A purchase of its document."""
    return read(Purchase, json.loads(text) | {"replayed": replayed})


def payment_outcome(
    outcome: str, subject: int | None, status: str | None, because: str | None
) -> PaymentOutcome:
    """What came of a payment event, by the engine's words for it."""
    stands = None if status is None else InvoiceStatus(status)
    return PaymentOutcome(outcome, subject, stands, because)


def tenant_report(text: str) -> TenantReport:
    """The balances of a tenant's document do not repeat the names that they stand under."""
    document = json.loads(text)
    for name, balance in document["balances"].items():
        balance["resource"] = name
    return read(TenantReport, document)


def balances(text: str) -> dict[str, BalanceLine]:
    """Balances by resource."""
    lines = json.loads(text)["balances"]
    return {name: read(BalanceLine, {"resource": name, **line}) for name, line in lines.items()}


def plan_report(text: str) -> PlanReport:
    """The plan report of a document whose keys name the catalog's resources and features."""
    document = json.loads(text)
    data = document["data"]
    return PlanReport(
        plan=data["plan"],
        status=data["status"],
        limits={key[4:]: limit for key, limit in data.items() if key.startswith("max_")},
        features={key[:-8]: on for key, on in data.items() if key.endswith("_enabled")},
        levels=data.get("levels", {}),
        period_start=_instant(data["current_period_start"]),
        period_end=_instant(data["current_period_end"]),
        usage=data["usage"],
        document=document,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else read(datetime, text)
