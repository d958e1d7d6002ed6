"""The tour for languages with static types: the program that takes the steps, written from them."""

import json
import re
import sys

from machine import ROOT

sys.path.insert(0, str(ROOT / "packages" / "generate"))

import go as writer  # noqa: E402
import surface  # noqa: E402

HEAD = """\
// The tour of every function, written from tests/hosts/tour/steps.json.
package main

import (
	"os"
	"path/filepath"
	"time"

	"cotas.local/cotas"
)

func main() {
	database, catalog := os.Args[2], read(os.Args[3])
	directory := filepath.Dir(database)
	_, _, _ = catalog, directory, time.Second
"""
OPTIONS = {"now": "instant", "durability": "durability", "maintenance": "maintenance",
           "checkpoint_interval": "duration", "disk_timeout": "duration",
           "lag_max": "duration", "live_directory": "text",
           "allow_network_file_system": "flag", "keep_open": "flag"}  # fmt: skip
# Functions that are written manually: what they take, and what they give.
MANUAL = {"with_key_lifetime": (["duration"], "tenant"), "tenant": (["text"], "tenant"),
          "with_durability": (["durability"], "engine"), "without_waiting": ([], "engine"),
          "close": ([], "nothing")}  # fmt: skip


def text(value):
    """A text, with what stands for its $names."""
    if value.startswith("$directory/"):
        return f"directory + {json.dumps(value.removeprefix('$directory'))}"
    if not value.startswith("$"):
        return json.dumps(value, ensure_ascii=False)
    name, _, member = value[1:].partition(".")
    return f"{name}.{writer.pascal(member)}" if member else name


def literal(kind, value):
    """A value as Go writes it."""
    if isinstance(value, str) and value.startswith("$"):
        return text(value)
    if kind == "text":
        return text(value)
    if kind == "bytes":
        return f"[]byte({text(value)})"
    if kind == "json":
        return f"parsed(`{json.dumps(value, ensure_ascii=False)}`)"
    if kind == "instant":
        return f"time.UnixMilli({value})"
    if kind == "duration":
        return f"{value} * time.Millisecond"
    if kind in ("units", "flag"):
        return json.dumps(value)
    known = value in surface.short_enum(kind)
    return f"cotas.{writer.pascal(kind)}{writer.pascal(value)}" if known else (
        f"cotas.{writer.pascal(kind)}(99)")  # fmt: skip


def options_of(step):
    members = ", ".join(f"{writer.pascal(name)}: {literal(OPTIONS[name], value)}"
                        for name, value in step.get("options", {}).items())  # fmt: skip
    return f"cotas.Options{{{members}}}"


def call(step, functions, operations):
    """The call of a step, and what it gives."""
    on, name, given = step["on"], step["call"], step.get("given", [])
    if on == "Engine":
        path = [text(it) for it in given]
        function = "OpenWith" if name == "open" else "InMemory"
        return f"cotas.{function}({', '.join([*path, options_of(step)])})", "engine"
    if name in ("doctor", "restore"):
        paths = ", ".join([*map(text, given), "cotas.Options{}"])
        return f"cotas.{writer.pascal(name)}({paths})", "json" if name == "doctor" else "nothing"
    if name in MANUAL:
        kinds, result = MANUAL[name]
        places = ", ".join(map(literal, kinds, given))
        return f"{on}.{writer.pascal(name)}({places})", result
    if name in functions:
        function = functions[name]
        places = arguments(function, given, step.get("options", {}))
        owner = "cotas" if on == "library" else on
        return f"{owner}.{writer.pascal(name)}({places})", function.result
    operation = operations[name]
    members = {a["name"]: a for a in operation.arguments}
    kinds = {"text": "string", "one of": "string"}
    places = []
    if members:
        written = ", ".join(
            f"{writer.pascal(key)}: "
            + (text(value) if isinstance(value, str) and
               any(members[key]["is"].startswith(it) for it in kinds)
               else f"parsed(`{json.dumps(value)}`)")
            for key, value in (given or [{}])[0].items()
        )  # fmt: skip
        places.append(f"cotas.{writer.pascal(name)}Arguments{{{written}}}")
    if operation.takes_key:
        places.append(json.dumps(step.get("options", {}).get("key", "")))
    return f"{on}.{writer.pascal(name)}({', '.join(places)})", "json"


def arguments(function, given, named):
    structs = writer.options(function)
    kinds = [it for it in function.parameters if not it.is_option]
    places = [literal(it.kind, value) for it, value in zip(kinds, given)]
    places += ["nil"] * (len(kinds) - len(places))
    if structs:
        kind = "Details" if function.method == "perform" else (
            f"{writer.pascal(function.method)}Options")  # fmt: skip
        members = ", ".join(
            f"{writer.pascal(it.name)}: {literal(it.kind, named[it.name])}"
            for it in structs if it.name in named
        )  # fmt: skip
        return ", ".join([*places, f"cotas.{kind}{{{members}}}"])
    if any(it.is_option for it in function.parameters):
        places.append(json.dumps(named.get("key", "")))
    return ", ".join(places)


def program(steps):
    functions = {it.method: it for it in surface.functions()}
    operations = {it.name: it for it in surface.operations()}
    lines = [HEAD]
    for step in steps:
        written, result = call(step, functions, operations)
        saved = step.get("as")
        is_closed = step["call"] == "close"
        if is_closed:
            lines.append(f"\t{written}\n\tshow(nil, nil)")
        elif result == "nothing":
            lines.append(f"\tshow(nil, {written})")
        elif saved:
            lines.append(f"\t{saved}, err{saved} := {written}\n\tshow({saved}, err{saved})")
        else:
            lines.append(f"\tshowBoth({written})")
    codes = dict(surface.enums())["code"]
    names = ", ".join(f'{n}: "{it.removeprefix("E_").lower()}"' for it, n in codes.items())
    return "\n".join([*lines, "}\n", f"var codes = map[int]string{{{names}}}"]) + "\n"
