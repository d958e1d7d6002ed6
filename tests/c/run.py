#!/usr/bin/env python3
"""Compiles and runs the C and C++ tests of libcotas: `make test-c`.

Arguments: parts of names of tests; none: all. A tool that is missing is an error where CI=true, else
its tests are skipped, which is said. COTAS_MISUSE_SECONDS is how long misuse.c plays (20), and
COTAS_MISUSE_SEED with which numbers (1).
"""

import os
import pathlib
import pwd
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "c"
TARGET = ROOT / "target" / "c"
PREFIX = TARGET / "prefix"
HEADER = ROOT / "include" / "cotas.h"
BUILT = ROOT / "target" / "debug"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]
C11 = ["gcc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", *WARNINGS]
CPP17 = ["g++", "-std=c++17", *WARNINGS]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"]
VALGRIND += ["--fair-sched=yes"]  # Else a thread that never waits is the only one to run.
VALGRIND += ["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"]
SECONDS_MAX = 170
# Errors that no test sees, and why.
NOT_PROVOKED = {
    "COTAS_E_HANDLES": "it takes four million open handles",
    "COTAS_E_OPEN_PID_NAMESPACE": "it is retired",
    "COTAS_E_OWES": "tests/accounts.rs has a cancelled tenant that owes something",
}
TESTS = []


def test(name, *commands):
    """A test that needs some commands."""
    return lambda function: TESTS.append((name, commands, function)) or function


def run(*command, cwd=ROOT, seconds=SECONDS_MAX, user=None, **more):
    """Runs a command to its end and gives what it printed. Raises where it fails."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(PREFIX / "lib"), **more}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, text=True, capture_output=True,
        timeout=seconds, user=user,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{said}"
    return done.stdout


def build(source, *flags, compiler=None, include=PREFIX / "include", link=("-lcotas",)):
    """Compiles a program against what is installed under the prefix."""
    source = pathlib.Path(source)
    compiler = compiler or (CPP17 if source.suffix == ".cpp" else C11)
    marks = "".join(re.sub(r"\W", "", flag) for flag in flags)[:20]
    program = TARGET / f"{source.stem}{marks}"
    places = [f"-I{include}", f"-I{HERE}", f"-I{TARGET}", f"-L{PREFIX / 'lib'}"]
    run(*compiler, *flags, *places, source, "-o", program, *link, "-lpthread", "-ldl", "-lm")
    return program


def in_a_directory(*command, **more):
    """Runs a program in a directory of its own."""
    with tempfile.TemporaryDirectory(dir=TARGET) as directory:
        return run(*command, cwd=directory, **more)


def functions():
    """Every function of the header."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.S)
    return set(re.findall(r"\b(cotas_\w+)\(", text))


def set_up():
    """Installs the library as a package would: SONAME, header, cotas.pc, static library."""
    TARGET.mkdir(parents=True, exist_ok=True)
    run("make", "install-built", f"PREFIX={PREFIX}", f"BUILT={BUILT}")
    calls = run("python3", HERE / "calls.py", ROOT / "include" / "cotas_ffi.h")
    (TARGET / "calls.h").write_text(calls, encoding="utf-8")


def sanitized(source, *arguments, **more):
    """Runs a program with AddressSanitizer and UndefinedBehaviorSanitizer."""
    places = {key: more.pop(key) for key in ("include", "link") if key in more}
    return in_a_directory(build(source, *SANITIZED, **places), *arguments, **more)


def under_valgrind(source, *arguments, flags=(), **more):
    """Runs a program under Valgrind: no access that is not valid, and nothing lost at its end. All
    but quiet.c, which counts allocations in its own malloc, where Valgrind puts another one."""
    places = {key: more.pop(key) for key in ("include", "link") if key in more}
    return in_a_directory(*VALGRIND, *flags, build(source, **places), *arguments, **more)


def both(source, *arguments, **more):
    """Runs a program with the sanitizers, and again under Valgrind."""
    sanitized(source, *arguments, **more)
    return under_valgrind(source, *arguments, **more)


def clear_nodelete(library, copy):
    """Copies a library without its wish to stay mapped: DF_1_NODELETE of DT_FLAGS_1, in the table
    that PT_DYNAMIC (2) names. ELF of 64 bits, as elf(5) has it."""
    image = bytearray(library.read_bytes())
    headers, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for header in range(headers, headers + size * count, size):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", image, header)
        for entry in range(start, start + length if kind == 2 else start, 16):
            tag, value = struct.unpack_from("<QQ", image, entry)
            if tag == 0x6FFFFFFB:
                struct.pack_into("<Q", image, entry + 8, value & ~8)
    copy.write_bytes(image)


@test("every function is called with success", "gcc", "valgrind")
def operations():
    called = (HERE / "operations.c").read_text(encoding="utf-8")
    called += (HERE / "test.h").read_text(encoding="utf-8")
    forgotten = [name for name in functions() if not re.search(rf"\b{name}\(", called)]
    assert not forgotten, f"not called: {forgotten}"
    both(HERE / "operations.c")


@test("a decision allocates nothing", "gcc")
def quiet():
    in_a_directory(build(HERE / "quiet.c"))


@test("what is wrong is reported and changes nothing", "gcc", "valgrind")
def edges():
    both(HERE / "edges.c")


@test("every error of the header is provoked", "gcc", "valgrind")
def errors():
    header = HEADER.read_text(encoding="utf-8")
    codes = set(re.findall(r"\b(COTAS_\w+) = \d+,", header[: header.index("} cotas_code;")]))
    sources = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("*.c"))
    provoked = set(re.findall(r"(?:==\s*|\{)(COTAS_\w+)", sources))
    assert codes - provoked == set(NOT_PROVOKED), codes - provoked ^ set(NOT_PROVOKED)
    both(HERE / "errors.c")


@test("every wrong input is answered as the table has it")
def wrong():
    run("python3", HERE / "wrong.py", PREFIX / "lib" / "libcotas.so.1")


@test("one argument wrong at a time, and every buffer", "gcc", "valgrind")
def each():
    print("     ", sanitized(HERE / "each.c", "all").strip())
    under_valgrind(HERE / "each.c")


@test("threads and forked children", "gcc", "valgrind")
def many():
    sanitized(HERE / "many.c", "50")
    flags = ["--num-callers=50", f"--suppressions={HERE / 'forked.supp'}"]
    under_valgrind(HERE / "many.c", "5", flags=flags)


@test("a panic stops at the boundary", "gcc", "valgrind")
def panic():
    panics = TARGET / "panics"
    both(HERE / "panic.c", link=[panics / "libcotas.so.1"], LD_LIBRARY_PATH=str(panics))


@test("misuse never crashes the host", "gcc", "valgrind")
def misuse():
    seconds = int(os.environ.get("COTAS_MISUSE_SECONDS", "20"))
    seed = os.environ.get("COTAS_MISUSE_SEED", "1")
    for run_it, share in ((sanitized, 1), (under_valgrind, 2)):
        own = seconds // share
        said = run_it(HERE / "misuse.c", own, seed, seconds=own + SECONDS_MAX)
        print("     ", said.strip().splitlines()[-1])


@test("the library loaded and unloaded with each of 10,000 requests", "gcc", "valgrind")
def unload():
    program = build(HERE / "unload.c", link=())
    library = PREFIX / "lib" / "libcotas.so.1"
    goes = TARGET / "libcotas-goes.so"
    clear_nodelete(library, goes)
    # In memory: each request writes what it decided, and waits for the disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else TARGET
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        run(build(HERE / "unload_first.c"), cwd=directory)
        run(program, library, 10000, "thread", cwd=directory)
        run(program, library, 10000, "external", cwd=directory)
        run(*VALGRIND, program, library, 20, "thread", cwd=directory)
        try:
            run(program, goes, 2, "external", cwd=directory)
        except AssertionError as lost:
            assert "error 4: the handle is closed" in str(lost), lost
        else:
            raise AssertionError("a library that is unmapped passes as well")


@test("the header in C++17", "g++", "valgrind")
def plusplus():
    both(HERE / "plusplus.cpp")


@test("the header in C89, and alone", "gcc", "g++")
def c89():
    for compiler in (["gcc", "-std=c89"], ["gcc", "-std=c11"], ["g++", "-x", "c++"]):
        build(HERE / "alone.c", compiler=[*compiler, *WARNINGS])


@test("a program compiled against the first header", "gcc", "valgrind")
def frozen():
    first = HERE / "frozen"
    both(HERE / "story.c", include=first)
    sizes = [run(build(HERE / "layout.c", include=it)) for it in (first, PREFIX / "include")]
    before, now = (dict(line.split() for line in text.splitlines()) for text in sizes)
    for place, offset in before.items():
        same = now[place] == offset if "." in place else int(now[place]) >= int(offset)
        assert same, f"{place} was {offset} and is {now[place]}"


@test("linked statically", "gcc")
def static():
    archive = [PREFIX / "lib" / "libcotas.a"]
    program = build(HERE / "story.c", "-DSTATIC", link=archive)
    in_a_directory(program, LD_LIBRARY_PATH="")
    needed = run("readelf", "-d", program)
    assert "libcotas" not in needed, needed


@test("exactly the header's functions are exported", "nm", "readelf")
def exported():
    symbols = run("nm", "-D", "--defined-only", PREFIX / "lib" / "libcotas.so.1").splitlines()
    found = {line.split()[-1].split("@")[0] for line in symbols}
    assert found == functions(), sorted(found ^ functions())
    dynamic = run("readelf", "-d", PREFIX / "lib" / "libcotas.so.1")
    assert "[libcotas.so.1]" in dynamic and "NODELETE" in dynamic, dynamic


@test("one version: Cargo.toml, header, library, cotas.pc", "readelf", "pkg-config")
def version():
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.*)"', cargo, flags=re.M)[1]
    parts = zip(("MAJOR", "MINOR", "PATCH"), version.split("."))
    header = HEADER.read_text(encoding="utf-8")
    for line in (f'VERSION "{version}"', *(f"VERSION_{name} {part}" for name, part in parts)):
        assert f"#define COTAS_{line}\n" in header, line
    found = run("pkg-config", "--modversion", "cotas",
                PKG_CONFIG_PATH=str(PREFIX / "lib" / "pkgconfig"))  # fmt: skip
    assert found.strip() == version, found
    package = (ROOT / "ffi" / "Cargo.toml").read_text(encoding="utf-8")
    packaged = re.search(r'capi\.library\][^\[]*?\nversion = "(\d+)\.', package)[1]
    assert f"#define COTAS_ABI_VERSION {packaged}\n" in header, packaged
    dynamic = run("readelf", "-d", PREFIX / "lib" / "libcotas.so")
    assert f"[libcotas.so.{packaged}]" in dynamic, dynamic


@test("the program of docs/c-api.md", "gcc", "valgrind")
def guide():
    text = (ROOT / "docs" / "c-api.md").read_text(encoding="utf-8")
    program = TARGET / "guide.c"
    program.write_text(re.search(r"```c\n(.*?)```", text, flags=re.S)[1], encoding="utf-8")
    expected = re.search(r"```text\n(.*?)```", text, flags=re.S)[1]
    for run_it in (sanitized, under_valgrind):
        said = run_it(program)
        assert said == expected, said


@test("the lines of the README", "gcc", "valgrind")
def readme():
    lines = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    program = TARGET / "readme.c"
    program.write_text(
        "#include <cotas.h>\n"
        "#include <stddef.h>\n"
        f"static int32_t send(const cotas_tenant *tenant) {{\n{lines[1]}    return code;\n}}\n"
        f"int main(void) {{ return send(NULL) == COTAS_E_NULL ? 0 : 1; }}\n",
        encoding="utf-8",
    )
    both(program)


@test("files that root makes are the database owner's", "gcc")
def two_users():
    if os.geteuid() != 0:
        print("      SKIPPED: it takes root to be two users")
        return
    owner = pwd.getpwnam("nobody")
    story = build(HERE / "story.c", link=[PREFIX / "lib" / "libcotas.a"])
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        place.chmod(0o777)
        program = shutil.copy(story, place / "story")
        database = place / "quotas.db"
        database.touch(mode=0o640)
        os.chown(database, owner.pw_uid, owner.pw_gid)
        run(BUILT / "cotas", "catalog", "load", ROOT / "examples/catalogs/help_desk.toml",
            COTAS_DB=str(database), LD_LIBRARY_PATH="")  # fmt: skip
        for made in place.glob("quotas.db*"):
            found = made.stat()
            assert (found.st_uid, found.st_gid) == (owner.pw_uid, owner.pw_gid), made
            assert found.st_mode & 0o777 == 0o640, f"{made}: {found.st_mode:o}"
        made = {it.name for it in place.glob("quotas.db*")}
        assert {"quotas.db", "quotas.db-live", "quotas.db-lock"} <= made, made
        run(program, database, cwd=place, user=owner.pw_uid)


def main():
    wanted = sys.argv[1:]
    failed = 0
    set_up()
    for name, commands, function in TESTS:
        if wanted and not any(part in name for part in wanted):
            continue
        lacking = [it for it in commands if shutil.which(it) is None]
        begun = time.monotonic()
        try:
            if lacking and os.environ.get("CI") == "true":
                raise AssertionError(f"missing: {lacking}; see make deps")
            if lacking:
                print(f"SKIPPED {name}: missing: {lacking}; see make deps")
                continue
            function()
            print(f"ok      {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            failed += 1
            print(f"FAILED  {name}\n{problem}", flush=True)
    sys.exit(1 if failed else 0)


main()
