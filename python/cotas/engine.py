"""The engine of one database, and its tenants, as a Python program uses them."""

from __future__ import annotations

import atexit
import json
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _cotas, errors, reports
from ._cotas import Tenant
from .documents import cents, plain
from .guards import RAISES, Guard, TenantOf
from .names import InvoiceStatus
from .options import TenantOptions, new_tenant
from .payments import Gateway, PaymentEvent
from .traffic import Traffic, replayed

if TYPE_CHECKING:
    from typing_extensions import Unpack

Durability = Literal["process", "disk"]
"""What an acknowledged decision survives: the crash of any process; or a power cut as well."""

Maintenance = Literal["thread", "inline", "external"]
"""Who makes checkpoints: a thread of this process, the call that finds one overdue, or the host."""

Role = Literal["agent", "manager", "administrator"]
"""Who asks for a report."""

Interval = Literal["hour", "day", "month"]
"""How much time is summed up."""

Path = str | PathLike[str]


def _instant(at: datetime | None) -> str | None:
    """A time as operations take it; one without a zone is refused there."""
    return None if at is None else at.isoformat()



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

    def __repr__(self) -> str:
        return f"<Engine {'closed' if self.closed else self.live_path or 'in memory'}>"

    def tenant(self, name: str) -> Tenant:
        """The tenant with this name, for many calls."""
        return Tenant(self, name)

    def load_catalog_file(self, path: Path, *, confirm: bool = False) -> int:
        """Puts the catalog of a TOML or JSON file in force; gives its version. Waits for the
        disk."""
        with open_file(path, encoding="utf-8") as file:
            return self.load_catalog(file.read(), name=str(path), confirm=confirm)

    def catalog_losses(
        self, text: str, *, name: str = "catalog.toml"
    ) -> tuple[reports.CatalogLoss, ...]:
        """What loading this catalog would take from tenants: nothing, if it is empty."""
        return reports.all_of(reports.CatalogLoss, self._catalog_losses(text, name))

    def create_tenant(
        self, name: str, *, key: str | None = None, **options: Unpack[TenantOptions]
    ) -> Tenant:
        """Creates a tenant with its plan and its extras, all or nothing. One that exists is an error,
        unless it was created under the same `key`. Waits for the disk.

        `options`: `status`, `time_zone`, `created_at`, `plan` with `first_due` and `auto_renew`,
        `extras`, `holder`, `limits`, `features`, `pay_first`, `first_period`, `price`; see
        `TenantOptions`."""
        self._create_tenant(new_tenant(name, options), key)
        return self.tenant(name)

    def register(
        self, name: str, *, key: str | None = None, **options: Unpack[TenantOptions]
    ) -> Tenant:
        """Registers an account, for hosts that do not keep their own users: as `create_tenant`, but
        `holder` is mandatory, and with it the administrator, who becomes the first user and takes a
        seat. `InvalidForm` names every field that is wrong. Waits for the disk."""
        return self.tenant(self._register(new_tenant(name, options), key))

    def register_form(self, form: Mapping[str, Any] | str, *, key: str | None = None) -> Tenant:
        """As `register`, from a registration form: a JSON document, or what it comes to."""
        return self.tenant(self._register(_document(form), key))

    def validate(self, name: str, **options: Unpack[TenantOptions]) -> reports.Validation:
        """Looks at an account as `register` would: everything that is wrong with it at once, or else
        what would be created. Changes nothing."""
        return reports.of(reports.Validation, self._validate(new_tenant(name, options)))

    def validate_form(self, form: Mapping[str, Any] | str) -> reports.Validation:
        """As `validate`, from a registration form: a JSON document, or what it comes to."""
        return reports.of(reports.Validation, self._validate(_document(form)))

    def ensure_tenant(
        self, name: str, *, key: str | None = None, **options: Unpack[TenantOptions]
    ) -> bool:
        """As `create_tenant`, unless there is a tenant of that name already, which is left as it
        is. Says whether it was created, now or under the same `key` before."""
        return self._ensure_tenants(f"[{new_tenant(name, options)}]", key) == 1

    def ensure_tenants(
        self, tenants: Mapping[str, TenantOptions], *, key: str | None = None
    ) -> int:
        """As `ensure_tenant`, for many by name, 200 in one transaction; says how many were
        created."""
        if not isinstance(tenants, Mapping):
            kind = type(tenants).__name__
            raise TypeError(f"tenants: expected a mapping of names to options, found {kind}")
        forms = [new_tenant(name, options) for name, options in tenants.items()]
        return self._ensure_tenants(f"[{','.join(forms)}]", key)

    def with_durability(self, durability: Durability) -> Engine:
        """The same engine with another durability for the calls made through it. It is closed by
        itself."""
        return _remembered(Engine(self, durability=durability))

    def with_clock(self, clock: _cotas.ManualClock) -> Engine:
        """The same engine with another clock. It is closed by itself."""
        return _remembered(Engine(self, clock=clock))

    @property
    def opening(self) -> reports.Opening:
        """How the live file was found when this process opened it."""
        return reports.of(reports.Opening, self._opening())

    def catalog(self) -> tuple[int, dict[str, Any]]:
        """The version of the catalog in force, and all that it says."""
        version, catalog = json.loads(self._catalog())
        return version, catalog

    # Reports about a tenant. All of it reads SQLite.

    def report(self, tenant: str) -> reports.TenantReport:
        """A tenant as it stands now: status, subscription, balances, grants."""
        return reports.tenant_report(self._of_tenant("report", tenant))

    def statement(self, tenant: str) -> reports.Statement:
        """What a tenant has subscribed to, used and owes ("Minha assinatura")."""
        return reports.of(reports.Statement, self._of_tenant("statement", tenant))

    def balances(self, tenant: str) -> dict[str, reports.BalanceLine]:
        """What is contracted and available, by resource."""
        return reports.balances(self._of_tenant("balances", tenant))

    def plan_report(self, tenant: str, *, role: Role = "manager") -> reports.PlanReport:
        """A tenant's plan, its limits and what is in use, for managers and above."""
        return reports.plan_report(self._plan_report(tenant, role))

    def channels(self, tenant: str, resource: str = "channels") -> reports.Channels:
        """The seats of a resource and of those within it, and what they cost next."""
        return reports.of(reports.Channels, self._channels(tenant, resource))

    def page(
        self,
        tenant: str,
        what: Literal["statement", "balances", "plan", "channels"] = "statement",
        *,
        language: Literal["pt", "en"] = "pt",
        resource: str = "channels",
    ) -> str:
        """A report as a page that people read."""
        return self._page(what, tenant, language, resource)

    def subscriptions(self, tenant: str) -> tuple[reports.Subscription, ...]:
        """Current and past plans, the latest first."""
        return reports.all_of(reports.Subscription, self._of_tenant("subscriptions", tenant))

    def invoices(self, tenant: str) -> tuple[reports.Invoice, ...]:
        """Invoices, by due date."""
        return reports.all_of(reports.Invoice, self._of_tenant("invoices", tenant))

    def periods(self, tenant: str) -> tuple[reports.Period, ...]:
        """Closed periods, the oldest first."""
        return reports.all_of(reports.Period, self._of_tenant("periods", tenant))

    def account_holder(self, tenant: str) -> reports.AccountHolder | None:
        """Whose account a tenant is; `None`: not known."""
        return reports.optional(reports.AccountHolder, self._of_tenant("account_holder", tenant))

    def erased_accounts(self, name: str | None = None) -> tuple[reports.ErasedAccount, ...]:
        """What is kept of tenants that were erased: of those of one name, or of all."""
        return reports.all_of(reports.ErasedAccount, self._erased_accounts(name))

    def find_tenants(
        self,
        text: str = "",
        *,
        filter: str | None = None,
        after: str = "",
        most: int = 100,
    ) -> tuple[reports.TenantLine, ...]:
        """Tenants by name, as of the last checkpoint: those whose name, or whose account holder's,
        has a text, and that a filter lets through: a status, `nearly_used_up` or `over_limit`."""
        given = {"text": text, "filter": filter, "after": after, "most": most}
        return reports.all_of(reports.TenantLine, self._read("find_tenants", json.dumps(given)))

    def count_tenants(self) -> dict[str, dict[str, int]]:
        """How many tenants there are: `by_status`, and `by_plan`."""
        counts: dict[str, dict[str, int]] = json.loads(self._read("count_tenants", ""))
        return counts

    def refusals(
        self,
        interval: Interval = "hour",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """What was denied to all tenants together, by hour, day or month of the catalog's zone."""
        given = {"interval": interval, "since": _instant(since), "until": _instant(until)}
        lines: list[dict[str, Any]] = json.loads(self._read("refusals", json.dumps(given)))
        return lines

    def compare_catalog(
        self, text: str, name: str = "catalog.toml"
    ) -> tuple[reports.CatalogChange, ...]:
        """Checks a catalog, and lists what it changes beside the one in force."""
        given = json.dumps({"text": text, "name": name})
        return reports.all_of(reports.CatalogChange, self._read("compare_catalog", given))

    def what_if(self, tenant: str, plan: str) -> tuple[reports.OverLimit, ...]:
        """What of a tenant's seats, leases and meters would be over its limit on another plan."""
        return reports.all_of(reports.OverLimit, self._what_if(tenant, plan))

    def usage(
        self,
        tenant: str,
        interval: Interval = "day",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, list[Any]]:
        """What was counted by hour, day or month of the tenant's zone: columns `start`, `end`,
        `resource`, `metric` (`used`, `returned`, `denied`, `shadowed`), `reason` and `count`, as
        `pandas.DataFrame` and `polars.DataFrame` take them."""
        rows = self._usage(tenant, interval, since, until)
        names = ("start", "end", "resource", "metric", "reason", "count")
        columns = list(zip(*rows)) or [()] * len(names)
        return {name: list(column) for name, column in zip(names, columns)}

    def events(self, *, after: int = 0, batch: int = 1_000) -> Iterator[reports.Event]:
        """What has happened to tenants, oldest first, after the event with the number `after`.
        Events stay until they are acknowledged (`acknowledge_events`). Waits for the disk."""
        while True:
            events = reports.all_of(reports.Event, self._events(after, batch))
            yield from events
            if len(events) < batch:
                return
            after = events[-1].sequence

    def audit_trail(
        self, tenant: str | None = None, *, most: int = 100
    ) -> tuple[reports.AuditEntry, ...]:
        """The latest administrative changes, the latest first: of one tenant, or of all."""
        return tuple(reports.AuditEntry(*row) for row in self._audit_trail(tenant, most))

    def metrics(self) -> dict[str, Any]:
        """Figures for monitoring, of all tenants together and of this process. It names no tenant."""
        found: dict[str, Any] = self._called("metrics")
        return found

    # Webhooks: where `cotas serve` sends events (docs/webhooks.md).

    def webhooks(self) -> list[dict[str, Any]]:
        """Every webhook, with how many events it is still to get; without its secret."""
        found: list[dict[str, Any]] = self._called("webhooks")
        return found

    def add_webhook(self, url: str) -> dict[str, Any]:
        """Adds a webhook, which gets every event from now on: its `id`, and its `secret`, given this
        once. Waits for the disk."""
        found: dict[str, Any] = self._called("add_webhook", url=url)
        return found

    def rotate_webhook(self, webhook: int) -> dict[str, Any] | None:
        """Gives a webhook another secret. None: there is no such webhook. Waits for the disk."""
        found: dict[str, Any] | None = self._called("rotate_webhook", webhook=webhook)
        return found

    def remove_webhook(self, webhook: int) -> bool:
        """Removes a webhook with what it has not got yet; says whether there was one. Waits for the
        disk."""
        found: bool = self._called("remove_webhook", webhook=webhook)
        return found

    def dead_deliveries(
        self, webhook: int | None = None, *, most: int = 1_000
    ) -> list[dict[str, Any]]:
        """Events that a webhook, or any, did not take in any attempt, the oldest first."""
        found: list[dict[str, Any]] = self._called("dead_deliveries", webhook=webhook, most=most)
        return found

    def resend_deliveries(self, webhook: int, sequence: int | None = None) -> int:
        """Has dead letters of a webhook tried again: that of one event, or all. Says how many. Waits
        for the disk."""
        resent: int = self._called("resend_deliveries", webhook=webhook, sequence=sequence)["resent"]
        return resent

    def _called(self, operation: str, **arguments: Any) -> Any:
        return json.loads(self._call(operation, json.dumps(arguments)))

    # Money. Waits for the disk.

    def tenant_of_invoice(self, invoice: int) -> str | None:
        """The name of the tenant whose invoice this is. None: there is no such invoice."""
        found: str | None = self._called("tenant_of_invoice", invoice=invoice)
        return found

    def quote_package(self, package: str, units: int) -> reports.PackageQuote:
        """What a quantity of a package costs: the cheapest exact composition of sizes."""
        return reports.of(reports.PackageQuote, self._quote_package(package, units))

    def quote_plan_change(
        self,
        tenant: str,
        plan: str,
        *,
        usage: str = "restart",
        first_due: date | None = None,
        anchor_day: int | None = None,
        auto_renew: bool | None = None,
    ) -> reports.PlanChangeQuote:
        """What `change_plan` would cost with the same arguments. Changes nothing."""
        document = self._quote_plan_change(
            tenant, plan, usage, first_due, anchor_day, auto_renew
        )
        return reports.of(reports.PlanChangeQuote, document)

    def set_due_date(
        self, tenant: str, next_due: date, *, key: str | None = None
    ) -> reports.NextPeriod:
        """Sets the due date of the period that follows: later than the present one, at most two
        periods after it. Its day is the day of all later ones; the period costs one price."""
        document = self._set_due_date(tenant, next_due, key)
        return reports.of(reports.NextPeriod, document)

    def preview_invoice(self, tenant: str) -> reports.InvoicePreview | None:
        """The invoice that will be written when the running period ends; `None`: there is none."""
        document = self._of_tenant("next_invoice", tenant)
        return reports.optional(reports.InvoicePreview, document)

    def set_own_price(
        self, tenant: str, plan: str, price: Decimal | None, *, key: str | None = None
    ) -> None:
        """Gives a tenant a price of its own for a period of a plan; `None`: as the catalog says. It
        holds at once on invoices that are not due and have no charge."""
        self._set_own_price(tenant, plan, None if price is None else cents(price), key)

    def create_invoice(
        self,
        tenant: str,
        due: date,
        lines: Sequence[tuple[str, Decimal]],
        *,
        key: str | None = None,
    ) -> int:
        """Writes an invoice manually, of lines with a title and an amount; gives its number."""
        return self._create_invoice(tenant, due, [_line(line) for line in lines], key)

    def add_invoice_line(
        self, invoice: int, title: str, amount: Decimal, *, key: str | None = None
    ) -> int:
        """Adds a line to an invoice; where it has a charge already, or is paid, to a further one of
        the same day. Gives the number of the invoice that has it."""
        return self._add_invoice_line(invoice, title, cents(amount), key)

    def buy(
        self, tenant: str, package: str, units: int, *, key: str | None = None
    ) -> reports.Purchase:
        """Buys on top of a plan: an invoice over the full price is due at once, and what was bought
        is given when it is paid."""
        document, replayed = self._buy(tenant, package, units, key)
        return reports.purchase(document, replayed)

    def payment_event(
        self, gateway: Gateway, body: bytes | str, token: str
    ) -> reports.PaymentOutcome:
        """Takes a payment event as the gateway sent it: the body, and the token that came with it.
        Whatever it answers may be acknowledged, except an exception."""
        raw = body.encode() if isinstance(body, str) else body
        if not isinstance(raw, bytes):
            raise TypeError(f"body: expected bytes or a str, found {type(body).__name__}")
        return reports.payment_outcome(*self._payment_event(gateway, raw, token))

    def apply_payment(self, event: PaymentEvent) -> reports.PaymentOutcome:
        """As `payment_event`, for an event that the host has read, and whose sender it knows."""
        if not isinstance(event, PaymentEvent):
            raise TypeError(f"event: expected a PaymentEvent, found {type(event).__name__}")
        return reports.payment_outcome(*self._apply_payment(event.to_json()))

    def payments(self, tenant: str) -> tuple[reports.Charge, ...]:
        """All charges at gateways that are known of a tenant, the latest first."""
        return reports.all_of(reports.Charge, self._of_tenant("payments", tenant))

    def unmatched_payments(self, tenant: str | None = None) -> tuple[reports.Charge, ...]:
        """Money that came and pays nothing, of one tenant, or of all and of none, the latest
        first. `assign_payment` has it pay an invoice."""
        return reports.all_of(reports.Charge, self._unmatched_payments(tenant))

    def verify_token(self, token: str) -> reports.TokenSeat | None:
        """The seat that a token opens; `None`: it opens none."""
        return reports.optional(reports.TokenSeat, self._verify_token(token))

    # Maintenance. Waits for the disk.

    def verify(self) -> tuple[reports.Finding, ...]:
        """Proves that nothing was lost or invented: what was found amiss, which is nothing."""
        return reports.all_of(reports.Finding, self._verify())

    def lag(self) -> reports.Lag:
        """How far SQLite is behind what was decided: what a power cut would cost."""
        return reports.of(reports.Lag, self._lag())

    def maintain(self) -> reports.Maintained:
        """Does now what maintenance does: checkpoints, and settles tenants whose time has come."""
        return reports.of(reports.Maintained, self._maintain())

    def replay(
        self, events: Iterable[Traffic], *, source: bytes | None = None
    ) -> Iterator[tuple[Traffic, _cotas.Decision | None]]:
        """Decides traffic at its own times, as it comes: plans renew as the log goes by.

        With `source`, which is to identify the log, each event is decided once: a replay that was
        interrupted goes on where it was, and gives `None` for what was decided before. Time goes
        by a clock of its own, which starts with the first event."""
        return replayed(self, events, source)

    def consume_many(
        self, rows: Iterable[tuple[str, str, int]]
    ) -> list[_cotas.Decision | errors.CotasError]:
        """`consume` for many rows of tenant, resource and units, each on its own, in their order: what
        each was answered, a decision or the error that it met. The rows after an error are decided."""

        def answer(tenant: str, resource: str, units: int) -> _cotas.Decision | errors.CotasError:
            try:
                return self.consume(tenant, resource, units)
            except errors.CotasError as error:
                return error

        return [answer(*row) for row in rows]

    def guard(
        self,
        action: str,
        *,
        tenant: TenantOf = "tenant",
        quantity: int | Callable[..., int] | None = None,
        ttl: timedelta | None = None,
        denied: Any = RAISES,
    ) -> Guard:
        """Makes of a function or coroutine one that is called only where its tenant may do `action`.

        What the action charges is set aside, committed when the function is through, and given back
        where it raises or takes longer than `ttl`: five minutes, unless it says otherwise.
        `tenant` is the name of the argument that names the tenant, or a function of all arguments;
        `quantity`: how much, or such a function. A denial raises `QuotaExceeded`, or gives `denied`,
        called with the decision if it can be called."""
        return Guard(self, action, tenant=tenant, quantity=quantity, ttl=ttl, denied=denied)


def _line(line: tuple[str, Decimal]) -> tuple[str, int]:
    """A line of an invoice, its amount in cents."""
    if not isinstance(line, (tuple, list)) or len(line) != 2 or not isinstance(line[0], str):
        raise TypeError(f"lines: {line!r} is not a pair of a title and a Decimal")
    title, amount = line
    return title, cents(amount)


def _document(form: Mapping[str, Any] | str) -> str:
    """A form as a JSON document."""
    return form if isinstance(form, str) else json.dumps(plain(form), ensure_ascii=False)


open_file = open


def open(  # noqa: A001
    path: Path,
    *,
    durability: Durability = "process",
    maintenance: Maintenance = "thread",
    live_directory: Path | None = None,
    clock: _cotas.ManualClock | None = None,
    checkpoint_interval: timedelta | None = None,
    disk_timeout: timedelta | None = None,
    lag_max: timedelta | None = None,
    allow_network_file_system: bool = False,
    keep_open: bool = False,
) -> Engine:
    """Opens the database at `path`, creating it if there is none.

    All processes that open it decide from the same memory. `live_directory`: where that lies,
    instead of beside the database. `checkpoint_interval`: what a power cut may cost (100 ms).
    `disk_timeout`: how long a decision waits for the disk with `durability="disk"` (5 s).
    `lag_max`: decisions raise `Busy` while changes wait for longer than this to be written; the
    first engine of a process says so for all of them.
    `keep_open`: stays open in this process when it is closed, so that opening it again costs next
    to nothing; what it had not checkpointed when the process ends is left to the next one."""
    if path is None:
        raise TypeError("path: None is not a path; in_memory() opens a database in memory")
    return _remembered(
        Engine(
            path,
            durability=durability,
            maintenance=maintenance,
            live_directory=live_directory,
            clock=clock,
            checkpoint_interval=checkpoint_interval,
            disk_timeout=disk_timeout,
            lag_max=lag_max,
            allow_network_file_system=allow_network_file_system,
            keep_open=keep_open,
        )
    )


def in_memory(
    *, clock: _cotas.ManualClock | None = None, maintenance: Maintenance = "external"
) -> Engine:
    """A database in memory, which no other process sees: for tests of a host."""
    return _remembered(Engine(None, clock=clock, maintenance=maintenance))


def doctor(
    path: Path, *, live_directory: Path | None = None, allow_network_file_system: bool = False
) -> reports.Diagnosis:
    """Looks at the database at `path`, its live file and this machine from outside, and says what
    is wrong with them. Waits for no lock and writes nothing; answers also where opening does not.
    """
    text = _cotas._doctor(path, live_directory, allow_network_file_system)
    return reports.of(reports.Diagnosis, text)


def restore(path: Path, backup: Path, *, live_directory: Path | None = None) -> None:
    """Puts a copy of `backup` in the place of the database at `path`, at once: after a crash at any
    moment it is the former one or the backup. Raises OpenError (118) while a process uses the
    database. Waits for the disk."""
    _cotas._restore(path, backup, live_directory)


_opened: weakref.WeakSet[Engine] = weakref.WeakSet()


def _remembered(engine: Engine) -> Engine:
    _opened.add(engine)
    return engine


@atexit.register
def _close_all() -> None:
    """Leaves nothing to a checkpoint that will not be made."""
    for engine in list(_opened):
        engine.close()
