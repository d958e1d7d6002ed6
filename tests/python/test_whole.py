"""The package has all that the engine has: its operations, and the fields of what it takes and gives, as
its source says them. What stands elsewhere here, or nowhere, is listed with its reason."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cotas
import pytest
from cotas import _cotas, options, reports

CORE = Path(__file__).resolve().parents[2] / "core" / "src"

OPERATIONS: dict[str, type] = {
    "Engine": cotas.Engine,
    "Tenant": cotas.Tenant,
    "Meter": cotas.Meter,
    "Rates": cotas.Rate,
    "Leases": cotas.Lease,
    "Seats": cotas.Seats,
}

ELSEWHERE: dict[str, Any] = {
    # Rust has a second operation where Python has keywords.
    "Engine::carry_plan": cotas.Engine.change_plan,
    "Engine::grant_as": cotas.Engine.grant,
    "Engine::load_catalog_confirmed": cotas.Engine.load_catalog,
    "Engine::usage_by": cotas.Engine.usage,
    "Engine::tenants_on_plans": cotas.Engine.count_tenants,
    "Seats::occupy_as": cotas.Seats.occupy,
    "Tenant::consume_then": cotas.Tenant.consume,
    "Tenant::check_then": cotas.Tenant.check,
    "Tenant::leases": cotas.Tenant.lease,
    "Tenant::perform_next": cotas.Engine.replay,
    # What is held is a context manager of its own.
    "Tenant::commit": cotas.Reservation.commit,
    "Tenant::commit_part": cotas.Reservation.commit,
    "Tenant::release": cotas.Reservation.release,
    "Tenant::sent": cotas.Reservation.sent,
    "Leases::acquire": cotas.Tenant.lease,
    "Leases::check": cotas.Tenant.check_lease,
    # Functions of the package, as Python's own modules have them.
    "Engine::open": cotas.open,
    "Engine::builder": cotas.open,
    "Engine::in_memory": cotas.in_memory,
    # A word of Python's.
    "Rates::pass": cotas.Rate.pass_,
}

NOWHERE = {
    "Engine::once": "operations take `key`",
    "Tenant::once": "operations take `key`",
    "Engine::without_waiting": "decisions wait detached, and only where they must",
    "Tenant::consume_then": "bindings read a decision where it was made; Python has it then",
    "Tenant::check_then": "the same",
    "Tenant::ttl_of_units": "what is reserved without a time to live has this one",
    "Tenant::ttl_of_action": "the same",
    "Engine::access_tokens": "they are issued where the database is: `cotas token`",
    "Engine::tenants_after": "a process of the machine reads them all: `Engine.tenants`",
    "Engine::acting_as": "what a host changes is changed by a process of the machine",
    "Engine::resource": "numbers of resources are the engine's own; Python asks by name",
    "Engine::resource_name": "and is answered by name",
}


@cache
def source() -> str:
    """All of the engine that hosts see."""
    modules = ("engine", "report", "billing")
    files = [file for module in modules for file in sorted((CORE / module).glob("*.rs"))]
    files += [CORE / "rules" / "decision.rs", CORE / "language.rs"]
    return "\n".join(file.read_text("utf-8") for file in files)


def operations(of: str) -> set[str]:
    """The names of a type's public functions."""
    blocks = re.findall(rf"^impl(?:<[^>]*>)? {of}(?:<[^>]*>)? \{{\n(.*?)^\}}", source(), re.S | re.M)
    names = [name for block in blocks for name in re.findall(r"^    pub fn (\w+)", block, re.M)]
    assert names, f"{of} has no operations: the test does not find it any more"
    return set(names)


def fields(of: str) -> set[str]:
    """The names of a structure's public fields."""
    found = re.search(rf"^pub struct {of}(?:<[^>]*>)? \{{\n(.*?)^\}}", source(), re.S | re.M)
    assert found is not None, f"there is no {of}: the test does not find it any more"
    return set(re.findall(r"^    pub (\w+):", found[1], re.M))


@pytest.mark.parametrize("of", OPERATIONS)
def test_every_operation_is_in_the_package(of: str) -> None:
    named = {f"{of}::{name}" for name in operations(of)}
    here = {f"{of}::{name}" for name in dir(OPERATIONS[of])}
    assert named - here - set(ELSEWHERE) - set(NOWHERE) == set()
    listed = {operation for operation in {**ELSEWHERE, **NOWHERE} if operation.startswith(f"{of}::")}
    assert listed <= named, "an exception for what there is not"


def test_every_operation_of_a_tenant_that_takes_a_key_takes_it_here() -> None:
    takers: dict[str, Callable[..., Any]] = {
        "perform_next": cotas.Tenant._perform_next,
        "leases": cotas.Tenant.lease,
        "meter": cotas.Meter.add,
        "rate": cotas.Rate.pass_,
    }
    for operation in operations("Once") - {"kept_for"}:
        taker = takers.get(operation) or getattr(cotas.Tenant, operation)
        assert "key" in inspect.signature(taker).parameters, operation


def test_a_tenant_is_of_the_very_class_that_has_its_operations(acme: cotas.Tenant) -> None:
    # Else the interpreter does not take its short way to them: 15 ns of a decision.
    operations = {name for name in dir(acme) if not name.startswith("_")}
    assert operations <= set(vars(type(acme)))


def parameters(function: Callable[..., Any]) -> set[str]:
    """What a function takes by name."""
    return set(inspect.signature(function).parameters)


def attributes(kind: type) -> set[str]:
    """What a value says."""
    return set(kind.__annotations__) or {name for name in dir(kind) if not name.startswith("_")}


Compared = tuple[str, set[str], dict[str, str]]
"""A structure of the engine, what there is of it here, and what is called otherwise."""

TAKEN: list[Compared] = [
    ("Builder", parameters(cotas.open), {}),
    (
        "NewTenant",
        set(options.TenantOptions.__annotations__) | {"name"},
        {"first_period_paid": "first_period"},
    ),
    ("Extra", attributes(options.Extra) | {"resource"}, {}),
    ("NewGrant", parameters(cotas.Engine.grant), {}),
    ("Terms", parameters(cotas.Engine.change_plan), {}),
    # Only what is reserved has a message of which something is reported.
    ("Details", parameters(cotas.Tenant.perform) | {"message"}, {}),
    ("Details", parameters(cotas.Tenant.check_action) | {"message"}, {}),
    ("Details", parameters(cotas.Tenant.reserve_action), {}),
    ("Details", parameters(cotas.Tenant.quote) | {"message", "campaign"}, {}),
    ("Occupancy", parameters(cotas.Seats.occupy), {}),
    ("PaymentEvent", attributes(cotas.PaymentEvent), {}),
    ("Cursor", parameters(cotas.Tenant._perform_next) | {"content"}, {}),
]

ON_PAGES = {
    # What people call a resource, and when it is midnight there, is for pages (`Engine.page`).
    ("Statement", "time_zone"),
    ("BalanceLine", "title"),
    ("Channels", "time_zone"),
    ("Channel", "title"),
}

GIVEN: list[Compared] = [
    ("Decision", attributes(cotas.Decision), {"contracted": "limit", "demo_notice": "notice"}),
    ("SessionOutcome", attributes(cotas.SessionOutcome), {}),
    ("LeaseOutcome", attributes(cotas.LeaseOutcome), {}),
    ("SourceCharge", attributes(cotas.Charge), {}),
    ("TenantReport", attributes(reports.TenantReport), {}),
    ("SubscriptionView", attributes(reports.SubscriptionView), {}),
    ("Balance", attributes(reports.Balance), {"contracted": "limit"}),
    ("GrantView", attributes(reports.Grant), {}),
    ("Statement", attributes(reports.Statement), {}),
    ("PlanSummary", attributes(reports.PlanSummary), {"due": "next_due"}),
    ("BalanceLine", attributes(reports.BalanceLine), {}),
    ("SubscriptionRecord", attributes(reports.Subscription), {"due": "next_due"}),
    ("Invoice", attributes(reports.Invoice), {"part": "instalment"}),
    ("PeriodView", attributes(reports.Period), {}),
    ("AccountHolderView", attributes(reports.AccountHolder), {}),
    ("ErasedAccount", attributes(reports.ErasedAccount), {}),
    ("Validation", attributes(reports.Validation), {}),
    ("FieldProblem", attributes(reports.FieldProblem), {}),
    ("AccountSummary", attributes(reports.AccountSummary), {}),
    ("PlanOffer", attributes(reports.PlanOffer), {}),
    ("SummaryInvoice", attributes(reports.SummaryInvoice), {}),
    ("Channels", attributes(reports.Channels), {}),
    ("Channel", attributes(reports.Channel), {"resource": "kind"}),
    ("NextCharge", attributes(reports.NextCharge), {}),
    ("OverLimit", attributes(reports.OverLimit), {}),
    ("TenantLine", attributes(reports.TenantLine), {}),
    ("PackageQuote", attributes(reports.PackageQuote), {"cents": "amount"}),
    ("Purchase", attributes(reports.Purchase), {}),
    ("Event", attributes(reports.Event), {}),
    ("AuditEntry", attributes(reports.AuditEntry), {}),
    ("Seat", attributes(reports.Seat), {}),
    ("TokenSeat", attributes(reports.TokenSeat), {}),
    ("Wording", attributes(reports.Wording), {}),
    ("Finding", attributes(reports.Finding), {}),
    ("Opening", attributes(reports.Opening), {}),
    ("Maintained", attributes(reports.Maintained), {}),
    ("Quote", attributes(reports.Quote), {}),
    ("CostLine", attributes(reports.Cost), {}),
    ("CampaignQuote", attributes(reports.CampaignQuote), {}),
    # A file's content is known to who reads files: the program `cotas replay`.
    ("Progress", attributes(cotas.Progress) | {"content"}, {}),
]


@pytest.mark.parametrize(("of", "here", "renamed"), TAKEN + GIVEN, ids=lambda it: str(it)[:20])
def test_every_field_is_in_the_package(of: str, here: set[str], renamed: dict[str, str]) -> None:
    functions = {name for name in ("open", "doctor", "restore") if hasattr(cotas, name)}
    there = operations(of) - functions if of == "Builder" else fields(of)
    there -= {name for kind, name in ON_PAGES if kind == of}
    assert {renamed.get(name, name) for name in there} - here == set()


def documented() -> list[tuple[str, str, str]]:
    """What the stubs say of each class, of what it has, and of nothing else ("")."""
    stubs = ast.parse(Path(_cotas.__file__).with_name("_cotas.pyi").read_text("utf-8"))
    found = []
    for kind in (node for node in stubs.body if isinstance(node, ast.ClassDef)):
        found.append((kind.name, "", ast.get_docstring(kind) or ""))
        for member in (node for node in kind.body if isinstance(node, ast.FunctionDef)):
            found.append((kind.name, member.name, ast.get_docstring(member) or ""))
    return [said for said in found if said[2]]


def test_help_says_what_the_stubs_say() -> None:
    stubs = documented()
    assert len(stubs) > 80, "the test does not find them any more"
    for kind, member, said in stubs:
        of = getattr(_cotas, kind)
        here = getattr(of, member).__doc__ if member else of.__doc__
        assert (here or "").split() == said.split(), f"{kind}.{member}"
