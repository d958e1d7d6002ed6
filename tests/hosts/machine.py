"""What the tests of the hosts stand on: paths, the environment of a host, servers and requests."""

import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "hosts"
EXAMPLES = ROOT / "examples" / "hosts"
STORIES = ROOT / "tests" / "hosts"
CATALOG = ROOT / "examples" / "catalogs" / "help_desk.toml"
LIBRARIES = TARGET / "lib"
PACKAGE = TARGET / "python" / "cotas"
sys.path[:0] = [str(STORIES / "python"), str(STORIES / "tour"), str(ROOT / "packages")]
sys.dont_write_bytecode = True
os.environ.setdefault("COTAS_LIBRARY", str(LIBRARIES / "libcotas.so.1"))

STARTING_SECONDS_MAX = 60
ANSWER_SECONDS_MAX = 60
OUTPUT_SHOWN_MAX = 3_000


def lay(link, built):
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(built, link.parent))


def set_up():
    """Lays the library and the Python package where they are found by the names that installed ones
    have."""
    built = ROOT / "target" / "debug"
    lay(LIBRARIES / "libcotas.so", built / "libcotas.so")
    lay(LIBRARIES / "libcotas.so.1", built / "libcotas.so")
    lay(PACKAGE / "_cotas.abi3.so", built / "lib_cotas.so")
    for module in (ROOT / "python" / "cotas").glob("*.py"):
        lay(PACKAGE / module.name, module)


set_up()


def environment(**more):
    """The environment of a host: as if libcotas were installed."""
    linked = f"-L{LIBRARIES} -Wl,-rpath,{LIBRARIES}"
    own = {
        "LD_LIBRARY_PATH": str(LIBRARIES),
        "COTAS_HEADER": str(ROOT / "include" / "cotas_ffi.h"),
        "GEM_HOME": str(TARGET / "ruby"),
        "NODE_PATH": str(TARGET / "node" / "node_modules"),
        "CGO_CFLAGS": f"-I{ROOT / 'include'}",
        "CGO_LDFLAGS": linked,
        "GOCACHE": str(TARGET / "go-cache"),
        "GOFLAGS": "-buildvcs=false",
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**os.environ, **own, **more}


def missing(needed):
    """The first of the commands and files that is not installed."""
    return next((it for it in needed if not (shutil.which(it) or os.path.exists(it))), None)


def run(*command, cwd=ROOT, **more):
    """Runs a command to its end and gives what it printed. Raises where it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(**more), text=True, capture_output=True, timeout=170,
    )  # fmt: skip
    if done.returncode != 0:
        output = done.stdout + done.stderr
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{output}")
    return done.stdout


@contextlib.contextmanager
def database():
    """A directory for one database."""
    with tempfile.TemporaryDirectory(dir=TARGET) as directory:
        yield pathlib.Path(directory) / "quotas.db"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Server:
    """A server of a host on a free port of the loopback: a group of processes that ends as one."""

    def __init__(self, command, log, cwd=ROOT, port=None, **more):
        self.port = port or free_port()
        command = [str(it).replace("{port}", str(self.port)) for it in command]
        self._log = log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                command, cwd=cwd, env=environment(PORT=str(self.port), **more), stdout=output,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def __enter__(self):
        started = time.monotonic()
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            is_late = time.monotonic() - started > STARTING_SECONDS_MAX
            if is_late or self._process.poll() is not None:
                self._end()
                raise AssertionError(f"the server did not start:\n{self.output()}")
            time.sleep(0.02)

    def __exit__(self, *_):
        self._end()

    def _end(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)

    def output(self):
        return pathlib.Path(self._log).read_text(errors="replace")[-OUTPUT_SHOWN_MAX:]

    def request(self, method, path, body=None, headers=None):
        """Status, headers and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
