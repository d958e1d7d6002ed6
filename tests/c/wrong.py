#!/usr/bin/env python3
"""The table of wrong inputs over the C ABI, tests/wrong_inputs/c.toml: each row changes some
arguments of a call that succeeds, and has the returned code and the whole message. After each the
tenant is as it was. Usage: wrong.py LIBRARY"""

import ctypes
import pathlib
import re
import sys

import calls

try:
    import tomllib
except ImportError:
    print("not checked: the table is read by tomllib, of Python 3.11")
    sys.exit(0)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "wrong_inputs"
STRUCT_BYTES = 4096
BUFFER_BYTES = 1 << 16
TOKEN = "a-token-of-some-length"
MAY_20 = 1779278400000
NUMBERS = {
    "size_t": ctypes.c_size_t,
    **{f"int{bits}_t": getattr(ctypes, f"c_int{bits}") for bits in (32, 64)},
    **{f"uint{bits}_t": getattr(ctypes, f"c_uint{bits}") for bits in (32, 64)},
}


def functions():
    """The arguments of every function, [(type, name)], and the numbers of the codes."""
    header = (ROOT / "include" / "cotas_ffi.h").read_text(encoding="utf-8")
    signatures = {name: arguments for name, arguments, _ in calls.functions(header)}
    codes = re.findall(r"\b(COTAS_\w+) = (\d+),", header[: header.index("} cotas_code;")])
    return signatures, {name: int(number) for name, number in codes}


def spelt_out(text):
    """`<129 x>` as so many letters, `<hex ff>` as these bytes, `<file f>` as what is in a file."""
    if letters := re.fullmatch(r"<(\d+) x>", text):
        return b"x" * int(letters[1])
    if file := re.fullmatch(r"<file (.+)>", text):
        return (TABLE / file[1]).read_bytes()
    if digits := re.fullmatch(r"<hex ([0-9a-f ]*)>", text):
        return bytes.fromhex(digits[1])
    return text.encode()


class Library:
    """The library, an engine in memory with the tenants `acme` and `free`, and how to call."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.signatures, self.codes = functions()
        self.right = {}
        self.kept = []
        self.handles = {"null": None}
        options = self.make("cotas_options_new")
        self.ok("cotas_options_set_time", options=options, now_ms=MAY_20)
        engine = self.make("cotas_engine_open_in_memory", options=options)
        self.handles.update(options=options, engine=engine)
        catalog = (TABLE / "catalog.toml").read_text(encoding="utf-8")
        self.ok("cotas_load_catalog", engine=engine, text=catalog, name="catalog.toml")
        plan = '"plan": {"name": "small", "first_due": "2026-06-10", "auto_renew": true}'
        for tenant in ('{"name": "acme", %s}' % plan, '{"name": "free"}'):
            form = '{"form": %s}' % tenant
            self.ok("cotas_call", engine=engine, operation="create_tenant", arguments_json=form)
        token = '{"gateway": "asaas", "token": "%s"}' % TOKEN
        self.ok("cotas_call", engine=engine, operation="set_webhook_token", arguments_json=token)
        self.handles["tenant"] = self.make("cotas_tenant_open", engine=engine, name="acme")
        closed = self.make("cotas_tenant_open", engine=engine, name="acme")
        self.ok("cotas_tenant_close", tenant=closed)
        self.handles["closed"] = closed

    def make(self, function, **arguments):
        """Calls a function that makes a handle, and gives it."""
        code, message, made = self.call(function, arguments)
        assert code == 0, f"{function}: {message}"
        return made[-1].value

    def ok(self, function, **arguments):
        code, message, _ = self.call(function, arguments)
        assert code == 0, f"{function}: {message}"

    def call(self, function, arguments):
        """Calls a function with arguments by their names; the others are as `self.right` says, or
        0. Gives the code, the message, and the places that it wrote to."""
        signature = self.signatures[function]
        unknown = arguments.keys() - {name for _, name in signature}
        assert not unknown, f"{function} has no {unknown}"
        passed, made, length = [], [], 0
        error = ctypes.create_string_buffer(264)
        ctypes.memmove(error, (264).to_bytes(4, "little"), 4)
        for kind, name in signature:
            value = arguments.get(name, self.right.get(name))
            if name == "error":
                passed.append(error)
            elif kind.startswith("struct") and kind.endswith("**"):
                made.append(ctypes.c_void_p())
                passed.append(None if value == "<null>" else ctypes.byref(made[-1]))
            elif kind.startswith("struct") and name in calls.HANDLES:
                value = value if isinstance(value, int) else self.handle(name, value)
                passed.append(ctypes.c_void_p(value))
            elif kind.startswith("struct"):
                struct = ctypes.create_string_buffer(STRUCT_BYTES)
                size = value if isinstance(value, int) else STRUCT_BYTES
                ctypes.memmove(struct, size.to_bytes(4, "little"), 4)
                passed.append(None if value == "<null>" else struct)
            elif kind in ("char *", "uint8_t *") and name != "buffer":
                text = None if value in (None, "<null>") else spelt_out(value)
                length = 0 if text is None else len(text)
                passed.append(text)
            elif name.endswith("_len"):
                passed.append(ctypes.c_size_t(length if value is None else value))
            elif name == "buffer":
                buffer = ctypes.create_string_buffer(BUFFER_BYTES)
                made.append(buffer)
                passed.append(None if value == "<null>" else buffer)
            elif name == "capacity":
                passed.append(ctypes.c_size_t(BUFFER_BYTES if value is None else value))
            elif kind.endswith("*"):
                made.append(ctypes.c_uint64())
                passed.append(ctypes.byref(made[-1]))
            else:
                passed.append(NUMBERS[kind](value if isinstance(value, int) else 0))
        code = getattr(self.library, function)(*passed)
        return code, error.raw[8:].split(b"\0")[0].decode(), made

    def handle(self, name, value):
        named = isinstance(value, str) and value.startswith("<")
        return self.handles[value[1:-1] if named else name]

    def state(self):
        """All that is known of the tenant."""
        asked = {"operation": "report", "arguments_json": '{"tenant": "acme"}', "key": "<null>"}
        code, message, made = self.call("cotas_call", asked)
        assert code == 0, message
        return made[0].value


def complaints(library, row, internals):
    """What is wrong with how a row was answered."""
    code, message, _ = library.call(row["call"], row.get("with", {}))
    if code != library.codes[row["code"]]:
        names = {number: name for name, number in library.codes.items()}
        yield f"returned {names.get(code, code)}, should return {row['code']}"
    if message != row["says"]:
        yield f"says   {message}\n   should {row['says']}"
    yield from (f"says {message}\n   shows {it}" for it in internals if it in message.lower())


def main():
    library = Library(sys.argv[1])
    with (TABLE / "c.toml").open("rb") as file:
        table = tomllib.load(file)
    text = (TABLE / "internals.txt").read_text(encoding="utf-8")
    internals = [it for it in text.splitlines() if it and not it.startswith("# ")]
    before, failed = library.state(), 0
    for row in table["wrong"]:
        library.right = {**table["right"], **table["right_of"].get(row["call"], {})}
        for complaint in complaints(library, row, internals):
            failed += 1
            print(f"{row['call']}({row.get('with', {})})\n   {complaint}")
        assert library.state() == before, f"{row} changed the tenant"
    # What the rows leave as it is must be right, or a row says nothing of what it changes.
    for function in sorted({row["call"] for row in table["wrong"]} - set(table["never_right"])):
        library = Library(sys.argv[1])
        library.right = {**table["right"], **table["right_of"].get(function, {})}
        code, message, _ = library.call(function, {})
        if code != 0:
            failed += 1
            print(f"{function} with nothing wrong: {code} {message}")
    print(f"{len(table['wrong'])} rows")
    sys.exit(1 if failed or len(table["wrong"]) < 60 else 0)


if __name__ == "__main__":
    main()
