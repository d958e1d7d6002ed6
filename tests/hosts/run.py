#!/usr/bin/env python3
"""Runs what hosts in other languages do with libcotas: `make test-hosts`.

Arguments: parts of names of tests; none: all. An interpreter that is missing is an error where
CI=true, else its tests are skipped, which is said.
"""

import contextlib
import difflib
import functools
import glob
import itertools
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
import traceback

from machine import (
    CATALOG, EXAMPLES, LIBRARIES, ROOT, STORIES, TARGET, database, free_port, missing, run,
)  # fmt: skip

import compiled
import coverage
import install
import php_workers
import webhooks

NGINX_LUA = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
PHP_FPM = max(glob.glob("/usr/sbin/php-fpm*"), default="/usr/sbin/php-fpm")
JARS = ["/usr/share/java/jna.jar", "/usr/share/java/gson.jar"]
TOUR = STORIES / "tour"
TESTS = []


def test(name, *needed):
    """A test that needs some commands and files."""
    return lambda function: TESTS.append((name, needed, function)) or function


def story(*command, expected=None):
    """The same story in every language, word for word."""
    with database() as path:
        printed = run(*command, path, CATALOG)
    expected = expected or (STORIES / "story.txt").read_text(encoding="utf-8")
    lines = difflib.unified_diff(expected.splitlines(), printed.splitlines(), "expected", "printed")
    assert printed == expected, "\n".join(lines)


def tour(*command):
    """Every function, called by a package: what each step gives, and that none was left out."""
    steps = json.loads((TOUR / "steps.json").read_text(encoding="utf-8"))
    with database() as path:
        called = path.with_name("called")
        given = [TOUR / "steps.json", path, TOUR / "catalog.toml"]
        printed = run(*command, *given, **coverage.counted(called))
        lines = [json.loads(line) for line in printed.splitlines()]
        for step, line in itertools.zip_longest(steps, lines):
            expected = {"fails": step["fails"]} if "fails" in step else step
            assert line and is_in(expected, line), f"expected {step}\nfound {line}"
        assert not coverage.missed(called), f"not called: {coverage.missed(called)}"


def is_in(step, line):
    """Whether a step gave what is expected of it: of an object, those members."""
    for member in {"gives", "fails"} & set(step):
        expected, found = step[member], line.get(member, ...)
        if isinstance(expected, dict) and isinstance(found, dict):
            found = {name: found.get(name, ...) for name in expected}
        if expected != found:
            return False
    return "fails" in step or "gives" in line


def ten_lines(language, *command, fence, at=TARGET, beside=None):
    """The program of a package's README, as it stands there, against an installed package."""
    readme = (ROOT / "packages" / language / "README.md").read_text(encoding="utf-8")
    [program] = re.findall(rf"```{fence}\n(.*?)```", readme, flags=re.S)
    with tempfile.TemporaryDirectory(dir=at) as place:
        shutil.copy(CATALOG, pathlib.Path(place) / "catalog.toml")
        if beside:
            (pathlib.Path(place) / beside.name).symlink_to(beside)
        (pathlib.Path(place) / command[-1]).write_text(program, encoding="utf-8")
        # With the library that the package brings.
        printed = run(*command, cwd=place, COTAS_LIBRARY="", LD_LIBRARY_PATH="")
    assert printed == "true 198 of 200 left\n", printed


@functools.cache
def node_package():
    install.node(LIBRARIES / "libcotas.so.1", TARGET / "node")


PHP = ("php", "-d", "ffi.enable=1")


@functools.cache
def php_package():
    return install.php(LIBRARIES / "libcotas.so.1", TARGET / "php")


@test("story by PHP, the package", "php", "composer")
def php():
    story(*PHP, "tests/hosts/php/story.php", php_package())


@test("PHP: the README's program", "php", "composer")
def php_readme():
    ten_lines("php", *PHP, "program.php", fence="php", at=TARGET, beside=php_package().parent)


@test("PHP: a tour of every function", "php", "composer", "gcc")
def php_tour():
    tour(*PHP, "tests/hosts/tour/tour.php", php_package())


@test("PHP: FFI that is switched off is one sentence", "php", "composer")
def php_without_ffi():
    program = f"require '{php_package()}'; try {{ Cotas\\Engine::open('q.db'); }} " \
        "catch (Cotas\\LibraryException $error) { echo $error->getMessage(); }"
    printed = run("php", "-d", "ffi.enable=0", "-r", program)
    assert printed == (
        "PHP's FFI is switched off: set ffi.enable=1 in php.ini, "
        "or name the declarations in ffi.preload (docs/packages.md)"
    ), printed


# How each package is asked for its library, and where it says why it cannot have it.
LOADING = {
    "Node": ("node", "-e", "const c = require('cotas'); "
             "try { c.Engine.inMemory() } catch (e) { console.log(e.message) }"),
    "PHP": (*PHP, "-r", "require 'vendor/autoload.php'; try { Cotas\\Engine::inMemory(); } "
            "catch (Cotas\\LibraryException $e) { echo $e->getMessage(), PHP_EOL; }"),
    "Ruby": ("ruby", "-r", "cotas", "-e", "begin; Cotas::Engine.in_memory; "
             "rescue Cotas::LibraryError => e; puts e.message; end"),
}  # fmt: skip
STALE = """
const char *cotas_version(void) { return "0.0.9"; }
unsigned cotas_abi_version(void) { return 1; }
"""


def unfit_libraries(place):
    """A library that is not there, one of another processor, and one that is too old: with what is
    said of each."""
    absent, foreign, stale = (pathlib.Path(place) / f"{it}.so" for it in ("absent", "foreign", "stale"))
    head = bytearray((LIBRARIES / "libcotas.so.1").read_bytes()[:1 << 16])
    machines = {b"\x3e\x00": b"\xb7\x00", b"\xb7\x00": b"\x3e\x00"}
    head[18:20] = machines[bytes(head[18:20])]
    foreign.write_bytes(head)
    source = stale.with_suffix(".c")
    source.write_text(STALE, encoding="utf-8")
    run("gcc", "-shared", "-fPIC", source, "-o", stale)
    return [(absent, "was not found: install"), (foreign, "is not made for"), (stale, "is version 0.0.9")]


@test("a library that is missing, foreign or too old is one sentence", "node", "npm", "php",
      "composer", "ruby", "gcc")  # fmt: skip
def loading():
    node_package(), php_package(), ruby_package()
    with tempfile.TemporaryDirectory(dir=TARGET) as place:
        for language, command in LOADING.items():
            for library, why in unfit_libraries(place):
                said = run(*command, cwd=TARGET / "php", COTAS_LIBRARY=str(library))
                lines = said.splitlines()
                assert len(lines) == 1 and f"{library} {why}" in said, f"{language}: {said}"
                assert "the Debian package libcotas1" in said, f"{language}: {said}"


LARAVEL = [f"/usr/share/php/Illuminate/{it}/autoload.php" for it in ("Config", "Events", "Http", "Routing")]


@test("PHP: the provider and the middleware of Laravel", "php", "composer", *LARAVEL)
def php_laravel():
    with database() as path:
        printed = run(*PHP, "tests/hosts/php/laravel.php", php_package(), path, CATALOG)
    expected = (STORIES / "php" / "laravel.txt").read_text(encoding="utf-8")
    assert printed == expected, printed


@test("story by Node, the package", "node", "npm")
def node():
    node_package()
    story("node", "tests/hosts/node/story.js")


@test("Node: the README's program", "node", "npm")
def node_readme():
    node_package()
    ten_lines("node", "node", "program.mjs", fence="js", at=TARGET / "node")


@test("Node: a tour of every function", "node", "npm", "gcc")
def node_tour():
    node_package()
    tour("node", "tests/hosts/tour/tour.js")


@test("Node: loaded twice in one process, and in a thread", "node", "npm")
def node_twice():
    node_package()
    with database() as path:
        printed = run("node", "tests/hosts/node/twice.js", str(path))
    assert printed == "one database, 3 times: 3 used\n", printed


@test("Node: what waits for the disk leaves the event loop free", "node", "npm")
def node_event_loop():
    node_package()
    expected = "20 decisions, 0 of 2 done\n2 of 2 done\n"
    story("node", "tests/hosts/node/event_loop.js", expected=expected)


@test("node:cluster and node:worker_threads with 4 workers each: exactly the limit", "node", "npm")
def node_workers():
    node_package()
    expected = "4 workers: 1000 of 1000 admitted\neach unit once: true\n"
    for kind in ("cluster", "threads"):
        story("node", "tests/hosts/node/workers.js", kind, expected=expected)


@functools.cache
def ruby_package():
    install.ruby(LIBRARIES / "libcotas.so.1", TARGET / "ruby")


@test("story by Ruby, the gem", "ruby")
def ruby():
    ruby_package()
    story("ruby", "tests/hosts/ruby/story.rb")


@test("Ruby: the README's program", "ruby")
def ruby_readme():
    ruby_package()
    ten_lines("ruby", "ruby", "program.rb", fence="ruby")


@test("Ruby: a tour of every function", "ruby", "gcc")
def ruby_tour():
    ruby_package()
    tour("ruby", "tests/hosts/tour/tour.rb")


RUBY_FRAMEWORKS = ("/usr/share/doc/ruby-sidekiq", "/usr/share/doc/ruby-railties")


@test("Ruby: the middleware of Sidekiq and the Railtie", "ruby", *RUBY_FRAMEWORKS)
def ruby_frameworks():
    ruby_package()
    for name in ("sidekiq", "rails"):
        with database() as path:
            printed = run("ruby", f"tests/hosts/ruby/{name}.rb", path, CATALOG)
        expected = (STORIES / "ruby" / f"{name}.txt").read_text(encoding="utf-8")
        assert printed == expected, printed


def go_program(name, *sources):
    return install.go(TARGET / "go" / name, name, *sources)


@test("story by Go, the module", "go", "gcc")
def go():
    story(go_program("story", *(STORIES / "go").iterdir()))


@test("Go: the module's own tests", "go", "gcc")
def go_own_tests():
    run("go", "vet", ".", cwd=ROOT / "packages" / "go")
    run("go", "test", ".", cwd=ROOT / "packages" / "go")


@test("Go: the README's program", "go", "gcc")
def go_readme():
    readme = (ROOT / "packages" / "go" / "README.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```go\n(.*?)```", readme, flags=re.S)
    with tempfile.TemporaryDirectory(dir=TARGET) as place:
        source = pathlib.Path(place) / "main.go"
        source.write_text(program, encoding="utf-8")
        shutil.copy(CATALOG, source.with_name("catalog.toml"))
        printed = run(go_program("readme", source), cwd=place)
    assert printed == "true 198 of 200 left\n", printed


@test("Go: a tour of every function", "go", "gcc")
def go_tour():
    steps = json.loads((TOUR / "steps.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir=TARGET) as place:
        source = pathlib.Path(place) / "tour.go"
        source.write_text(compiled.program(steps), encoding="utf-8")
        tour(go_program("tour", source, TOUR / "show.go"))


def java(name, *sources):
    """Compiles a program and gives the command that runs it."""
    place = TARGET / "java" / name
    place.mkdir(parents=True, exist_ok=True)
    classes = ":".join([str(place), *JARS])
    strictly = ["-Xlint:all,-serial", "-Werror", "-encoding", "UTF-8"]
    run("javac", *strictly, "-cp", classes, "-d", place, *sources)
    return "java", "-cp", classes, name


@test("story by Java, JNA", "javac", *JARS)
def java_story():
    story(*java("Story", EXAMPLES / "java" / "Cotas.java", STORIES / "java" / "Story.java"))


@test("story by LuaJIT", "luajit")
def lua():
    story("luajit", "tests/hosts/lua/story.lua")


@test("story by Python, ctypes", "python3")
def python():
    story("python3", "tests/hosts/python/story.py")


@test("PHP with 4 workers: exactly the limit", "php", "composer")
def php_exactly():
    php_package()
    php_workers.exactly_the_limit_is_admitted()


@test("PHP loads the library in each of 10,000 requests", "php", "composer")
def php_loads():
    php_package()
    php_workers.the_library_is_loaded_by_each_request()


def php_preload():
    """The setting that has PHP read the declarations as it starts."""
    preloaded = php_package().parent / "cotas" / "cotas" / "native" / "cotas_preload.h"
    return "-d", f"ffi.preload={preloaded}"


def php_webhook(*settings):
    php_package()
    with placed("php", {}) as (place, _):
        webhooks.example(
            *PHP, *settings, "-S", "127.0.0.1:{port}", "webhook.php", cwd=place,
            PHP_CLI_SERVER_WORKERS="2",
        )  # fmt: skip


test("webhook in PHP", "php", "composer")(php_webhook)


@test("webhook in PHP, with the declarations preloaded", "php", "composer")
def php_webhook_preloaded():
    php_webhook(*php_preload())


@contextlib.contextmanager
def placed(language, configurations):
    """A copy of an example where its servers may write, with free ports in the place of those that
    its configurations name. `configurations`: what each says besides where root starts it, since
    workers must be those to whom the database belongs."""
    with tempfile.TemporaryDirectory(dir=TARGET) as place:
        shutil.copytree(EXAMPLES / language, place, dirs_exist_ok=True)
        if language == "php":
            (pathlib.Path(place) / "vendor").symlink_to(php_package().parent)
        files = {pathlib.Path(place) / name: more for name, more in configurations.items()}
        named = {it for file in files for it in re.findall(r":(\d+)", file.read_text("utf-8"))}
        ports = {port: free_port() for port in sorted(named)}
        for file, more in files.items():
            text = re.sub(r":(\d+)", lambda it: f":{ports[it[1]]}", file.read_text("utf-8"))
            file.write_text(text + (more if os.geteuid() == 0 else ""), "utf-8")
        yield place, ports


@test("webhook in PHP, PHP-FPM behind nginx with four workers", PHP_FPM, "nginx", "composer")
def php_fpm_webhook():
    """With the declarations read by each request, and by the master before it forks."""
    fpm = [PHP_FPM, "--allow-to-run-as-root", "-p", ".", "-y", "php-fpm.conf", "-d", "ffi.enable=1"]
    nginx = ["nginx", "-p", ".", "-c", "nginx.conf"]
    configurations = {"nginx.conf": "user root;\n", "php-fpm.conf": "user = root\n"}
    for settings in ([], php_preload()):
        with placed("php", configurations) as (place, ports):
            behind = ([*fpm, *settings], ports["9000"])
            webhooks.example(*nginx, cwd=place, port=ports["8080"], behind=behind)


@test("webhook in Node", "node", "npm")
def node_webhook():
    node_package()
    webhooks.example("node", "webhook.js", cwd=EXAMPLES / "node")


@test("webhook in Ruby, Puma with forked workers", "ruby", "puma", "rackup")
def ruby_webhook():
    ruby_package()
    webhooks.example("puma", "-C", "puma.rb", cwd=EXAMPLES / "ruby")


@test("webhook in Go", "go", "gcc")
def go_webhook():
    program = go_program("webhook", *(EXAMPLES / "go").iterdir())
    webhooks.example(program, cwd=EXAMPLES / "go")


@test("webhook in Java", "javac", *JARS)
def java_webhook():
    sources = sorted((EXAMPLES / "java").glob("*.java"))
    webhooks.example(*java("Webhook", *sources), cwd=EXAMPLES / "java")


@test("webhook in Python, with the package", "python3")
def python_webhook():
    webhooks.example("python3", "webhook.py", cwd=EXAMPLES / "python")


@test("webhook in Lua, nginx with two workers", "nginx", NGINX_LUA, "/usr/share/lua/5.1/cjson")
def lua_webhook():
    with placed("lua", {"nginx.conf": "user root;\n"}) as (place, ports):
        nginx = ["nginx", "-p", place, "-c", "nginx.conf"]
        webhooks.example(*nginx, cwd=place, port=ports["8080"])


def outcome(name, needed, function):
    """`True`: passed. `None`: skipped."""
    absent = missing(needed)
    if absent and os.environ.get("CI") != "true":
        print(f"skipped: {name}: {absent} is not installed; `make deps` installs it", flush=True)
        return None
    started = time.monotonic()
    try:
        assert absent is None, f"{absent} is not installed"
        function()
    except Exception:
        print(f"failed: {name}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"passed: {name} ({time.monotonic() - started:.1f} s)", flush=True)
    return True


def main():
    wanted = sys.argv[1:]
    chosen = [it for it in TESTS if not wanted or any(part in it[0] for part in wanted)]
    outcomes = [outcome(*it) for it in chosen]
    passed, failed = outcomes.count(True), outcomes.count(False)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)


main()
