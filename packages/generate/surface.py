"""The surface that every language gets: what include/cotas.h declares, and the operations of
packages/operations.json, read into values that the writers of the languages share."""

import dataclasses
import json
import pathlib
import re

PACKAGES = pathlib.Path(__file__).resolve().parents[1]
HEADER = PACKAGES.parent / "include" / "cotas.h"

# What the languages write manually: opening and closing, and what is read once when it is loaded.
MANUAL = {
    "cotas_version", "cotas_abi_version", "cotas_options_new", "cotas_options_close",
    "cotas_options_set_durability", "cotas_options_set_maintenance",
    "cotas_options_set_checkpoint_interval_ms", "cotas_options_set_disk_timeout_ms",
    "cotas_options_set_lag_max_ms", "cotas_options_set_live_directory",
    "cotas_options_set_allow_network_file_system", "cotas_options_set_keep_open",
    "cotas_options_set_time", "cotas_engine_open",
    "cotas_engine_open_in_memory", "cotas_engine_with_durability", "cotas_engine_without_waiting",
    "cotas_engine_close", "cotas_tenant_open", "cotas_tenant_with_key_lifetime",
    "cotas_tenant_close", "cotas_reason_name", "cotas_demo_notice", "cotas_call", "cotas_doctor",
    "cotas_restore",
}  # fmt: skip

# Parameters that may be left out, with what they are then.
DEFAULTS = {
    "key": None, "token": None, "ttl_ms": 0, "at_ms": 0, "quantity": 1, "pending": False,
    "name": "catalog.toml", "details_json": {},
}  # fmt: skip
# Those that stand in their place even so, and those that are mandatory in one function.
IN_PLACE = {"details_json", "name"}
MANDATORY = {("cotas_reserve", "ttl_ms"), ("cotas_reserve_action", "ttl_ms"),
             ("cotas_reserve_action", "details_json"), ("cotas_payment_event", "token"),
             ("cotas_resource", "name")}  # fmt: skip
ENUMS = {"direction": "direction", "report": "delivery", "outcome": "delivery_outcome"}
SHORT = {"cotas_engine_now": "now", "cotas_engine_set_time": "set_time"}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What a caller gives. `kind`: text, bytes, json, flag, units, number, instant, duration or
    the name of an enum."""

    name: str
    kind: str
    default: object = ...

    @property
    def is_option(self):
        """Whether it is given by its name."""
        return self.default is not ... and self.c_name not in IN_PLACE

    @property
    def c_name(self):
        suffix = {"json": "_json", "duration": "_ms", "instant": "_ms"}.get(self.kind, "")
        return self.name + suffix


@dataclasses.dataclass(frozen=True)
class Function:
    """A function of the library. `owner`: engine, tenant or library. `result`: decision, json,
    text, payment, nothing, or the type of the number that it gives."""

    name: str
    method: str
    owner: str
    parameters: tuple
    result: str
    doc: str
    blocks: str


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation of the control plane."""

    name: str
    doc: str
    arguments: tuple
    takes_key: bool


def declarations():
    """Name, declared parameters, result and comment of each function, in the header's order."""
    text = HEADER.read_text(encoding="utf-8")
    pattern = r"/\*\*\n((?: \*[^\n]*\n)+?) \*/\n([a-z][\w ]*?[ *])(cotas_\w+)\(([^)]*)\);"
    for comment, result, name, given in re.findall(pattern, text):
        lines = [line[3:] for line in comment.splitlines()]
        given = [" ".join(it.split()) for it in given.split(",") if it.strip() != "void"]
        yield name, given, result.strip(), "\n".join(lines)


def parameter(function, declared, following):
    """What a caller gives for a declared parameter; None: it is not the caller's to give."""
    kind, name = re.fullmatch(r"(.*?[ *])(\w+)", declared).groups()
    kind = kind.strip()
    if following == f"size_t {name}_len":
        kind = {"const char *": "text", "const uint8_t *": "bytes"}[kind]
    elif kind == "int32_t":
        kind = "flag" if name == "pending" else ENUMS[name]
    elif kind in ("uint64_t", "uint32_t"):
        kind = "units"
    elif kind != "int64_t":
        return None
    if name.endswith("_json"):
        kind = "json"
    elif name.endswith("_ms"):
        kind = "instant" if name in ("at_ms", "now_ms", "since_ms") else "duration"
    default = DEFAULTS.get(name, ...) if (function, name) not in MANDATORY else ...
    if function == "cotas_perform" and name in ("channel", "contact"):
        default = ""
    short = name.removesuffix("_json").removesuffix("_ms")
    return Parameter(short, kind, default)


def result_of(given):
    """What a function gives through the pointers before its error."""
    last = given[-1] if given[-1] != "struct cotas_error *error" else given[-2]
    if last == "size_t *needed":
        return "json"
    for struct in ("decision", "payment"):
        if last.startswith(f"struct cotas_{struct} *"):
            return struct
    number = re.fullmatch(r"(u?int\d+_t) \*(\w+)", last)
    if not number:
        return "nothing"
    name = number[2]
    if name == "outcome":
        return "delivery_outcome"
    return "flag" if name == "released" else number[1]


def functions():
    """All functions that the writers write."""
    for name, given, _, comment in declarations():
        if name in MANUAL:
            continue
        owner = re.fullmatch(r"const struct cotas_(engine|tenant) \*\1", given[0])
        owner = owner[1] if owner else "library"
        declared = given if owner == "library" else given[1:]
        following = [*declared[1:], ""]
        parameters = [parameter(name, *pair) for pair in zip(declared, following)]
        doc, _, rest = comment.partition("\n\nThreads:")
        blocks = " ".join(rest.split()).partition("Blocks: ")[2].partition(" Fork:")[0]
        yield Function(
            name, SHORT.get(name, name.removeprefix("cotas_")), owner,
            tuple(it for it in parameters if it), result(name, given), " ".join(doc.split()),
            blocks,
        )  # fmt: skip


def result(name, given):
    return "text" if name == "cotas_resource_name" else result_of(given)


def enums():
    """Each enum of the header: its name, and its members with their numbers."""
    text = HEADER.read_text(encoding="utf-8")
    for body, name in re.findall(r"typedef enum cotas_\w+ \{(.*?)\} cotas_(\w+);", text, re.S):
        members = re.findall(r"COTAS_(\w+) = (\d+)", body)
        yield name, {member: int(number) for member, number in members}


def short_enum(name):
    """The members of an enum, by the names that documents give them."""
    members = dict(enums())[name]
    prefix = {"delivery_outcome": "DELIVERY_", "invoice_status": "INVOICE_"}.get(name, name.upper() + "_")
    return {it.removeprefix(prefix).lower(): number for it, number in members.items()}


def structs():
    """Each struct of the header: its members with type, name and length of the array (or None)."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.S)
    for name, body in re.findall(r"typedef struct cotas_(\w+) \{(.*?)\} cotas_\1;", text, re.S):
        members = re.findall(r"(?:struct )?(\w+) (\w+)(?:\[(\d+)\])?;", body)
        yield name, [(kind, member, int(length) if length else None)
                     for kind, member, length in members]  # fmt: skip


SIZES = {"uint32_t": 4, "int32_t": 4, "uint64_t": 8, "int64_t": 8, "char": 1, "cotas_charge": 16}


def layout(wanted):
    """Where each member of a struct lies, and the size of the struct: as C lays it out."""
    at, places = 0, {}
    for kind, member, length in dict(structs())[wanted]:
        size = SIZES[kind]
        alignment = min(size, 8)
        at = (at + alignment - 1) // alignment * alignment
        places[member] = at
        at += size * (length or 1)
    return places, (at + 7) // 8 * 8


def operations():
    """All operations of the control plane but those that are functions as well."""
    typed = {it.method for it in functions() if it.owner == "engine"}
    for it in json.loads((PACKAGES / "operations.json").read_text(encoding="utf-8")):
        if it["name"] in typed:
            continue
        doc = f"{it['summary']} Result: {it['result']}. It {it['effect']}; {it['blocks']}."
        yield Operation(it["name"], doc, tuple(it["arguments"]), it["takes_key"])


def camel(name):
    """leaseAcquire of lease_acquire."""
    first, *rest = name.split("_")
    return first + "".join(it.capitalize() for it in rest)


def filled(head, items, tail, indent, *, step="  ", comma=","):
    """Items between head and tail, on as many lines as they need; `comma` follows the last."""
    one = head + ", ".join(items) + tail
    if len(one) <= 100:
        return one
    lines, line = [head.rstrip()], indent + step
    for item in items:
        if len(line) + len(item) + 2 > 101:
            lines.append(line.rstrip())
            line = indent + step
        line += item + ", "
    last = line.rstrip().removesuffix(",") + comma
    return "\n".join([*lines, last, indent + tail.lstrip()])


def wrapped(text, prefix, width=100):
    """A comment of lines that begin with a prefix."""
    import textwrap

    return "\n".join(
        textwrap.wrap(text, width, initial_indent=prefix, subsequent_indent=prefix,
                      break_long_words=False, break_on_hyphens=False)
    )  # fmt: skip
