#!/usr/bin/env python3
"""Usage: benches/compare.py BASE [PAIRS [FILTER]]: `make bench-compare BASE=<commit>`.

Builds the benchmarks of this tree and of BASE, runs them in turns, and prints how the medians of each
pair relate: the middle ratio, and between which the others lie. Two builds that take turns see the same
neighbours, so that a loaded machine blurs both alike. Beside it stand instructions per decision as
callgrind counts them, which no neighbour changes.
"""

import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = ROOT / "target" / "compare"
BENCH = ["--package", "cotas", "--bench", "decisions"]
COUNTED = ["--package", "cotas", "--example", "instructions"]
TIMES = 2_000


def run(*command: str | pathlib.Path, cwd: pathlib.Path = ROOT) -> str:
    """Runs a command, which must succeed, and gives what it printed."""
    done = subprocess.run([str(it) for it in command], cwd=cwd, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def artifact(tree: pathlib.Path, *what: str) -> pathlib.Path:
    """Builds one program of a tree and says where it lies. Both trees share what they depend on."""
    place = ["--target-dir", str(WORK / "target"), "--message-format", "json"]
    lines = run("cargo", *what, *place, cwd=tree).splitlines()
    found = [json.loads(line).get("executable") for line in lines if line.startswith("{")]
    return pathlib.Path([it for it in found if it][-1])


def medians(program: pathlib.Path, home: pathlib.Path, wanted: str) -> dict[str, float]:
    """Runs the benchmarks once: the median of each, in nanoseconds."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    command = [str(program), "--bench", "--noplot", "--sample-size", "20", "--warm-up-time", "0.3"]
    command += ["--measurement-time", "1", *([wanted] if wanted else [])]
    environment = {"CRITERION_HOME": str(home), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    found = {}
    for path in home.glob("**/new/estimates.json"):
        name = "/".join(path.parent.parent.relative_to(home).parts)
        found[name] = json.loads(path.read_text())["median"]["point_estimate"]
    return found


def instructions(program: pathlib.Path) -> dict[str, float]:
    """Instructions of one operation: those of many, less those of none, divided."""

    def count(operation: str, times: int) -> int:
        out = WORK / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*command, str(program), operation, str(times)], text=True, capture_output=True, check=True
        )
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    names = run(program, "list").split()
    return {it: (count(it, TIMES) - count(it, 0)) / TIMES for it in names}


def main() -> None:
    """Compares and prints."""
    if len(sys.argv) < 2 or not sys.argv[1]:
        sys.exit("which commit is this tree to be compared with? make bench-compare BASE=<commit>")
    base = run("git", "rev-parse", "--short", sys.argv[1]).strip()
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else 7
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    tree = WORK / "base"
    run("git", "worktree", "prune")
    if tree.exists():
        run("git", "worktree", "remove", "--force", tree)
    run("git", "worktree", "add", "--detach", tree, base)
    try:
        # The counter is this tree's in both, so that both count the same operations.
        example = pathlib.Path("core/examples/instructions.rs")
        (tree / example).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / example, tree / example)
        ours = artifact(ROOT, "bench", *BENCH, "--no-run")
        theirs = artifact(tree, "bench", *BENCH, "--no-run")
        compare(ours, theirs, pairs, wanted)
        if shutil.which("valgrind") is None:
            print("instructions are not counted: there is no valgrind")
            return
        counted = ["build", "--profile", "bench", *COUNTED]
        mine = instructions(artifact(ROOT, *counted))
        other = instructions(artifact(tree, *counted))
        print(f"\n{'instructions per operation':<44} {base:>10} {'this tree':>10}  ratio")
        for name, count in mine.items():
            before = other[name]
            print(f"{name:<44} {before:>10,.0f} {count:>10,.0f} {count / before:>6.3f}")
    finally:
        run("git", "worktree", "remove", "--force", tree)


def compare(ours: pathlib.Path, theirs: pathlib.Path, pairs: int, wanted: str) -> None:
    """Runs pairs in turns, beginning with another each time."""
    ratios: dict[str, list[float]] = {}
    latest: dict[str, float] = {}
    for pair in range(pairs):
        order = [("ours", ours), ("theirs", theirs)]
        seen = {}
        for name, program in order if pair % 2 == 0 else reversed(order):
            seen[name] = medians(program, WORK / f"criterion-{name}", wanted)
        for name in seen["ours"].keys() & seen["theirs"].keys():
            ratios.setdefault(name, []).append(seen["ours"][name] / seen["theirs"][name])
            latest[name] = seen["ours"][name]
    print(f"{'time, of this tree by the base':<44} {'middle':>7}  {'least':>6} to {'most':<6}  ns now")
    for name in sorted(ratios):
        all_of_it = ratios[name]
        middle = statistics.median(all_of_it)
        spread = f"{min(all_of_it):>6.2f} to {max(all_of_it):<6.2f}"
        print(f"{name:<44} {middle:>7.3f}  {spread}  {latest[name]:,.1f}")


main()
