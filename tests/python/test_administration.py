"""Administration, money and reports."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import cotas
import pytest
from conftest import CATALOG, FIRST_DUE, furnish
from cotas import reports

PACKAGES = """
[packages.sms_pack]
title = "Pacote de SMS"
resource = "sms"
prices = { 1 = "5.00", 10 = "35.00" }
[packages.lines]
title = "Linhas"
resource = "calls"
recurring = true
prices = { 1 = "9.00" }
"""

TOKEN = "a-webhook-token-of-the-host"


def test_a_report_says_how_a_tenant_stands(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    acme.consume("sms", 4)
    engine.grant("acme", "sms", 5, key="gift-1")
    engine.grant("acme", "sms", 5, key="gift-1")
    report = engine.report("acme")
    assert report.status is cotas.Status.ACTIVE and report.time_zone == "America/Sao_Paulo"
    assert report.as_of == datetime(2026, 5, 20, 15, tzinfo=timezone.utc)
    assert report.subscription is not None and report.subscription.due == FIRST_DUE
    sms = report.balances["sms"]
    assert (sms.limit, sms.used, sms.available, sms.kind) == (15, 4, 11, "allowance")
    extra = [grant for grant in report.grants if grant.source is cotas.Source.EXTRA]
    assert [(grant.granted, grant.expires_at) for grant in extra] == [(5, None)]
    assert json.loads(json.dumps(report.to_dict()))["balances"]["sms"]["used"] == 4
    assert engine.balances("acme")["sms"].contracted == 15


def test_tenants_are_found_and_refusals_summed_up(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    assert not acme.consume("sms", 1_000)
    engine.checkpoint()
    assert [it.name for it in engine.find_tenants("ACM", filter="active")] == ["acme"]
    assert engine.find_tenants(after="acme", most=1) == ()
    assert engine.count_tenants()["by_status"] == {"active": 1}
    [line] = engine.refusals("day")
    assert line["denied"] == {"quota_exhausted": 1}
    with pytest.raises(cotas.CatalogError):
        engine.compare_catalog("[plans")


def test_a_plan_is_changed_and_history_kept(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    acme.seats("users").occupy("ana")
    acme.seats("users").occupy("bia")
    assert [(it.resource, it.used, it.limit) for it in engine.what_if("acme", "small")] == [
        ("users", 2, 1)
    ]
    acme.consume("sms", 4)
    engine.change_plan("acme", "small", first_due=date(2026, 6, 1), auto_renew=True)
    assert acme.check("sms").limit == 1
    assert [it.plan for it in engine.subscriptions("acme")] == ["small", "full"]
    [period] = engine.periods("acme")
    assert period.used["sms"] == 4 and not period.renewed
    assert engine.schedule_plan("acme", "full") == date(2026, 6, 1)
    assert engine.cancel_scheduled_plan("acme")
    engine.set_limit("acme", "sms", 7)
    engine.set_own_limit("acme", "users", "unlimited")
    assert acme.check("sms").limit == 7 and acme.seats("users").occupy("caio").limit is None
    engine.set_feature("acme", "recording", True)
    assert acme.feature("recording") is True
    assert "limit" in {entry.what for entry in engine.audit_trail("acme")}


def test_renewal_comes_at_the_due_date(
    engine: cotas.Engine, acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    acme.consume("sms", 10)
    manual_clock.set(datetime(2026, 6, 11, 2, 59, 59, tzinfo=timezone.utc))
    assert not acme.consume("sms")
    manual_clock.advance(timedelta(seconds=1))
    assert acme.consume("sms").used == 1
    kinds = [event.kind for event in engine.events(batch=2)]
    assert kinds == ["threshold", "exhausted", "renewed"] or "renewed" in kinds
    last = list(engine.events())[-1]
    assert last.tenant == "acme" and last.at.tzinfo is not None
    assert engine.acknowledge_events(last.sequence) == len(kinds)
    assert list(engine.events()) == []


def test_webhooks_get_what_happens_and_figures_name_no_tenant(
    engine: cotas.Engine, acme: cotas.Tenant
) -> None:
    added = engine.add_webhook("https://example.com/hooks")
    assert added["secret"].startswith("whsec_")
    engine.set_status("acme", "suspended", reason="debt")
    (listed,) = engine.webhooks()
    assert (listed["url"], listed["waiting"]) == ("https://example.com/hooks", 1)
    assert engine.dead_deliveries() == [] and engine.resend_deliveries(added["id"]) == 0
    rotated = engine.rotate_webhook(added["id"])
    assert rotated is not None and rotated["secret"] != added["secret"]
    assert engine.remove_webhook(added["id"]) and not engine.remove_webhook(added["id"])
    with pytest.raises(cotas.InvalidArgument, match="url"):
        engine.add_webhook("ftp://example.com")
    assert not acme.perform("send_sms")
    engine.checkpoint()
    figures = engine.metrics()
    assert figures["tenants"] == 1 and "acme" not in str(figures)
    assert [it["reason"] for it in figures["denied"]] == ["status_forbids"]
    assert engine.tenant_of_invoice(999) is None


def test_statuses_decide_who_may_send(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    engine.set_status("acme", "suspended", reason="debt")
    assert acme.perform("send_sms").reason is cotas.Reason.STATUS_FORBIDS
    assert acme.perform("receive_message", channel="w", contact="c")
    with pytest.raises(cotas.Conflict, match="suspended cannot become demo"):
        engine.set_status("acme", "demo")
    engine.create_tenant("trial", status="demo", plan="full", first_due=FIRST_DUE)
    notice = engine.perform("trial", "send_sms").notice
    assert notice == "Esta é uma mensagem de teste"


def test_a_demonstration_is_purged_when_it_has_ended(
    engine: cotas.Engine, manual_clock: cotas.ManualClock
) -> None:
    trial = engine.create_tenant("trial", status="demo", plan="full", first_due=FIRST_DUE)
    with pytest.raises(cotas.CotasError):
        engine.purge_demo("trial")
    manual_clock.advance(timedelta(days=14))
    assert trial.consume("sms").reason is cotas.Reason.DEMO_EXPIRED
    assert engine.ended_demos() == ["trial"]
    engine.purge_demo("trial")
    with pytest.raises(cotas.UnknownTenant):
        trial.consume("sms")
    with pytest.raises(cotas.UnknownTenant):
        engine.tenant("trial")


def test_money_is_exact(engine: cotas.Engine) -> None:
    engine.load_catalog(CATALOG + PACKAGES)
    quote = engine.quote_package("sms_pack", 9)
    assert quote.amount == Decimal("45.00") and quote.hint is not None
    assert (quote.hint.quantity, quote.hint.amount) == (10, Decimal("35.00"))
    purchase = engine.buy("acme", "sms_pack", 11, key="order-1")
    assert purchase.quote.packages == ((10, 1), (1, 1))
    assert engine.buy("acme", "sms_pack", 11, key="order-1").invoice == purchase.invoice
    engine.mark_paid(purchase.invoice, paid_on=date(2026, 5, 20))
    assert engine.check("acme", "sms").limit == 21
    paid = [it for it in engine.invoices("acme") if it.id == purchase.invoice]
    assert [(it.amount, it.status) for it in paid] == [
        (Decimal("40.00"), cotas.InvoiceStatus.PAID)
    ]
    statement = engine.statement("acme")
    assert statement.plan is not None and statement.plan.title == "Plano full"
    assert statement.currency == "BRL" and statement.invoices
    assert "Plano full" in engine.page("acme") and "Saldos" in engine.page("acme", "balances")


def test_what_is_charged_again_is_ended_once(engine: cotas.Engine) -> None:
    engine.load_catalog(CATALOG + PACKAGES)
    bought = engine.buy("acme", "lines", 1).invoice
    for _ in range(2):
        engine.mark_paid(bought, key="paid-1")
        assert engine.end_purchase(bought, key="ended-1") == FIRST_DUE
    with pytest.raises(cotas.IdempotencyConflict):
        engine.mark_paid(bought, paid_on=date(2026, 5, 19), key="paid-1")
    due = [it for it in engine.invoices("acme") if it.due == FIRST_DUE]
    assert [line.title for it in due for line in it.lines] == ["Plano full"]
    plan = next(it for it in engine.invoices("acme") if it.title == "Plano full")
    with pytest.raises(cotas.InvalidArgument, match="charged again"):
        engine.end_purchase(plan.id)


def test_every_change_of_money_takes_a_key(engine: cotas.Engine) -> None:
    engine.load_catalog(CATALOG + PACKAGES)

    def change_all() -> list[int]:
        engine.set_payment_form("acme", "Asaas", gateway_id="sub_1", key="form-1")
        engine.set_payment_method("acme", "boleto", key="method-1")
        engine.move_to_newest_version("acme", key="version-1")
        engine.cancel_scheduled_plan("acme", key="schedule-1")
        bought = engine.buy("acme", "sms_pack", 10, key="buy-1").invoice
        parts = engine.split_invoice(bought, 2, key="split-1")
        engine.cancel_invoice(parts[1], key="cancel-1")
        return parts

    parts = change_all()
    assert change_all() == parts
    with pytest.raises(cotas.IdempotencyConflict):
        engine.cancel_invoice(parts[0], key="cancel-1")
    [form] = engine.subscriptions("acme")
    assert (form.payment_type, form.payment_method) == ("Asaas", "boleto")


def test_a_gateway_pays_an_invoice(engine: cotas.Engine) -> None:
    engine.set_webhook_token("asaas", TOKEN)
    engine.create_tenant(
        "nova", plan="full", first_due=FIRST_DUE, auto_renew=True, pay_first="Asaas"
    )
    engine.set_payment_form("nova", "Asaas", gateway_id="sub_1")
    assert engine.check("nova", "sms").reason is not None
    event = {
        "id": "evt_1&1",
        "event": "PAYMENT_RECEIVED",
        "dateCreated": "2026-05-20 12:00:00",
        "payment": {
            "id": "pay_1",
            "customer": "cus_1",
            "subscription": "sub_1",
            "value": 299.0,
            "billingType": "PIX",
            "status": "RECEIVED",
            "dueDate": "2026-05-20",
            "paymentDate": "2026-05-20",
        },
    }
    body = json.dumps(event)
    assert engine.payment_event("asaas", body, "a-wrong-token").outcome == "refused"
    applied = engine.payment_event("asaas", body, TOKEN)
    assert (applied.outcome, applied.status) == ("applied", cotas.InvoiceStatus.PAID)
    assert engine.payment_event("asaas", body.encode(), TOKEN).outcome == "duplicate"
    assert engine.check("nova", "sms")


def paid(**said: Any) -> cotas.PaymentEvent:
    """The payment of invoice 1, as a host has read it."""
    event = cotas.PaymentEvent("pagarme", "e-1", "paid", payment="p-1", reference="1")
    return dataclasses.replace(event, **said)


def test_a_host_reads_a_payment_event_itself(engine: cotas.Engine) -> None:
    engine.load_catalog(CATALOG + PACKAGES)
    nova = engine.create_tenant(
        "nova", plan="full", first_due=FIRST_DUE, auto_renew=True, pay_first="Pagar-me"
    )
    [invoice] = engine.invoices("nova")
    event = paid(
        reference=invoice.reference,
        amount=Decimal("299"),
        method="card",
        due=date(2026, 5, 20),
        paid_on=date(2026, 5, 19),
        occurred_at=datetime(2026, 5, 19, 12, tzinfo=timezone.utc),
    )
    assert engine.apply_payment(event).status is cotas.InvoiceStatus.PAID
    assert engine.apply_payment(event).outcome == "duplicate" and nova.check("sms")
    [invoice] = [it for it in engine.invoices("nova") if it.paid_on is not None]
    assert (invoice.paid_on, invoice.payment_method) == (date(2026, 5, 19), "card")
    assert invoice.paid == invoice.amount == Decimal("299")
    assert engine.apply_payment(paid(id="e-2", kind="other")).because == "unknown_event"
    assert engine.apply_payment(paid(id="e-3", payment="p-8", kind="overdue")).because == (
        "unknown_payment"
    )
    # Money that names nothing is kept, and pays what an operator says.
    assert engine.apply_payment(paid(id="e-4", payment="p-9", reference=None)).outcome == "unmatched"
    [kept] = engine.unmatched_payments()
    assert (kept.payment, kept.tenant, kept.unmatched) == ("p-9", None, "no_invoice")
    bought = engine.buy("nova", "sms_pack", 1).invoice
    engine.assign_payment("pagarme", "p-9", bought, key="assigned-1")
    assert engine.unmatched_payments("nova") == ()
    assert {it.payment: it.state for it in engine.payments("nova")} == {"p-1": "paid", "p-9": "paid"}
    assert "p-1" not in repr(event)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"id": ""}, "id"),
        ({"payment": ""}, "payment"),
        ({"reference": "a\0b"}, "reference"),
        ({"kind": "subscription_ended"}, "subscription"),
        ({"kind": "gone"}, "kind: it must be opened, paid"),
        ({"gateway": "paypal"}, "gateway: it must be asaas or pagarme"),
        ({"method": "barter"}, "method: it must be boleto"),
        ({"amount": Decimal("0.001")}, "0.001"),
        ({"amount": Decimal("NaN")}, "NaN"),
        ({"amount": Decimal("1E+30")}, r"1E\+30"),
        ({"amount": Decimal("-1")}, "amount_cents: it must be a whole number of cents"),
        ({"occurred_at": datetime(2026, 5, 19)}, "zone"),
    ],
)
def test_a_payment_event_that_none_can_be_is_refused(
    engine: cotas.Engine, said: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(cotas.InvalidArgument, match=wrong):
        engine.apply_payment(paid(**said))


def test_many_tenants_are_created_at_once(engine: cotas.Engine) -> None:
    terms: cotas.TenantOptions = {"plan": "full", "first_due": FIRST_DUE}
    expires = datetime(2026, 5, 21, 15, tzinfo=timezone.utc)
    rich: cotas.TenantOptions = {
        **terms,
        "extras": {"sms": cotas.Extra(5, expires_at=expires), "credits": 7},
    }
    many = {f"tenant-{number}": terms for number in range(250)}
    many |= {"acme": terms, "rich": rich}
    assert engine.ensure_tenants(many) == 251 and engine.ensure_tenants(many) == 0
    assert len(engine.tenants()) == 252
    assert engine.check("rich", "sms").limit == 15
    assert [it.expires_at for it in engine.report("rich").grants if it.granted == 5] == [expires]
    assert engine.check("rich", "credits").limit == 1007
    assert engine.ensure_tenants({}) == 0
    with pytest.raises(cotas.UnknownPlan, match="gold"):
        engine.ensure_tenants({"one": terms, "two": {**terms, "plan": "gold"}})
    assert "one" not in engine.tenants(), "all of a transaction, or none"
    with pytest.raises(cotas.InvalidArgument, match="surrogate"):
        engine.ensure_tenants({"a\udc80b": terms})


def test_a_tenant_is_created_once_per_key(engine: cotas.Engine) -> None:
    nova = engine.create_tenant("nova", key="signup-1", plan="full", first_due=FIRST_DUE)
    again = engine.create_tenant("nova", key="signup-1", plan="full", first_due=FIRST_DUE)
    assert again.name == nova.name
    with pytest.raises(cotas.TenantExists):
        engine.create_tenant("nova", key="signup-2", plan="full", first_due=FIRST_DUE)


def test_a_grant_has_its_order_and_its_beginning(
    engine: cotas.Engine, acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    tomorrow = manual_clock.now + timedelta(days=1)
    engine.grant("acme", "sms", 5, source="manual", priority=-1, starts_at=tomorrow)
    assert acme.check("sms").limit == 10
    manual_clock.set(tomorrow)
    spent = acme.consume("sms", 6)
    assert [(charge.source, charge.units) for charge in spent.charges] == [
        (cotas.Source.MANUAL, 5),
        (cotas.Source.PLAN, 1),
    ]
    with pytest.raises(cotas.InvalidArgument, match="priority: 1001"):
        engine.grant("acme", "sms", 1, priority=1001)


WARNED = """
[resources.phones]
kind = "seat"
warning = { en = "Use WhatsApp Business", pt = "Use o WhatsApp Business" }
"""


def test_who_takes_a_seat_is_warned(engine: cotas.Engine) -> None:
    catalog = CATALOG + WARNED
    engine.load_catalog(catalog.replace("users = 3", "users = 3\nphones = 2"))
    engine.move_to_newest_version("acme")
    acme = engine.tenant("acme")
    warning = acme.seats("phones").warning
    assert warning is not None and warning.pt == "Use o WhatsApp Business"
    assert acme.seats("users").warning is None
    assert acme.seats("phones").occupy("phone-1")
    channels = engine.channels("acme", "phones")
    assert [channel.warning for channel in channels.channels] == [warning]
    assert channels.currency == "BRL"


def test_the_plan_report_is_for_managers(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    acme.seats("users").occupy("ana")
    acme.meter("storage_mb").add(7)
    report = engine.plan_report("acme")
    assert report.limits["calls"] == 2 and report.features["recording"]
    assert report.usage["active_users"] == 1 and report.usage["storage_mb"] == 7
    assert report.to_dict()["data"]["max_calls"] == 2
    with pytest.raises(cotas.CotasError, match="managers") as caught:
        engine.plan_report("acme", role="agent")
    assert caught.value.code == 426


def test_usage_comes_in_columns(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    acme.consume("sms", 4)
    acme.consume("sms", 40)
    usage = engine.usage("acme", "hour")
    assert {len(column) for column in usage.values()} == {2}
    rows = set(zip(usage["resource"], usage["metric"], usage["reason"], usage["count"]))
    assert rows == {("sms", "used", None, 4), ("sms", "denied", "quota_exhausted", 1)}
    assert all(start.tzinfo is not None for start in usage["start"])
    later = datetime(2027, 1, 1, tzinfo=timezone.utc)
    assert engine.usage("acme", since=later)["count"] == []


def test_costs_are_reported_before(acme: cotas.Tenant) -> None:
    quote = acme.quote("send_sms", quantity=3)
    assert {cost.resource: cost.cost for cost in quote.costs} == {"sms": 3, "credits": 1}
    assert quote.decision and acme.perform("send_sms", quantity=3, tariff=quote.tariff)
    with pytest.raises(cotas.CotasError) as caught:
        acme.perform("send_sms", tariff=quote.tariff + 1)
    assert caught.value.code == 420


def test_accounts_have_documents(engine: cotas.Engine) -> None:
    assert engine.validate_document("12.345.678/0001-95", "cnpj") == "12345678000195"
    with pytest.raises(cotas.DocumentError):
        engine.validate_document("12.345.678/0001-90", "cnpj")
    holder = {
        "person": "legal",
        "document": {"type": "cnpj", "number": "12.345.678/0001-95"},
        "trade_name": "Padaria",
        "administrator": {"name": "Ana", "email": "ana@acme.br", "phone": "5511900000001"},
        "address": {"cep": "01310-100"},
    }
    engine.create_tenant("padaria", plan="full", first_due=FIRST_DUE, holder=holder)
    profile = engine.account_holder("padaria")
    assert profile is not None and profile.document == "12345678000195"
    assert "Ana" not in repr(profile) and profile.address is not None
    assert engine.account_holder("acme") is None
    assert [seat.holder for seat in engine.tenant("padaria").seats("users").list()] == [
        "ana@acme.br"
    ]


def test_traffic_is_decided_again_once(engine: cotas.Engine) -> None:
    start = datetime(2026, 6, 10, 15, tzinfo=timezone.utc)
    log = [
        cotas.Traffic(start + timedelta(hours=step), "acme", "send_sms", quantity=5)
        for step in (0, 1, 2, 13)
    ]
    decided = list(engine.replay(log, source=b"log-1"))
    assert [bool(decision) for _, decision in decided] == [True, True, False, True]
    assert [decision for _, decision in engine.replay(log, source=b"log-1")] == [None] * 4
    progress = engine.tenant("acme").progress(b"log-1")
    assert progress == cotas.Progress(
        since=start,
        position=4,
        opened=0,
        continued=0,
        others=3,
        refused=1,
        refused_quota=1,
        refused_status=0,
        too_old=0,
    )
    assert engine.tenant("acme").progress(b"log-2") is None
    assert not engine.closed


def test_a_database_is_looked_after(database: Path, tmp_path: Path) -> None:
    with cotas.open(
        database,
        maintenance="external",
        checkpoint_interval=timedelta(1),
        lag_max=timedelta(minutes=1),
    ) as engine:
        assert engine.opening.origin == "adopted" and engine.tenants() == ["acme"]
        assert engine.with_durability("disk").consume("acme", "sms")
        engine.consume("acme", "sms")
        assert not engine.lag().alarm and engine.lag().failing_ms is None
        assert engine.maintain().checkpointed == 1 and engine.lag().lag_ms == 0 and engine.checkpoint() == 0
        assert engine.verify() == ()
        engine.backup(tmp_path / "copy.db")
        with pytest.raises(cotas.CotasError):
            engine.backup(tmp_path / "copy.db")
        version, catalog = engine.catalog()
        assert version == 1 and "full" in catalog["plans"]
        assert engine.live_path == Path(f"{database}-live")
    with cotas.open(tmp_path / "copy.db") as copy:
        assert copy.check("acme", "sms").used == 3


def test_an_engine_may_stay_open_when_it_is_closed(database: Path) -> None:
    with cotas.open(database, keep_open=True) as engine:
        assert engine.consume("acme", "sms")
    with pytest.raises(cotas.OpenError, match="maintenance"):
        cotas.open(database, maintenance="inline")
    with cotas.open(database) as again:
        assert again.check("acme", "sms").used == 2
    cotas.open(database, maintenance="inline").close()


def test_a_catalog_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG, encoding="utf-8")
    with cotas.in_memory() as engine:
        assert engine.load_catalog_file(path) == 1
        path.write_text(CATALOG + "[plans.full.limit]\n", encoding="utf-8")
        with pytest.raises(cotas.CatalogError, match=r"catalog.toml:\d+: plans.full.limit"):
            engine.load_catalog_file(path)


def test_furnishing_twice_changes_nothing(engine: cotas.Engine) -> None:
    with pytest.raises(cotas.TenantExists):
        furnish(engine)
    assert not engine.ensure_tenant("acme", plan="small", first_due=FIRST_DUE)


FORM: dict[str, Any] = {
    "name": "aurora",
    "plan": {"name": "full", "first_due": FIRST_DUE, "auto_renew": True},
    "pay_first": "Asaas",
    "holder": {
        "person": "legal",
        "document": {"type": "cnpj", "number": "11.222.333/0001-81"},
        "company_type": "ltda",
        "administrator": {"name": "Ana", "email": "ana@aurora.example", "phone": "+55 11 5555"},
    },
}


def test_a_form_is_checked_as_a_whole_and_created_as_a_whole(engine: cotas.Engine) -> None:
    wrong = {**FORM, "status": "asleep", "holder": {"person": "natural", "company_type": "ltda"}}
    found = engine.validate_form(wrong)
    assert found.summary is None
    assert {it.field for it in found.problems} == {
        "status",
        "holder.company_type",
        "holder.administrator.name",
        "holder.administrator.email",
        "holder.administrator.phone",
    }
    with pytest.raises(cotas.InvalidForm, match="administrator.phone") as caught:
        engine.register_form(wrong)
    assert caught.value.code == 440
    assert engine.tenants() == ["acme"]
    found = engine.validate_form(json.dumps(FORM, default=str))
    assert found.problems == () and found.summary is not None and found.summary.plan is not None
    assert (found.summary.plan.price, found.summary.plan.waits_for_payment) == (
        Decimal("299.00"),
        True,
    )
    assert [it.amount for it in found.summary.invoices] == [Decimal("299.00")]
    engine.register_form(FORM, key="form-1")
    engine.register_form(FORM, key="form-1")
    profile = engine.account_holder("aurora")
    assert profile is not None and profile.company_type == "ltda"
    with pytest.raises(cotas.TenantExists):
        engine.register("aurora", holder=FORM["holder"])
    assert [it.code for it in engine.validate("b", holder=FORM["holder"]).problems] == [425]


def test_a_cancelled_tenant_takes_its_data_along_and_is_erased(engine: cotas.Engine) -> None:
    engine.register_form(FORM)
    [invoice] = engine.invoices("aurora")
    with pytest.raises(cotas.InvalidArgument, match="cancel it first"):
        engine.erase("aurora")
    engine.set_status("aurora", "cancelled", reason="left")
    if any(it.status is cotas.InvoiceStatus.PENDING for it in engine.invoices("aurora")):
        with pytest.raises(cotas.Conflict, match="owes"):
            engine.erase("aurora")
    kinds = {json.loads(line)["kind"] for line in engine.export("aurora").splitlines()}
    assert {"tenant", "account_holder", "invoice", "audit"} <= kinds
    engine.erase("aurora", cancel_debt=True)
    assert engine.tenants() == ["acme"]
    [kept] = engine.erased_accounts("aurora")
    assert (kept.payer_document, kept.invoices[0].id) == ("11222333000181", invoice.id)
    assert engine.remove_ended_trials() == []


def test_automatic_renewal_is_switched_and_a_change_of_plan_keeps_it(engine: cotas.Engine) -> None:
    def renews() -> bool:
        subscription = engine.report("acme").subscription
        assert subscription is not None
        return subscription.auto_renew

    engine.set_auto_renew("acme", True)
    assert engine.set_auto_renew("acme", True) is False and renews()
    engine.change_plan("acme", "small", first_due=date(2026, 6, 1))
    assert renews()
    assert engine.set_auto_renew("acme", False) is True and not renews()
    engine.change_plan("acme", "full", first_due=date(2026, 6, 1))
    assert not renews()
    engine.change_plan("acme", "full", first_due=date(2026, 6, 1), auto_renew=True)
    assert renews()


def test_the_next_due_date_is_set_and_a_subscription_pauses(engine: cotas.Engine) -> None:
    def subscription() -> reports.SubscriptionView:
        present = engine.report("acme").subscription
        assert present is not None
        return present

    engine.set_auto_renew("acme", True)
    due = subscription().due
    month_after = due + timedelta(days=20)
    following = engine.set_due_date("acme", month_after, key="due-1")
    assert (following.from_, following.to) == (due + timedelta(days=1), month_after)
    assert following == engine.set_due_date("acme", month_after, key="due-1")
    with pytest.raises(cotas.InvalidArgument, match="two periods after"):
        engine.set_due_date("acme", due)
    assert engine.pause_subscription("acme") == due
    assert subscription().pause == "requested"
    assert engine.resume_subscription("acme") == due
    assert subscription().pause == "none"
    with pytest.raises(cotas.InvalidArgument, match="does not pause"):
        engine.resume_subscription("acme", first_due=month_after)
