"""The engine: handles that decide. `cotas.Engine` builds on the one here."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Literal, final

from typing_extensions import Self, disjoint_base

from .holds import Lease, Reservation
from .names import DeliveryOutcome, Mode, Reason, Source
from .reports import CampaignQuote, Quote
from .seats import Seats
from .traffic import Progress

__all__ = [
    "Charge",
    "Decision",
    "Engine",
    "LeaseOutcome",
    "ManualClock",
    "Meter",
    "Rate",
    "SessionOutcome",
    "Tenant",
    "__version__",
    "_doctor",
    "_restore",
    "_whatsapp_events",
]

__version__: str

_Durability = Literal["process", "disk"]
_Maintenance = Literal["thread", "inline", "external"]
_Direction = Literal["inbound", "outbound"]
_Outcome = tuple[str, int | None, str | None, str | None]
_Limit = int | Literal["unlimited", "disabled"]

@final
class SessionOutcome:
    """What became of a contact's session."""

    __match_args__ = ("opened", "expires_at")
    @property
    def opened(self) -> bool:
        """It was opened by this; otherwise it was open already."""
    @property
    def expires_at(self) -> datetime:
        """The first instant after it."""

@final
class LeaseOutcome:
    """What became of a lease."""

    __match_args__ = ("acquired", "fencing", "expires_at")
    @property
    def acquired(self) -> bool:
        """It was taken by this; otherwise its holder had it already, and it was prolonged."""
    @property
    def fencing(self) -> int:
        """Rises with every lease of the tenant."""
    @property
    def expires_at(self) -> datetime:
        """The first instant after it, unless it is renewed."""

@final
class Charge:
    """Units of one resource that came from one source."""

    __match_args__ = ("resource", "source", "units")
    @property
    def resource(self) -> str | None: ...
    @property
    def source(self) -> Source | None:
        """Where they came from; `None`: no grant gave them."""
    @property
    def units(self) -> int: ...

@final
class Decision:
    """The answer to a request: allowed or denied, and every number that explains it. True where the
    host may go ahead."""

    __match_args__ = ("allowed", "reason")
    @property
    def allowed(self) -> bool:
        """Whether the host may go ahead."""
    @property
    def reason(self) -> Reason | None:
        """Why not: the first failing rule."""
    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All failing rules, in the order of evaluation."""
    @property
    def shadowed(self) -> tuple[Reason, ...]:
        """Rules that would have denied it, had their limits not been set only to watch."""
    @property
    def resource(self) -> str | None:
        """What the numbers are about: the first that fell short, else the last charged."""
    @property
    def units(self) -> int:
        """Units asked of it."""
    @property
    def mode(self) -> Mode:
        """How it is limited."""
    @property
    def limit(self) -> int | None:
        """What is contracted; `None`: there is no limit, or it is not in the plan."""
    @property
    def used(self) -> int:
        """Units used since the period began, or held, this decision's included."""
    @property
    def available(self) -> int | None:
        """Units left; `None`: there is no limit, or it is not in the plan."""
    @property
    def retry_at(self) -> datetime | None:
        """When a denied request may succeed, if that can be foreseen."""
    @property
    def retry_after(self) -> timedelta | None:
        """The same from now on, by the engine's clock."""
    @property
    def session(self) -> SessionOutcome | None:
        """What became of the contact's session."""
    @property
    def lease(self) -> LeaseOutcome | None:
        """What became of the lease."""
    @property
    def charges(self) -> tuple[Charge, ...]:
        """What was charged, by resource and source."""
    @property
    def more_charges(self) -> bool:
        """More was charged than `charges` lists: `Tenant.charges_of` its receipt has all of it."""
    @property
    def reservation(self) -> str | None:
        """The reservation that holds what was charged."""
    @property
    def receipt(self) -> str | None:
        """What a refund is asked with; given to decisions under an idempotency key."""
    @property
    def overage(self) -> bool:
        """Some of it goes beyond a soft limit."""
    @property
    def notice(self) -> str | None:
        """What the message must carry: it is a demonstration account's."""
    @property
    def past_due(self) -> bool:
        """The tenant is in arrears."""
    @property
    def too_old(self) -> bool:
        """The message is too old for a session: it opened none, continued none and charged
        nothing for one."""
    @property
    def replayed(self) -> bool:
        """This is the stored decision of an earlier call with the same key."""
    def raise_if_denied(self) -> Decision:
        """Raises `QuotaExceeded` unless it was allowed; gives itself."""
    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, as JSON takes them."""
    def _denial(self) -> str: ...
    @staticmethod
    def _restore(*state: Any) -> Decision: ...
    def __bool__(self) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ManualClock:
    """A clock that stands still until it is set."""

    def __new__(cls, now: datetime) -> Self: ...
    @property
    def now(self) -> datetime: ...
    def set(self, now: datetime) -> None:
        """Shows `now` from here on: a later time as if the time had passed, an earlier one as after a
        boot with the clock set back."""
    def advance(self, by: timedelta) -> None:
        """Moves on, as if the time had passed."""
    def jump(self, by: timedelta) -> None:
        """Sets the wall clock alone, ahead or back: no time passes."""

@final
class Meter:
    """A meter of a tenant: measured, with or without a limit."""

    def add(self, units: int = 1, *, key: str | None = None) -> Decision:
        """May so much be added? If so, it is."""
    def subtract(self, units: int = 1, *, key: str | None = None) -> Decision:
        """Takes so much away, but never below zero. Always allowed."""
    def set(self, value: int, *, key: str | None = None) -> Decision:
        """Brings it to `value`: upwards if the limit allows it, downwards in any case."""
    def check(self, units: int = 1) -> Decision:
        """What `add` would answer. Changes nothing."""

@final
class Rate:
    """A rate of a tenant: so many per time and key."""

    def pass_(self, who: str, units: int = 1, *, key: str | None = None) -> Decision:
        """May so many pass for `who` now? A denial says when."""
    def check(self, who: str, units: int = 1) -> Decision:
        """What `pass_` would answer. Changes nothing."""

@final
class Tenant:
    """A tenant of an engine, found once and used many times, by any number of threads."""

    def __new__(cls, engine: Engine, name: str) -> Self: ...
    @property
    def name(self) -> str: ...
    def consume(self, resource: str, units: int = 1, *, key: str | None = None) -> Decision:
        """May this tenant use `units` of `resource` now? If so, they are used up. With `key`, at
        most once per key."""
    def check(self, resource: str, units: int = 1) -> Decision:
        """What `consume` would answer. Changes nothing."""
    def perform(
        self,
        action: str,
        *,
        channel: str = "",
        contact: str = "",
        also: str = "",
        category: str = "",
        holder: str = "",
        at: datetime | None = None,
        quantity: int | None = None,
        tariff: int | None = None,
        campaign: str | None = None,
        key: str | None = None,
    ) -> Decision:
        """May this tenant do `action` now? If so, its session is opened or continued, its lease is
        taken, its rate and its charges are used up: all or nothing."""
    def check_action(
        self,
        action: str,
        *,
        channel: str = "",
        contact: str = "",
        also: str = "",
        category: str = "",
        holder: str = "",
        at: datetime | None = None,
        quantity: int | None = None,
        tariff: int | None = None,
        campaign: str | None = None,
    ) -> Decision:
        """What `perform` would answer. Changes nothing."""
    def admit(
        self,
        resource: str,
        *,
        contact: str,
        direction: _Direction = "inbound",
        channel: str = "",
        also: str = "",
        category: str = "",
        at: datetime | None = None,
        key: str | None = None,
    ) -> Decision:
        """May this tenant's contact have a session on `resource`? While one is open nothing more is
        charged."""
    def meter(self, resource: str) -> Meter:
        """The meter of a resource."""
    def rate(self, resource: str) -> Rate:
        """The rate of a resource."""
    def report_delivery(self, message: str, report: str) -> DeliveryOutcome:
        """What a channel reports of a message: `sent`, `delivered`, `read` or `failed`. Reports may
        come in any order, more than once, and of messages that were never reserved."""
    def quote_contacts(
        self, action: str, contacts: Sequence[str], *, channel: str = "", category: str = ""
    ) -> CampaignQuote:
        """What sending `action` to each of `contacts` would cost in sessions: how many it would open,
        and how many would remain. Changes nothing."""
    def link_contact(self, one: str, other: str) -> None:
        """Makes two names one contact, on all channels."""
    def refund(self, receipt: str) -> None:
        """Gives back what a decision charged, to the same grants, once."""
    def reserve(
        self, units: Mapping[str, int], *, ttl: timedelta | None = None, key: str | None = None
    ) -> Reservation:
        """Sets units of several resources aside for `ttl`, which is five minutes unless it says
        otherwise, and a day for sessions: all or none. Unless it is committed in time they go
        back."""
    def reserve_action(
        self,
        action: str,
        *,
        ttl: timedelta | None = None,
        channel: str = "",
        contact: str = "",
        also: str = "",
        category: str = "",
        holder: str = "",
        at: datetime | None = None,
        quantity: int | None = None,
        tariff: int | None = None,
        message: str = "",
        campaign: str | None = None,
        key: str | None = None,
    ) -> Reservation:
        """As `reserve`, what an action charges; all else as for `perform`. An action that opens a
        session is a send: what is reported of it is waited for 30 days, and then it is committed."""
    def lease(
        self, resource: str, holder: str, *, ttl: timedelta | None = None, key: str | None = None
    ) -> Lease:
        """May `holder` have a lease? If so it is taken, for `ttl` or as long as the catalog says. A
        holder that has it already has it prolonged."""
    def check_lease(self, resource: str, holder: str) -> Decision:
        """What `lease` would answer. Changes nothing."""
    def commit(self, id: str, units: dict[str, int] | None = None) -> None:
        """Uses what a reservation holds, by its id, also in another process than the one that made it;
        or so much of it, and gives the rest back."""
    def sent(self, id: str, message: str) -> None:
        """Gives a send, by its reservation's id, the id that the channel gave its message."""
    def release(self, id: str) -> None:
        """Gives back what a reservation holds, by its id."""
    def renew_lease(
        self, resource: str, holder: str, fencing: int, ttl: timedelta | None = None
    ) -> LeaseOutcome:
        """Prolongs a lease by its holder and fencing number: it ends `ttl` from now, or as long as the
        catalog says."""
    def release_lease(self, resource: str, holder: str, fencing: int) -> None:
        """Gives a lease back before its time, by its holder and fencing number."""
    def feature(self, name: str) -> bool | str:
        """A feature as the tenant has it: on, off, or at a level."""
    def charges_of(self, receipt: str) -> list[Charge]:
        """Everything that the decision with this receipt charged."""
    def _occupy(
        self, resource: str, holder: str, pending: bool, token: str | None
    ) -> Decision: ...
    def _vacate(self, resource: str, holder: str) -> bool: ...
    def _replace(self, resource: str, old: str, new: str) -> None: ...
    def _seats(self, resource: str) -> str: ...
    def _seat_warning(self, resource: str) -> tuple[str, str] | None: ...
    def quote(
        self,
        action: str,
        *,
        channel: str = "",
        contact: str = "",
        also: str = "",
        category: str = "",
        holder: str = "",
        at: datetime | None = None,
        quantity: int | None = None,
        tariff: int | None = None,
    ) -> Quote:
        """What an action would cost of each balance, and by which tariff; all else as for `perform`,
        which takes the tariff and says if another one is in force by then. Changes nothing."""
    def seats(self, resource: str) -> Seats:
        """The seats of a resource."""
    def progress(self, source: bytes) -> Progress | None:
        """How far this tenant has come in a replay of the log that `source` identifies; `None`:
        none of its events was decided."""
    def _perform_next(
        self,
        source: bytes,
        since: datetime,
        position: int,
        action: str,
        *,
        channel: str = "",
        contact: str = "",
        also: str = "",
        category: str = "",
        holder: str = "",
        at: datetime | None = None,
        quantity: int | None = None,
        key: str | None = None,
    ) -> Decision | None: ...

@disjoint_base
class Engine:
    """The quota engine of one database, to be shared by all threads."""

    def __new__(
        cls,
        database: Engine | str | PathLike[str] | None,
        *,
        durability: _Durability = "process",
        maintenance: _Maintenance = "thread",
        live_directory: str | PathLike[str] | None = None,
        clock: ManualClock | None = None,
        checkpoint_interval: timedelta | None = None,
        disk_timeout: timedelta | None = None,
        lag_max: timedelta | None = None,
        allow_network_file_system: bool = False,
        keep_open: bool = False,
    ) -> Self: ...
    @property
    def closed(self) -> bool: ...
    @property
    def now(self) -> datetime:
        """What the engine's clock shows."""
    @property
    def live_path(self) -> Path | None:
        """Where the live file lies; `None`: in memory."""
    def close(self) -> None:
        """Releases the database. Closing twice does nothing. Waits for the disk."""
    def consume(self, tenant: str, resource: str, units: int = 1) -> Decision:
        """`Tenant.consume` by the tenant's name."""
    def check(self, tenant: str, resource: str, units: int = 1) -> Decision:
        """`Tenant.check` by the tenant's name."""
    def perform(
        self,
        tenant: str,
        action: str,
        *,
        channel: str = "",
        contact: str = "",
        also: str = "",
        category: str = "",
        holder: str = "",
        at: datetime | None = None,
        quantity: int | None = None,
        tariff: int | None = None,
    ) -> Decision:
        """`Tenant.perform` by the tenant's name."""
    def load_catalog(
        self, text: str, *, name: str = "catalog.toml", confirm: bool = False
    ) -> int:
        """Puts a catalog in force, TOML or JSON; gives its version. Refused if it takes something from
        tenants, unless that is confirmed. Waits for the disk."""
    def tenants(self) -> list[str]:
        """All tenants, by name. Reads SQLite."""
    def grant(
        self,
        tenant: str,
        resource: str,
        units: int,
        *,
        source: str = "extra",
        priority: int | None = None,
        starts_at: datetime | None = None,
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> None:
        """Gives units on top of the plan's, surviving renewal, from `starts_at` until they are used
        up or expire. Lower priorities are used first: 10 unless it says otherwise; the plan's
        units have 0. Waits for the disk."""
    def change_plan(
        self,
        tenant: str,
        plan: str,
        *,
        first_due: date | None = None,
        anchor_day: int | None = None,
        auto_renew: bool | None = None,
        usage: str = "restart",
        key: str | None = None,
    ) -> None:
        """Puts a tenant on a plan now. `usage="restart"` ends the running period, which is billed
        in full, and begins one that ends on `first_due`; `"carry"` leaves period, due date and
        usage as they are. Unless `auto_renew` says otherwise, automatic renewal stays as it is. For
        operators: a customer's own page calls `choose_plan`. Waits for the
        disk."""
    def _quote_plan_change(
        self,
        tenant: str,
        plan: str,
        usage: str,
        first_due: date | None,
        anchor_day: int | None,
        auto_renew: bool | None,
    ) -> str: ...
    def _set_own_price(
        self, tenant: str, plan: str, cents: int | None, key: str | None
    ) -> None: ...
    def _create_invoice(
        self, tenant: str, due: date, lines: list[tuple[str, int]], key: str | None
    ) -> int: ...
    def _add_invoice_line(
        self, invoice: int, title: str, cents: int, key: str | None
    ) -> int: ...
    def choose_plan(
        self,
        tenant: str,
        plan: str,
        *,
        first_due: date | None = None,
        payment_type: str,
        anchor_day: int | None = None,
        auto_renew: bool | None = None,
        key: str | None = None,
    ) -> int | None:
        """Chooses a plan that begins when its first invoice is paid; gives the number of that
        invoice, `None` where the plan costs nothing and has begun. Without `first_due` its first
        period ends on the same day of the month one period after the payment. Waits for the
        disk."""
    def set_auto_renew(
        self, tenant: str, auto_renew: bool, *, key: str | None = None
    ) -> bool:
        """Switches automatic renewal on or off; the present period goes on to its end. Says whether it
        was otherwise before. Waits for the disk."""
    def _set_due_date(self, tenant: str, next_due: date, key: str | None) -> str: ...
    def pause_subscription(self, tenant: str, *, key: str | None = None) -> date:
        """Pauses the subscription when the running period ends: no units, periods or invoices until
        `resume_subscription`. Gives the last day of the running period. Waits for the disk."""
    def resume_subscription(
        self, tenant: str, *, first_due: date | None = None, key: str | None = None
    ) -> date:
        """Resumes a subscription that pauses: a period begins now, due on `first_due`, or else on the
        same day of the month one period later. Gives the present due date. Waits for the disk."""
    def schedule_plan(self, tenant: str, plan: str, *, key: str | None = None) -> date:
        """Has a tenant join another plan when its present period ends; gives that due date. Waits
        for the disk."""
    def cancel_scheduled_plan(self, tenant: str, *, key: str | None = None) -> bool:
        """Takes back what `schedule_plan` did; says whether a plan was scheduled."""
    def move_to_newest_version(self, tenant: str, *, key: str | None = None) -> bool:
        """Moves a tenant to the newest version of its plan; says whether it was on an older one."""
    def set_limit(
        self, tenant: str, resource: str, limit: _Limit, *, key: str | None = None
    ) -> None:
        """Changes the number of a tenant's plan. Waits for the disk."""
    def set_own_limit(
        self, tenant: str, resource: str, limit: _Limit | None, *, key: str | None = None
    ) -> None:
        """Gives a tenant a limit of its own, whatever plan it is on; `None`: as its plan says."""
    def set_status(
        self,
        tenant: str,
        status: str,
        *,
        reason: str = "",
        as_operator: bool = False,
        key: str | None = None,
    ) -> None:
        """Moves a tenant to another status. Waits for the disk."""
    def set_feature(
        self, tenant: str, name: str, feature: bool | str | None, *, key: str | None = None
    ) -> None:
        """Gives a tenant a feature of its own; `None`: as its plan says. Waits for the disk."""
    def mark_paid(
        self, invoice: int, *, paid_on: date | None = None, key: str | None = None
    ) -> None:
        """Settles an invoice that was paid, manually. Paid already, it changes nothing."""
    def cancel_invoice(self, invoice: int, *, key: str | None = None) -> None:
        """Cancels an invoice that was not paid."""
    def end_purchase(self, invoice: int, *, key: str | None = None) -> date | None:
        """Ends what is charged again with every due date, by an invoice of its purchase; gives the
        last day on which it counts, `None` where nothing of it does."""
    def split_invoice(self, invoice: int, parts: int, *, key: str | None = None) -> list[int]:
        """Splits an invoice into instalments; gives their numbers."""
    def set_payment_form(
        self,
        tenant: str,
        payment_type: str,
        *,
        gateway_id: str | None = None,
        key: str | None = None,
    ) -> None:
        """Changes how the next invoices are paid, and what the gateway calls the subscription."""
    def set_payment_method(self, tenant: str, method: str, *, key: str | None = None) -> None:
        """Changes by which method the next invoices are paid: `boleto`, `card`, `pix` ..."""
    def assign_payment(
        self, gateway: str, payment: str, invoice: int, *, key: str | None = None
    ) -> None:
        """Has money that pays nothing pay an invoice, whatever the amount. Waits for the disk."""
    def set_webhook_token(self, gateway: str, token: str) -> None:
        """Sets the token that a gateway sends with its events. Only its hash is kept."""
    def validate_document(self, text: str, kind: str) -> str:
        """A CPF or CNPJ in its normal form: well-formed, its check digits right, in use by no
        tenant. Reads SQLite."""
    def purge_demo(self, tenant: str) -> None:
        """Deletes a demonstration that has ended, with all that was stored of it. Its name is free
        again. Any other tenant is refused. Waits for the disk."""
    def ended_demos(self) -> list[str]:
        """The demonstrations that have ended and can be purged. Reads SQLite."""
    def erase(self, tenant: str, *, cancel_debt: bool = False) -> list[int]:
        """Erases a cancelled tenant: all that is personal is deleted at once, and only what its
        invoices say is kept, as long as the catalog's `fiscal_retention` says. One that owes something
        is refused, unless `cancel_debt`: then its open invoices are cancelled; gives their numbers.
        Waits for the disk."""
    def export(self, tenant: str) -> str:
        """Everything that is stored of a tenant, for it to take along: one JSON document a line, each
        with `kind` and `data`. Waits for the disk."""
    def remove_ended_trials(self) -> list[str]:
        """Announces and removes demonstrations that have ended, as maintenance does, by this engine's
        clock; gives the names of those removed. Waits for the disk."""
    def settle(self, tenant: str) -> None:
        """Settles a tenant at the clock's now: what the next decision would do first."""
    def confirm_clock(self, tenant: str) -> None:
        """Believes a clock that ran more than a day ahead of the time since the boot, for all tenants,
        or that shows more than 400 days past all that the tenant has seen."""
    def acknowledge_events(self, up_to: int) -> int:
        """Forgets all events up to and including this number; says how many. Waits for the
        disk."""
    def checkpoint(self) -> int:
        """Writes all that has changed to SQLite; says how many tenants. Waits for the disk."""
    def backup(self, target: str | PathLike[str]) -> None:
        """Copies the database, as of now, to `target`, which must not exist yet."""
    def _create_tenant(self, form: str, key: str | None) -> None: ...
    def _register(self, form: str, key: str | None) -> str: ...
    def _validate(self, form: str) -> str: ...
    def _erased_accounts(self, name: str | None) -> str: ...
    def _ensure_tenants(self, forms: str, key: str | None) -> int: ...
    def _of_tenant(self, what: str, tenant: str) -> str: ...
    def _read(self, operation: str, arguments: str) -> str: ...
    def _plan_report(self, tenant: str, role: str) -> str: ...
    def _channels(self, tenant: str, resource: str) -> str: ...
    def _what_if(self, tenant: str, plan: str) -> str: ...
    def _page(self, what: str, tenant: str, language: str, resource: str) -> str: ...
    def _usage(
        self, tenant: str, interval: str, since: datetime | None, until: datetime | None
    ) -> list[tuple[datetime, datetime, str, str, str | None, int]]: ...
    def _events(self, after: int, most: int) -> str: ...
    def _call(self, operation: str, arguments: str) -> str: ...
    def _audit_trail(
        self, tenant: str | None, most: int
    ) -> list[tuple[int, datetime, str | None, str, str, str | None]]: ...
    def _verify(self) -> str: ...
    def _catalog_losses(self, text: str, name: str) -> str: ...
    def _opening(self) -> str: ...
    def _maintain(self) -> str: ...
    def _lag(self) -> str: ...
    def _catalog(self) -> str: ...
    def _quote_package(self, package: str, units: int) -> str: ...
    def _buy(self, tenant: str, package: str, units: int, key: str | None) -> tuple[str, bool]: ...
    def _payment_event(self, gateway: str, body: bytes, token: str) -> _Outcome: ...
    def _apply_payment(self, event: str) -> _Outcome: ...
    def _unmatched_payments(self, tenant: str | None) -> str: ...
    def _verify_token(self, token: str) -> str: ...

def _doctor(
    path: str | PathLike[str],
    live_directory: str | PathLike[str] | None,
    allow_network_file_system: bool,
) -> str: ...
def _restore(
    path: str | PathLike[str],
    backup: str | PathLike[str],
    live_directory: str | PathLike[str] | None,
) -> None: ...
def _whatsapp_events(body: bytes) -> str: ...
