"""Reservations and leases, and the context managers that they are; meters, rates and seats."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

import cotas
import pytest
from cotas import Reason


def used(tenant: cotas.Tenant, resource: str) -> int:
    """Units used of a resource, as the next decision sees them."""
    return tenant.check(resource).used - 1


def test_a_reservation_is_committed_when_its_block_ends(acme: cotas.Tenant) -> None:
    with acme.reserve({"sms": 3}) as held:
        assert held and held.id is not None and used(acme, "sms") == 3
    assert used(acme, "sms") == 3
    with pytest.raises(cotas.AlreadyResolved):
        held.release()


def test_a_reservation_is_released_when_its_block_raises(acme: cotas.Tenant) -> None:
    with pytest.raises(OSError, match="no network"), acme.reserve({"sms": 3, "credits": 1}):
        raise OSError("no network")
    assert used(acme, "sms") == used(acme, "credits") == 0


def test_a_reservation_may_be_committed_in_part(acme: cotas.Tenant) -> None:
    with acme.reserve_action("send_sms", quantity=3) as held:
        held.commit({"sms": 1, "credits": 1})
    assert used(acme, "sms") == 1
    assert "closed" in repr(held)


def test_a_denied_reservation_raises_where_its_block_begins(acme: cotas.Tenant) -> None:
    held = acme.reserve({"sms": 11})
    assert not held and held.id is None and "denied" in repr(held)
    with pytest.raises(cotas.QuotaExceeded), held:
        pytest.fail("the block must not run")
    with pytest.raises(cotas.QuotaExceeded):
        held.commit()


def test_a_reservation_that_is_out_of_time_goes_back(
    acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    held = acme.reserve({"sms": 3}, ttl=timedelta(seconds=1))
    manual_clock.advance(timedelta(seconds=2))
    assert used(acme, "sms") == 0
    with pytest.raises(cotas.AlreadyResolved, match="expired"):
        held.commit()


def test_a_reservation_lasts_five_minutes_unless_it_says_otherwise(
    acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    held = [acme.reserve(MappingProxyType({"sms": 3})), acme.reserve_action("send_sms")]
    manual_clock.advance(timedelta(minutes=5) - timedelta(milliseconds=1))
    assert used(acme, "sms") == 4
    manual_clock.advance(timedelta(milliseconds=1))
    assert used(acme, "sms") == 0
    for each in held:
        with pytest.raises(cotas.AlreadyResolved, match="expired"):
            each.commit()


def test_a_lease_is_held_while_its_block_runs(acme: cotas.Tenant) -> None:
    with acme.lease("calls", "call-1") as one, acme.lease("calls", "call-2") as two:
        assert two.fencing > one.fencing and one.outcome.acquired
        third = acme.lease("calls", "call-3")
        assert third.decision.reason is Reason.QUOTA_EXHAUSTED
        with pytest.raises(cotas.QuotaExceeded):
            _ = third.fencing
    assert acme.check_lease("calls", "call-3").used == 1


def test_a_lease_that_is_not_renewed_is_lost(
    acme: cotas.Tenant, manual_clock: cotas.ManualClock
) -> None:
    lease = acme.lease("calls", "call-1")
    manual_clock.advance(timedelta(seconds=50))
    until = lease.renew().expires_at
    assert lease.renew(timedelta(seconds=70)).expires_at - until == timedelta(seconds=10)
    manual_clock.advance(timedelta(seconds=71))
    with pytest.raises(cotas.NotHeld) as caught:
        lease.renew()
    assert caught.value.code == 417 and "call-1" not in str(caught.value)


def test_meters_go_up_within_their_limit_and_down_to_nothing(acme: cotas.Tenant) -> None:
    meter = acme.meter("storage_mb")
    assert meter.add(60).available == 40 and not meter.add(41)
    assert meter.set(100) and not meter.set(101)
    assert meter.subtract(1000).used == 0 and meter.check(100)
    assert meter.add(5, key="upload-1").used == meter.add(5, key="upload-1").used == 5


def test_rates_let_so_many_pass(acme: cotas.Tenant, manual_clock: cotas.ManualClock) -> None:
    rate = acme.rate("pair_rate")
    assert rate.pass_("c-1", 2) and rate.check("c-2")
    denied = rate.pass_("c-1")
    assert denied.reason is Reason.RATE_EXCEEDED
    assert denied.retry_after == timedelta(seconds=6)
    manual_clock.advance(timedelta(seconds=6))
    assert rate.pass_("c-1")


def test_seats_are_held_until_released(engine: cotas.Engine, acme: cotas.Tenant) -> None:
    users = acme.seats("users")
    assert users.occupy("ana@acme.br", token="secret-token") and users.occupy("ana@acme.br")
    assert users.occupy("bia@acme.br", pending=True) and users.occupy("caio@acme.br")
    assert users.occupy("davi@acme.br").reason is Reason.QUOTA_EXHAUSTED
    users.replace("caio@acme.br", "davi@acme.br")
    assert users.release("bia@acme.br") and not users.release("bia@acme.br")
    seats = {seat.holder: (seat.pending, seat.has_token) for seat in users.list()}
    assert seats == {"ana@acme.br": (False, True), "davi@acme.br": (False, False)}
    found = engine.verify_token("secret-token")
    assert found is not None and (found.tenant, found.holder) == ("acme", "ana@acme.br")
    assert engine.verify_token("another-token") is None
    with pytest.raises(cotas.NotHeld):
        users.replace("stranger", "eva@acme.br")


def test_a_send_that_fails_gives_its_session_back(acme: cotas.Tenant) -> None:
    with acme.reserve_action("send_message", contact="c-1", message="m-1") as held:
        assert held.decision.session is not None and held.decision.session.opened
        held.sent("m-1")
    assert acme.report_delivery("m-1", "sent") is cotas.DeliveryOutcome.UNCHANGED
    assert acme.report_delivery("m-1", "failed") is cotas.DeliveryOutcome.RELEASED
    assert acme.report_delivery("m-1", cotas.Delivery.READ) is cotas.DeliveryOutcome.UNCHANGED
    assert acme.report_delivery("m-2", "read") is cotas.DeliveryOutcome.UNKNOWN
    with pytest.raises(cotas.InvalidArgument):
        acme.report_delivery("m-1", "lost")
    assert acme.check("sms", 1)
    quote = acme.quote_contacts("send_message", ["c-1", "c-2", "c-1"])
    assert (quote.contacts, quote.opens, quote.available, quote.missing) == (2, 2, 2, 0)


def test_a_campaign_pays_for_its_sends(acme: cotas.Tenant) -> None:
    campaign = acme.reserve({"sessions": 1})
    assert campaign.id is not None
    first = acme.reserve_action("send_message", contact="c-1", message="m-1", campaign=campaign.id)
    assert first and not first.decision.charges
    denied = acme.perform("send_message", contact="c-2", campaign=campaign.id)
    assert denied.reason is cotas.Reason.QUOTA_EXHAUSTED
    assert acme.report_delivery("m-1", "failed") is cotas.DeliveryOutcome.RELEASED
    assert acme.perform("send_message", contact="c-2", campaign=campaign.id)
    joined = acme.perform("receive_message", contact="c-2", also="BR.2")
    assert joined.session is not None and not joined.session.opened and not joined.too_old
    with pytest.raises(cotas.InvalidArgument):
        acme.perform("send_message", contact="c-3", campaign="r-none")
