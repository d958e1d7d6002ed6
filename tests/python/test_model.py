"""The engine against a naive model: a few dictionaries and plain rules, driven by hypothesis."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import cotas
from conftest import furnish
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

START = datetime(2026, 5, 20, 15, tzinfo=timezone.utc)
RENEWALS = [
    datetime(2026, month, 11, 3, tzinfo=timezone.utc) for month in range(6, 13)
]  # 00:00 in São Paulo, the day after each due date.
WINDOW = timedelta(hours=24)
TTL = timedelta(seconds=60)
KEPT = timedelta(days=7)

CONTACTS = st.sampled_from(["c-1", "c-2", "c-3"])
HOLDERS = st.sampled_from(["call-1", "call-2", "call-3"])
KEYS = st.sampled_from(["k-1", "k-2"])


class Model:
    """What a tenant on the plan of the tests may do, kept without any care for speed."""

    def __init__(self) -> None:
        self.now = START
        self.plan = {"sms": 10, "credits": 1000, "sessions": 2}
        self.left = dict(self.plan)
        self.extra = {"sms": 0, "credits": 0, "sessions": 0}
        self.sessions: dict[str, datetime] = {}
        self.leases: dict[str, datetime] = {}
        self.storage = 0

    def advance(self, by: timedelta) -> None:
        """Moves on; each boundary that is passed restores the plan's units."""
        before, self.now = self.now, self.now + by
        if any(before < renewal <= self.now for renewal in RENEWALS):
            self.left = dict(self.plan)
        self.leases = {who: until for who, until in self.leases.items() if until > self.now}

    def available(self, resource: str) -> int:
        return self.left[resource] + self.extra[resource]

    def charge(self, units: dict[str, int]) -> bool:
        """All of it, or nothing: of the plan first, then of what was bought."""
        if any(self.available(resource) < wanted for resource, wanted in units.items()):
            return False
        for resource, wanted in units.items():
            of_plan = min(wanted, self.left[resource])
            self.left[resource] -= of_plan
            self.extra[resource] -= wanted - of_plan
        return True

    def receive(self, contact: str) -> bool:
        """An inbound message opens a session, or moves the end of the open one. One that ended less
        than 7 days ago is remembered, and a message of now is not within it."""
        is_open = self.sessions.get(contact, START) > self.now
        if not is_open and not self.charge({"sessions": 1}):
            return False
        self.sessions[contact] = self.now + WINDOW
        return True

    def lease(self, holder: str) -> bool:
        if holder not in self.leases and len(self.leases) >= 2:
            return False
        self.leases[holder] = self.now + TTL
        return True


class Quotas(RuleBasedStateMachine):
    """Every rule does the same to both, and compares what they say."""

    held: Bundle[Any] = Bundle("held")

    @initialize()
    def open(self) -> None:
        self.clock = cotas.ManualClock(START)
        self.engine = cotas.in_memory(clock=self.clock)
        self.tenant = furnish(self.engine)
        self.model = Model()
        self.keys: dict[str, tuple[int, datetime]] = {}

    @rule(units=st.integers(1, 12))
    def consume(self, units: int) -> None:
        decision = self.tenant.consume("sms", units)
        assert bool(decision) == self.model.charge({"sms": units})
        assert decision.available == self.model.available("sms")

    @rule(units=st.integers(1, 12))
    def check(self, units: int) -> None:
        assert bool(self.tenant.check("sms", units)) == (self.model.available("sms") >= units)

    @rule(units=st.integers(1, 5))
    def perform(self, units: int) -> None:
        decision = self.tenant.perform("send_sms", quantity=units)
        assert bool(decision) == self.model.charge({"sms": units, "credits": 1})

    @rule(key=KEYS, units=st.integers(1, 3))
    def consume_once(self, key: str, units: int) -> None:
        known, until = self.keys.get(key, (0, START))
        is_known = until > self.model.now
        if is_known and known != units:
            try:
                self.tenant.consume("credits", units, key=key)
            except cotas.IdempotencyConflict:
                return
            raise AssertionError("a key took other arguments")
        decision = self.tenant.consume("credits", units, key=key)
        if is_known:
            assert decision and decision.replayed
        elif self.model.charge({"credits": units}):
            assert decision and not decision.replayed
            self.keys[key] = (units, self.model.now + KEPT)
        else:
            assert not decision

    @rule(contact=CONTACTS)
    def receive(self, contact: str) -> None:
        decision = self.tenant.perform("receive_message", channel="w", contact=contact)
        assert bool(decision) == self.model.receive(contact)
        if decision:
            assert decision.session is not None
            assert decision.session.expires_at == self.model.sessions[contact]

    @rule(target=held, units=st.integers(1, 6))
    def reserve(self, units: int) -> Any:
        reservation = self.tenant.reserve({"credits": units}, ttl=timedelta(days=300))
        assert bool(reservation) == self.model.charge({"credits": units})
        return (reservation, units, self.period()) if reservation else multiple()

    @rule(taken=consumes(held), keep=st.integers(0, 6))
    def resolve(self, taken: Any, keep: int) -> None:
        reservation, units, period = taken
        if keep == 0:
            reservation.release()
        elif keep >= units:
            reservation.commit()
        else:
            reservation.commit({"credits": keep})
        if period == self.period():
            # The plan's units last longer than any test, so that all of it was the plan's.
            self.model.left["credits"] += max(0, units - keep)

    @rule(holder=HOLDERS)
    def lease(self, holder: str) -> None:
        if self.model.available("credits") > 0:
            before = holder in self.model.leases
            lease = self.tenant.lease("calls", holder)
            assert bool(lease) == self.model.lease(holder)
            if lease:
                assert lease.outcome.acquired != before

    @rule(value=st.integers(0, 120))
    def measure(self, value: int) -> None:
        allowed = value <= 100 or value <= self.model.storage
        assert bool(self.tenant.meter("storage_mb").set(value)) == allowed
        if allowed:
            self.model.storage = value

    @rule(units=st.integers(1, 5))
    def grant(self, units: int) -> None:
        self.engine.grant("acme", "sms", units)
        self.model.extra["sms"] += units

    @rule(seconds=st.sampled_from([1, 30, 61, 3_600, 86_400, 12 * 86_400]))
    def wait(self, seconds: int) -> None:
        if self.model.now + timedelta(seconds=seconds) < RENEWALS[-1]:
            self.clock.advance(timedelta(seconds=seconds))
            self.model.advance(timedelta(seconds=seconds))

    def period(self) -> int:
        return sum(renewal <= self.model.now for renewal in RENEWALS)

    @invariant()
    def the_balances_agree(self) -> None:
        if hasattr(self, "model"):
            balances = self.engine.report("acme").balances
            for resource in self.model.plan:
                assert balances[resource].available == self.model.available(resource), resource
            assert balances["calls"].used == len(self.model.leases)
            assert balances["storage_mb"].used == self.model.storage

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            assert self.engine.verify() == ()
            self.engine.close()


TestQuotas = Quotas.TestCase
# The same cases on every run: a green run stays green.
TestQuotas.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)
