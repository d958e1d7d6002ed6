"""Which functions of the library a program called: counted by a library that stands before it, so
that it is the same in every language."""

import re
import subprocess

from machine import LIBRARIES, ROOT, TARGET

HEADER = ROOT / "include" / "cotas.h"
HEAD = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cotas.h>

/* The function of the library itself; its name is written down when it is called first. */
static void *find(const char *name) {
    static void *library;
    char line[96];
    if (library == NULL) library = dlopen(getenv("COTAS_COUNTED"), RTLD_NOW | RTLD_LOCAL);
    size_t length = strlen(strcat(strcpy(line, name), "\\n"));
    int file = open(getenv("COTAS_CALLED"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (library == NULL || write(file, line, length) != (ssize_t)length) abort();
    close(file);
    return dlsym(library, name);
}
"""


def declarations():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.S)
    return re.findall(r"^(\w[\w ]*?[ *])(cotas_\w+)\(([^)]*)\);", text, flags=re.M)


def source():
    parts = [HEAD]
    for result, name, parameters in declarations():
        given = [] if parameters == "void" else parameters.split(",")
        names = ", ".join(re.search(r"(\w+)\s*$", it)[1] for it in given)
        parts.append(f"{result}{name}({parameters}) {{\n    static __typeof__(&{name}) real;\n"
                     f'    if (real == NULL) real = find("{name}");\n'
                     f"    return real({names});\n}}\n")  # fmt: skip
    return "\n".join(parts)


def counting_library():
    """Builds it, once, where a loader finds it by the library's name."""
    place = TARGET / "counted"
    place.mkdir(exist_ok=True)
    (place / "counted.c").write_text(source(), encoding="utf-8")
    built = place / "libcotas.so.1"
    subprocess.run(
        ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", f"-I{HEADER.parent}",
         "-Wl,-soname,libcotas.so.1", place / "counted.c", "-o", built, "-ldl"],
        check=True,
    )  # fmt: skip
    return built


def counted(called):
    """The environment in which a program's calls are written to the file `called`."""
    library = counting_library()
    return {
        "COTAS_LIBRARY": str(library),
        "COTAS_COUNTED": str((LIBRARIES / "libcotas.so.1").resolve()),
        "COTAS_CALLED": str(called),
        "LD_LIBRARY_PATH": str(library.parent),
    }


def missed(called):
    """The functions that were not called."""
    names = set(called.read_text(encoding="utf-8").split())
    return sorted(name for _, name, _ in declarations() if name not in names)
