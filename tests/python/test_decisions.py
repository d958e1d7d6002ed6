"""Decisions: what they say, and how they behave as values."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime, timedelta, timezone

import cotas
import pytest
from cotas import Reason
from cotas.documents import plain


def test_a_decision_explains_itself(acme: cotas.Tenant) -> None:
    decision = acme.consume("sms", 3)
    assert decision and decision.allowed and decision.reason is None
    assert (decision.resource, decision.units) == ("sms", 3)
    assert (decision.limit, decision.used, decision.available) == (10, 3, 7)
    assert decision.mode is cotas.Mode.FINITE
    [charge] = decision.charges
    assert (charge.resource, charge.source, charge.units) == ("sms", cotas.Source.PLAN, 3)
    assert repr(decision) == "<Decision allowed, 3 of sms, 3 of 10 used>"


def test_a_denial_is_a_value_with_its_reason(acme: cotas.Tenant) -> None:
    denied = acme.consume("sms", 11)
    assert not denied
    assert denied.reason is Reason.QUOTA_EXHAUSTED and denied.reasons == (denied.reason,)
    assert f"{denied.reason}" == denied.reason.value == "quota_exhausted"
    restored = datetime(2026, 6, 11, 3, tzinfo=timezone.utc)
    assert denied.retry_at == restored
    assert denied.retry_after == restored - datetime(2026, 5, 20, 15, tzinfo=timezone.utc)
    match denied:
        case cotas.Decision(False, reason):
            assert reason is Reason.QUOTA_EXHAUSTED
        case _:
            pytest.fail("it does not match")


def test_a_denial_becomes_an_exception_where_one_is_asked_for(acme: cotas.Tenant) -> None:
    allowed = acme.check("sms", 10)
    assert allowed.raise_if_denied() is allowed
    denied = acme.check("sms", 11)
    with pytest.raises(cotas.QuotaExceeded, match="quota exhausted: 11 of sms asked, 0 of 10"):
        denied.raise_if_denied()
    try:
        denied.raise_if_denied()
    except cotas.QuotaExceeded as error:
        assert pickle.loads(pickle.dumps(error)).decision == denied


def test_a_decision_survives_pickling_whole(acme: cotas.Tenant) -> None:
    decisions = [
        acme.consume("sms", 3),
        acme.consume("sms", 99),
        acme.perform("receive_message", channel="w", contact="c", key="k"),
        acme.perform("send_sms", quantity=2),
        acme.perform("start_call", holder="call-17"),
        acme.reserve({"sms": 1, "credits": 2}).decision,
    ]
    for decision in decisions:
        for again in (pickle.loads(pickle.dumps(decision)), copy.deepcopy(decision)):
            assert again == decision and hash(again) == hash(decision)
            assert again.to_dict() == decision.to_dict()
            assert repr(again) == repr(decision)
    assert decisions[0] != decisions[1]
    anything: object = "anything else"
    assert decisions[0] != anything


def test_a_decision_as_a_dictionary_is_json(acme: cotas.Tenant) -> None:
    document = acme.perform("receive_message", channel="w", contact="c").to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["allowed"] is True and document["reason"] is None
    assert document["session"] == {"opened": True, "expires_at": "2026-05-21T15:00:00.000Z"}
    assert document["charges"] == [{"resource": "sessions", "source": "plan", "units": 1}]


def test_a_dictionary_has_all_that_a_decision_says(acme: cotas.Tenant) -> None:
    decisions = [
        acme.perform("start_call", holder="call-17", key="k"),
        acme.consume("sms", 99),
        acme.reserve({"sms": 1, "credits": 2}).decision,
        acme.meter("storage_mb").add(1),
    ]
    for decision in decisions:
        attributes = {name for name in dir(cotas.Decision) if not name.startswith("_")}
        methods = {"raise_if_denied", "to_dict", "retry_after"}  # The last depends on the time.
        said = {name: plain(getattr(decision, name)) for name in attributes - methods}
        assert decision.to_dict() == said
    quote = acme.quote("send_sms").to_dict()
    assert quote["decision"]["available"] == 8 and quote["costs"][0]["cost"] == 1


def test_a_session_is_opened_once_and_continued(
    acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    first = acme.perform("receive_message", channel="w", contact="c-1")
    assert first.session is not None and first.session.opened
    manual_clock.advance(timedelta(hours=1))
    again = acme.perform("receive_message", channel="w", contact="c-1")
    assert again.session is not None and not again.session.opened
    assert again.session.expires_at - first.session.expires_at == timedelta(hours=1)
    assert acme.admit("sessions", contact="c-2", direction="outbound", channel="w")
    third = acme.admit("sessions", contact="c-3", channel="w")
    assert third.reason is Reason.QUOTA_EXHAUSTED


def test_a_key_makes_an_operation_happen_once(acme: cotas.Tenant) -> None:
    first = acme.consume("sms", 2, key="order-1")
    again = acme.consume("sms", 2, key="order-1")
    assert first.receipt and again.receipt == first.receipt
    assert again.replayed and again.used == first.used == 2
    with pytest.raises(cotas.IdempotencyConflict) as caught:
        acme.consume("sms", 3, key="order-1")
    assert caught.value.code == 407
    acme.refund(first.receipt)
    assert acme.check("sms").used == 1  # Of the check itself.
    with pytest.raises(cotas.AlreadyResolved):
        acme.refund(first.receipt)


def test_a_key_is_kept_for_as_long_as_it_says(
    acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    key = cotas.Key("order-1", kept_for=timedelta(days=20))
    assert key == "order-1" and pickle.loads(pickle.dumps(key)).kept_for == key.kept_for
    assert acme.consume("sms", key=key) and acme.consume("sms", key="order-2")
    manual_clock.advance(timedelta(days=8))
    assert acme.consume("sms", key=key).replayed
    assert not acme.consume("sms", key="order-2").replayed
    for operation in (acme.meter("storage_mb").add, acme.meter("storage_mb").set):
        with pytest.raises(cotas.InvalidArgument, match="400 days"):
            operation(1, key=cotas.Key("long", kept_for=timedelta(days=401)))
    with pytest.raises(TypeError, match="not a timedelta"):
        acme.consume("sms", key=cotas.Key("odd", kept_for=60))  # type: ignore[arg-type]


MANY = [f"things_{number}" for number in range(8)]
MANY_CHARGES = "\n".join(
    [f'[resources.{name}]\nkind = "allowance"' for name in MANY]
    + ['[plans.wide]\ntitle = "Largo"\nprice = "1.00"\n[plans.wide.limits]']
    + [f"{name} = 5" for name in MANY]
    + ["[actions.all]\n[actions.all.charge]"]
    + [f"{name} = 1" for name in MANY]
)


def test_a_decision_shows_that_more_was_charged_than_it_lists(quotas: cotas.Engine) -> None:
    quotas.load_catalog(MANY_CHARGES)
    due = quotas.now.date() + timedelta(days=21)
    wide = quotas.create_tenant("wide", plan="wide", first_due=due)
    decision = wide.perform("all", key="k")
    assert len(decision.charges) == 6 and decision.more_charges
    assert decision.to_dict()["more_charges"] is True
    assert pickle.loads(pickle.dumps(decision)).more_charges
    assert decision.receipt is not None
    assert {charge.resource for charge in wide.charges_of(decision.receipt)} == set(MANY)
    assert not wide.consume("things_0").more_charges


def test_many_rows_are_decided_in_their_order(engine: cotas.Engine) -> None:
    rows = [("acme", "sms", 9), ("acme", "sms", 2), ("acme", "sms", 1), ("acme", "credits", 1000)]
    assert [bool(decision) for decision in engine.consume_many(rows)] == [True, False, True, True]


def test_a_row_that_meets_an_error_keeps_no_other_from_its_answer(engine: cotas.Engine) -> None:
    rows = [("acme", "sms", 1), ("stranger", "sms", 1), ("acme", "nothing", 1), ("acme", "sms", 2)]
    first, unknown, missing, last = engine.consume_many(rows)
    assert bool(first) and bool(last) and isinstance(last, cotas.Decision) and last.used == 3
    assert isinstance(unknown, cotas.UnknownTenant)
    assert isinstance(missing, cotas.CotasError) and missing.code == 402


def test_what_is_held_is_resolved_by_its_id_by_another_process(engine: cotas.Engine) -> None:
    acme, other = engine.tenant("acme"), engine.tenant("acme")
    reserved = acme.reserve({"sms": 3})
    assert reserved.id is not None
    other.commit(reserved.id, {"sms": 1})
    with pytest.raises(cotas.CotasError):
        other.release(reserved.id)
    again = acme.reserve({"sms": 3})
    assert again.id is not None
    other.release(again.id)
    assert other.check("sms").used == 2  # One is used, and the check asks for one more.
    lease = acme.lease("calls", "a")
    assert other.renew_lease("calls", "a", lease.fencing).fencing == lease.fencing
    other.release_lease("calls", "a", lease.fencing)
    with pytest.raises(cotas.CotasError):
        lease.renew()


def test_names_stay_known_when_the_engine_is_closed(engine: cotas.Engine) -> None:
    decision = engine.consume("acme", "credits")
    engine.close()
    assert decision.resource == "credits" and decision.retry_after is None
