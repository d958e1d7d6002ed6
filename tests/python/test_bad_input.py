"""Whatever is passed, the answer is an exception that says what was wrong, and nothing is changed.
Nothing personal is repeated."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import cotas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

PHONE = "5511987654321"
HUGE = 10**5000
NAIVE = datetime(2026, 5, 20, 10, 0)
LONE = "a\udc80b"

Call = Callable[[cotas.Engine, cotas.Tenant, Any], object]


def bad(kind: type[Exception], match: str, value: Any, call: Call) -> Any:
    """A case: `call` with `value` raises `kind` with `match` in its message."""
    name = repr(value)[:40] if not isinstance(value, int) or value < 10**100 else "huge"
    return pytest.param(kind, match, value, call, id=f"{kind.__name__}-{name}-{match}")


CASES = [
    bad(cotas.InvalidArgument, "units: -1 is not", -1, lambda e, t, x: t.consume("sms", x)),
    bad(cotas.InvalidArgument, "0 is not between 1", 0, lambda e, t, x: t.consume("sms", x)),
    bad(cotas.InvalidArgument, "units: 18446744073709551616", 2**64,
        lambda e, t, x: t.consume("sms", x)),
    bad(cotas.InvalidArgument, "is not between", 2**63, lambda e, t, x: t.consume("sms", x)),
    bad(cotas.InvalidArgument, "units: int is not between", HUGE,
        lambda e, t, x: t.consume("sms", x)),
    bad(TypeError, "units: nan is not an int", math.nan, lambda e, t, x: t.consume("sms", x)),
    bad(TypeError, "units: 1.5 is not an int", 1.5, lambda e, t, x: e.consume("acme", "sms", x)),
    bad(TypeError, "units: '3' is not an int", "3", lambda e, t, x: t.meter("storage_mb").add(x)),
    bad(TypeError, "5 is not a str", 5, lambda e, t, x: t.consume(x)),
    bad(TypeError, "None is not a str", None, lambda e, t, x: e.tenant(x)),
    bad(cotas.InvalidArgument, r"'a\\udc80b' has a surrogate", LONE, lambda e, t, x: t.consume(x)),
    bad(cotas.InvalidArgument, "surrogate", LONE, lambda e, t, x: e.tenant(x)),
    bad(cotas.UnknownTenant, '"stranger"', "stranger", lambda e, t, x: e.tenant(x)),
    bad(cotas.InvalidArgument, "129 bytes", "x" * 129, lambda e, t, x: e.tenant(x)),
    bad(cotas.InvalidArgument, "NUL", "a\0b", lambda e, t, x: e.tenant(x)),
    bad(cotas.UnknownResource, '"smss"', "smss", lambda e, t, x: t.consume(x)),
    bad(cotas.UnknownAction, '"fly"', "fly", lambda e, t, x: t.perform(x)),
    bad(cotas.UnknownPlan, '"gold"', "gold",
        lambda e, t, x: e.change_plan("acme", x, first_due=date(2026, 6, 1))),
    bad(cotas.WrongKind, '"users" is a seat; an allowance or a session is needed', "users",
        lambda e, t, x: t.consume(x)),
    bad(cotas.WrongKind, '"sms" is an allowance; a meter is needed', "sms",
        lambda e, t, x: t.meter(x)),
    bad(cotas.WrongKind, '"sms" is an allowance; a seat is needed', "sms",
        lambda e, t, x: t.seats(x)),
    bad(cotas.UnknownResource, '"smss"', "smss", lambda e, t, x: t.seats(x)),
    bad(TypeError, "5 is not a path", 5, lambda e, t, x: cotas.open(x)),
    bad(TypeError, r"\['a'\] is not a path", ["a"], lambda e, t, x: cotas.open("b", live_directory=x)),
    bad(TypeError, "None is not a path", None, lambda e, t, x: e.backup(x)),
    bad(cotas.OpenError, "cannot open /: is a directory", "/", lambda e, t, x: cotas.open(x)),
    bad(cotas.InvalidArgument, r"datetime\(2026, 5, 20, 10, 0\) does not say its zone", NAIVE,
        lambda e, t, x: t.perform("receive_message", channel="w", contact="c", at=x)),
    bad(TypeError, r"datetime.date\(2026, 5, 20\) is not a datetime", date(2026, 5, 20),
        lambda e, t, x: e.grant("acme", "sms", 1, expires_at=x)),
    bad(TypeError, "is not a date", NAIVE,
        lambda e, t, x: e.change_plan("acme", "full", first_due=x)),
    bad(cotas.InvalidArgument, "does not say its zone", NAIVE, lambda e, t, x: e.usage("acme", since=x)),
    bad(cotas.InvalidArgument, "does not say its zone", NAIVE, lambda e, t, x: cotas.ManualClock(x)),
    bad(cotas.InvalidArgument, "does not say its zone", NAIVE,
        lambda e, t, x: e.create_tenant("b", created_at=x)),
    bad(TypeError, "plann", {"b": {"plann": "full"}}, lambda e, t, x: e.ensure_tenants(x)),
    bad(TypeError, "60 is not a timedelta", 60, lambda e, t, x: t.reserve({"sms": 1}, ttl=x)),
    bad(cotas.InvalidArgument, "is negative; zero or more", timedelta(-1),
        lambda e, t, x: t.reserve({"sms": 1}, ttl=x)),
    bad(cotas.InvalidArgument, "400 days", timedelta.max,
        lambda e, t, x: t.reserve({"sms": 1}, ttl=x)),
    bad(cotas.InvalidArgument, "units: it is empty; name at least one resource", {}, lambda e, t, x: t.reserve(x)),
    bad(TypeError, "is not a str", {1: 1}, lambda e, t, x: t.reserve(x)),
    bad(cotas.InvalidArgument, '"sideways".*expected inbound or outbound', "sideways",
        lambda e, t, x: t.admit("sessions", contact="c", direction=x)),
    bad(cotas.InvalidArgument, 'unknown status "asleep".*active', "asleep",
        lambda e, t, x: e.set_status("acme", x)),
    bad(cotas.InvalidArgument, '"decade".*expected hour, day or month', "decade",
        lambda e, t, x: e.usage("acme", x)),
    bad(cotas.InvalidArgument, 'unknown gateway "paypal".*asaas or pagarme', "paypal",
        lambda e, t, x: e.payment_event(x, b"{}", "t")),
    bad(cotas.InvalidArgument, '"plenty" is not a limit', "plenty",
        lambda e, t, x: e.set_limit("acme", "sms", x)),
    bad(TypeError, "a feature is", 1.5, lambda e, t, x: e.set_feature("acme", "recording", x)),
    bad(cotas.InvalidArgument, "reservation id", "r-0-0", lambda e, t, x: t.commit(x)),
    bad(cotas.InvalidArgument, "receipt", "nonsense", lambda e, t, x: t.refund(x)),
    bad(cotas.CatalogError, "catalog.toml:1", "[[[", lambda e, t, x: e.load_catalog(x)),
    bad(cotas.InvalidArgument, "extra_key", {"extra_key": 1},
        lambda e, t, x: e.create_tenant("b", holder=x)),
    bad(TypeError, "first_due", "full", lambda e, t, x: e.create_tenant("b", plan=x)),
    bad(cotas.UnknownInvoice, "12345", 12345, lambda e, t, x: e.mark_paid(x)),
    bad(OverflowError, "too large", 2**70, lambda e, t, x: e.mark_paid(x)),
]


@pytest.mark.parametrize(("kind", "match", "value", "call"), CASES)
def test_it_is_refused_by_name_and_changes_nothing(
    engine: cotas.Engine,
    acme: cotas.Tenant,
    kind: type[Exception],
    match: str,
    value: Any,
    call: Call,
) -> None:
    before = engine.report("acme")
    with pytest.raises(kind, match=match) as caught:
        call(engine, acme, value)
    if isinstance(caught.value, cotas.CotasError):
        assert caught.value.code >= 100
    assert engine.report("acme") == before
    assert engine.verify() == ()


PRIVATE: list[tuple[str, Call]] = [
    ("a contact", lambda e, t, x: t.perform("receive_message", channel="w", contact=x)),
    ("a holder", lambda e, t, x: t.lease("calls", x)),
    ("a key", lambda e, t, x: t.consume("sms", key=x)),
    ("a rate's key", lambda e, t, x: t.rate("pair_rate").pass_(x)),
    ("a seat", lambda e, t, x: t.seats("users").occupy(x)),
    ("a token", lambda e, t, x: t.seats("users").occupy("ana", token=x)),
    ("a webhook's token", lambda e, t, x: e.set_webhook_token("asaas", x)),
    ("a document", lambda e, t, x: e.validate_document(x, "cpf")),
]


@pytest.mark.parametrize(("what", "call"), PRIVATE)
@pytest.mark.parametrize("value", [int(PHONE), PHONE + "\udc80", PHONE * 200])
def test_nothing_personal_is_repeated(
    engine: cotas.Engine, acme: cotas.Tenant, what: str, call: Call, value: Any
) -> None:
    with pytest.raises((TypeError, cotas.CotasError)) as caught:
        call(engine, acme, value)
    assert PHONE not in str(caught.value) and PHONE not in repr(caught.value), what


OF_A_CLOSED_ENGINE: list[tuple[str, Call]] = [
    ("consume", lambda e, t, x: t.consume("sms")),
    ("by name", lambda e, t, x: e.consume("acme", "sms")),
    ("meter", lambda e, t, x: t.meter("storage_mb")),
    ("tenant", lambda e, t, x: e.tenant("acme")),
    ("report", lambda e, t, x: e.report("acme")),
    ("grant", lambda e, t, x: e.grant("acme", "sms", 1)),
    ("again", lambda e, t, x: e.with_durability("disk")),
]


@pytest.mark.parametrize(("what", "call"), OF_A_CLOSED_ENGINE)
def test_a_closed_engine_says_so(
    engine: cotas.Engine, acme: cotas.Tenant, what: str, call: Call
) -> None:
    meter = acme.meter("storage_mb")
    assert repr(engine) == "<Engine in memory>"
    engine.close()
    engine.close()
    assert repr(engine) == "<Engine closed>"
    assert engine.closed and engine.now and acme.name == "acme"
    with pytest.raises(cotas.EngineClosed, match="closed"):
        call(engine, acme, None)
    with pytest.raises(cotas.EngineClosed):
        meter.add(1)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(alphabet=st.characters()),
    st.binary(),
    st.datetimes(timezones=st.one_of(st.none(), st.timezones())),
    st.dates(),
    st.timedeltas(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.integers()),
)


@settings(max_examples=150, deadline=None)
@given(one=ANYTHING, two=ANYTHING, three=ANYTHING)
def test_no_value_gets_more_than_an_exception(one: Any, two: Any, three: Any) -> None:
    clock = cotas.ManualClock(datetime(2026, 5, 20, tzinfo=timezone.utc))
    from conftest import furnish

    with cotas.in_memory(clock=clock) as engine:
        acme = furnish(engine)
        calls: list[Callable[[], object]] = [
            lambda: acme.consume(one, two, key=three),
            lambda: acme.perform("send_sms", quantity=one, at=two, contact=three),
            lambda: acme.admit("sessions", contact=one, channel=two, at=three),
            lambda: acme.reserve(one, ttl=two, key=three),
            lambda: acme.lease("calls", one, ttl=two, key=three),
            lambda: acme.meter("storage_mb").set(one, key=two),
            lambda: acme.rate("pair_rate").pass_(one, two),
            lambda: engine.consume(one, two, three),
            lambda: engine.grant("acme", one, two, expires_at=three),
            lambda: engine.set_limit("acme", one, two),
            lambda: engine.set_status("acme", one, reason=two),
            lambda: engine.usage("acme", one, since=two, until=three),
            lambda: engine.payment_event(one, two, three),
            lambda: engine.create_tenant(one, time_zone=two, limits=three),
        ]
        for call in calls:
            try:
                call()
            except Exception:  # noqa: BLE001  # Any, but no panic: that is none of these.
                pass
        assert engine.verify() == ()
