"""Usage: tight.py DATABASE PAGE INDEX. One unit after another from Python, with two counters in a
shared page: how often it was about to, and how often it was acknowledged."""

import mmap
import sys
import threading

import cotas

PAGE_BYTES = 64 << 10
TIGHT_AT = 64


def open_tenant(engine: cotas.Engine) -> cotas.Tenant:
    """Another may hold the tenant, and may have been stopped."""
    while True:
        try:
            return engine.tenant("tight")
        except cotas.Busy:
            pass


def main() -> None:
    """Works until standard input is closed, or until it is killed."""
    database, page_path, index = sys.argv[1], sys.argv[2], int(sys.argv[3])
    over = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    with open(page_path, "r+b") as file, mmap.mmap(file.fileno(), PAGE_BYTES) as page:
        # A store through a view of words is one store: a kill leaves the old number or the new.
        words = memoryview(page).cast("Q")
        intended, acknowledged = TIGHT_AT + 2 * index, TIGHT_AT + 2 * index + 1
        with cotas.open(database, maintenance="external") as engine:
            tenant = open_tenant(engine)
            while not over.is_set():
                words[intended] += 1
                try:
                    allowed = bool(tenant.consume("credits"))
                except cotas.Busy:
                    allowed = False
                if allowed:
                    words[acknowledged] += 1
                else:
                    words[intended] -= 1
        words.release()


main()
