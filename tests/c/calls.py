#!/usr/bin/env python3
"""Writes a C function for each function of include/cotas_ffi.h that calls it with arguments that a
test picks (a_text, an_engine ...), a call of each with nothing but 0, and their list: so that no
function is forgotten. Usage: calls.py HEADER > calls.h"""

import re
import sys

HANDLES = ("options", "engine", "tenant")
STRUCTS = ("decision", "payment", "error")


def functions(header):
    """(name, [(type, name)], what it returns) of every function that takes something."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    found = []
    signature = r"\b(int32_t |const char \*)(cotas_\w+)\((?!void)([^)]*)\);"
    for kind, name, arguments in re.findall(signature, text):
        pairs = [re.match(r"(.*?[ *])(\w+)$", part.strip()).groups() for part in arguments.split(",")]
        taken = [(kind.replace("const ", "").strip(), it) for kind, it in pairs]
        found.append((name, taken, kind.strip()))
    return found


def picked(kind, name, before, after):
    """What is said before the call, and the argument."""
    handle = re.match(r"struct cotas_(\w+) (\*+)$", kind)
    if handle and handle[1] in HANDLES:
        if handle[2] == "**":
            place = f"may_be_null() ? NULL : &made_{name}"
            return f"cotas_{handle[1]} *made_{name} = NULL;", place
        return None, f"(cotas_{handle[1]} *)a_handle({HANDLES.index(handle[1])})"
    if handle and handle[1] in STRUCTS:
        return None, f"a_{handle[1]}()"
    if kind == "char *" and after == "capacity":
        return "struct space space = a_space();", "space.at"
    if kind == "char *":
        return f'struct text {name} = a_text("{name}");', f"{name}.at"
    if kind == "uint8_t *":
        return f'struct text {name} = some_bytes("{name}");', f"(const uint8_t *){name}.at"
    if kind == "size_t":
        return None, "space.capacity" if name == "capacity" else f"{before}.len"
    if kind.endswith("*"):
        return None, "a_place()"
    if name == "now_ms":
        return None, "a_time()"
    if kind == "int64_t" and name.endswith("_ms"):
        return None, "a_moment()"
    return None, f"({kind})a_number()"


def code(kind, call):
    """The number that says how a call went: a function that gives a text says no by NULL."""
    return call if kind == "int32_t" else f"{call} == NULL ? COTAS_E_NULL : COTAS_OK"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = functions(file.read())
    for name, arguments, returned in found:
        names = [it for _, it in arguments] + [""]
        parts = [
            picked(kind, it, names[index - 1], names[index + 1])
            for index, (kind, it) in enumerate(arguments)
        ]
        print(f"static int32_t call_{name}(void) {{")
        for before, _ in parts:
            if before:
                print(f"    {before}")
        call = f"{name}({', '.join(argument for _, argument in parts)})"
        print(f"    int32_t code = {code(returned, call)};")
        for kind, it in arguments:
            made = re.match(r"struct cotas_(\w+) \*\*$", kind)
            if made:
                print(f"    keep({HANDLES.index(made[1])}, made_{it});")
        print("    return code;\n}\n")
        zeros = ", ".join("NULL" if kind.endswith("*") else "0" for kind, _ in arguments)
        nothing = code(returned, f"{name}({zeros})")
        print(f"static int32_t nothing_{name}(void) {{\n    return {nothing};\n}}\n")
    print("static const struct function FUNCTIONS[] = {")
    for name, _, _ in found:
        print(f'    {{"{name}", call_{name}, nothing_{name}}},')
    print("};")


if __name__ == "__main__":
    main()
