#!/usr/bin/env python3
"""Prints what the last run of the benchmarks says: ours, the peer's, the ratio, the target.

usage: summary.py [--write]

`--write` puts the table into docs/performance.md, and its first rows into the README, with date, commit
and machine. Reads the medians that criterion leaves in the target directory (`CARGO_TARGET_DIR`, else
`target`). Targets are ratios, since nanoseconds depend on the machine.
"""
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Optional

REPOSITORY = Path(__file__).resolve().parent.parent


class Row(NamedTuple):
    """Two benchmarks side by side."""

    what: str
    ours: str
    peer: str
    at_most: Optional[float] = None  # times the peer's time
    more_ns_max: Optional[float] = None  # on top of the peer's time
    per_second_min: Optional[float] = None


# By handle: 30 ns where governor's direct limiter takes 9. A session: 20 times faster.
BY_HANDLE, BY_NAME, OPENING = 30 / 9, 1.5, 1 / 20
# An operation that touches only the live file, in plain consumes by name; two of them together; an
# action that charges three resources. What one lease costs to reclaim does not depend on how many
# wait.
OPERATION, PAIR, THREE, AMONG_MANY = 3.0, 6.0, 4.0, 1.25
# Tenants that maintenance settles when 10,000 renew at the same midnight.
RENEWALS_PER_SECOND = 20_000
PLAIN = "operations/consume_by_name"
# What the C ABI may add to a decision: nothing that grows with it, so no ratio.
C_ABI_MORE_NS = 15


def operation(what: str, name: str, at_most: Optional[float] = OPERATION) -> Row:
    """An operation beside a plain consume by name."""
    return Row(what, f"operations/{name}", PLAIN, at_most)


def through_c(what: str, name: str) -> Row:
    """A decision through the C ABI beside the same in Rust."""
    return Row(what, f"c_abi/{name}_c", f"c_abi/{name}_rust", more_ns_max=C_ABI_MORE_NS)


ROWS = [
    Row("consume by handle", "consume/cotas_by_handle", "consume/governor_direct", BY_HANDLE),
    Row("consume by name", "consume/cotas_by_name", "consume/governor_keyed", BY_NAME),
    Row("  10,000 tenants", "consume_10000_tenants_1/cotas_by_name",
        "consume_10000_tenants_1/governor_keyed", BY_NAME),
    Row("  and four threads", "consume_10000_tenants_4/cotas_by_name",
        "consume_10000_tenants_4/governor_keyed", BY_NAME),
    Row("check by handle", "consume/cotas_check_by_handle", "consume/governor_direct"),
    Row("consume by handle", "consume/cotas_by_handle", "consume/sqlite_update"),
    Row("four threads, one tenant, by handle", "consume_4_threads/cotas_by_handle",
        "consume_4_threads/governor_direct"),
    Row("four threads, one tenant, by name", "consume_4_threads/cotas_by_name",
        "consume_4_threads/governor_keyed"),
    Row("admit in an open session", "admit_in_open_session/cotas_one_contact",
        "open_session/sqlite_transaction"),
    Row("  of 100,000 contacts in turn", "admit_in_open_session/cotas_all_contacts",
        "open_session/sqlite_transaction"),
    Row("open a session, 100,000 open", "open_session/cotas",
        "open_session/sqlite_transaction", OPENING),
    Row("  until SQLite has it", "open_session/cotas_with_checkpoints",
        "open_session/sqlite_transaction"),
    operation("perform, one charge", "perform"),
    operation("perform, three charges", "perform_three", THREE),
    operation("check_action", "check_action"),
    operation("admit", "admit"),
    operation("consume under a new key", "consume_new_key"),
    operation("  while another key expires", "consume_new_key_as_one_expires", None),
    operation("consume under a known key", "consume_known_key"),
    operation("meter, add", "meter_add"),
    operation("meter, subtract", "meter_subtract"),
    operation("meter, set", "meter_set"),
    operation("rate, pass", "rate_pass"),
    operation("  of 10,000 keys in turn", "rate_pass_of_10000_keys"),
    operation("lease, acquire and release", "lease_acquire_release", PAIR),
    operation("lease, renew", "lease_renew"),
    operation("reserve and commit", "reserve_commit", PAIR),
    operation("reserve and release", "reserve_release", PAIR),
    operation("consume under a new key and refund", "refund", PAIR),
    Row("lease, acquire as two expire, of 100,000", "lease_as_two_expire/of_100000",
        "lease_as_two_expire/of_10", AMONG_MANY),
    Row("seat, occupy and release", "administer/seats_occupy_release",
        "open_session/sqlite_transaction"),
    Row("grant", "administer/grant", "open_session/sqlite_transaction"),
    Row("renew a tenant, 10,000 at midnight", "renewals/cotas_maintenance",
        "renewals/sqlite_transaction_each", per_second_min=RENEWALS_PER_SECOND),
    through_c("consume by handle, through C", "consume"),
    through_c("consume by name, through C", "consume_by_name"),
    through_c("check by handle, through C", "check"),
]

PEERS = {
    "governor_direct": "governor, direct",
    "governor_keyed": "governor, keyed",
    "sqlite_update": "SQLite, guarded UPDATE",
    "sqlite_transaction": "SQLite, transaction",
    "consume_by_name": "consume by name",
    "of_10": "of 10",
    "sqlite_transaction_each": "SQLite, directly",
    "consume_rust": "from Rust",
    "consume_by_name_rust": "from Rust",
    "check_rust": "from Rust",
}


def results() -> Path:
    """Where criterion writes: a relative directory is meant from where cargo runs the benchmark."""
    target = os.environ.get("CARGO_TARGET_DIR")
    return (REPOSITORY / "core" / target if target else REPOSITORY / "target") / "criterion"


def median_ns(benchmark: str) -> Optional[float]:
    """The median time of an operation, if the benchmark was run."""
    try:
        text = (results() / benchmark / "new" / "estimates.json").read_text()
    except FileNotFoundError:
        return None
    return json.loads(text)["median"]["point_estimate"]


def time(nanoseconds: float) -> str:
    """Three digits that matter."""
    if nanoseconds < 100:
        return f"{nanoseconds:.1f} ns"
    return f"{nanoseconds:,.0f} ns"


def ratio(value: float) -> str:
    """How many times as long as the peer; below 1, how many times faster."""
    return f"{value:.2f} x" if value > 0.1 else f"1/{1 / value:.0f}"


def cells(row: Row) -> list[str]:
    """The columns of a row."""
    ours, peer = median_ns(row.ours), median_ns(row.peer)
    name = PEERS[row.peer.rpartition("/")[2]]
    if ours is None or peer is None:
        return [row.what, "not run", name, "", "", "", ""]
    target = verdict = ""
    if row.at_most is not None:
        target = "<= " + ratio(row.at_most)
        verdict = "ok" if ours <= row.at_most * peer else "over"
    if row.more_ns_max is not None:
        target = f"<= +{row.more_ns_max} ns"
        verdict = "ok" if ours - peer <= row.more_ns_max else "over"
    if row.per_second_min is not None:
        target = f">= {row.per_second_min:,}/s"
        verdict = "ok" if 1e9 / ours >= row.per_second_min else "over"
    return [row.what, time(ours), name, time(peer), ratio(ours / peer), target, verdict]


def fixed(table: list[list[str]]) -> str:
    """The table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = []
    for row in table:
        aligned = [
            cell.rjust(width) if number in (1, 3, 4, 5) else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


def markdown(table: list[list[str]]) -> str:
    """The table for a page."""
    head = ["operation", "ours", "peer", "its time", "ratio", "target", ""]
    lines = ["| " + " | ".join(row) + " |" for row in [head] + table[1:]]
    return "\n".join([lines[0], "|---|---:|---|---:|---:|---:|---|"] + lines[1:])


def run_of() -> str:
    """Which run this was."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY,
                            capture_output=True, text=True, check=True).stdout.strip()
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = model[1] if model else platform.machine()
    return (f"`make bench` has written this table: {datetime.date.today()}, commit {commit}, "
            f"{os.cpu_count()} cores of {processor}, Linux {platform.release().split('-')[0]}.")


def put(page: Path, text: str) -> None:
    """Replaces what stands between the marks of a page."""
    marked = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.S)
    before = page.read_text(encoding="utf-8")
    after, count = marked.subn(lambda match: f"{match[1]}{text}\n{match[2]}", before)
    assert count == 1, f"{page} has no marks for the figures"
    page.write_text(after, encoding="utf-8")


# What the README shows of it.
README_ROWS = ["consume by handle", "consume by name", "  10,000 tenants", "admit in an open session",
               "perform, three charges"]


def main() -> int:
    """Prints the table. Fails if a benchmark is missing, not if the machine is slow."""
    table = [["", "ours", "peer", "", "ratio", "target", ""]] + [cells(row) for row in ROWS]
    print(fixed(table))
    if any(row[1] == "not run" for row in table):
        return 1
    if "--write" in sys.argv[1:]:
        put(REPOSITORY / "docs/performance.md", run_of() + "\n\n" + markdown(table))
        first = {row[0]: row for row in reversed(table)}
        put(REPOSITORY / "README.md", markdown([table[0]] + [first[name] for name in README_ROWS]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
