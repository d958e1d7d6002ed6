#!/usr/bin/env python3
"""Builds the packages of other languages with a built library inside: `make packages`.

    python3 packages/build.py --library target/release/libcotas.so --to target/packages node
"""

import argparse
import json
import pathlib
import platform
import re
import shutil
import subprocess
import zipfile

PACKAGES = pathlib.Path(__file__).resolve().parent
VERSION = re.search(r'^version = "(.*)"', (PACKAGES.parent / "Cargo.toml").read_text(), re.M)[1]
MODULE = "cotas.local/cotas"
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE")
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", "*.gem", "vendor", ".*")


def staged(language, place):
    """A copy of a package's source, in which its artefact is made."""
    stage = place / "stage" / language
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(PACKAGES / language, stage, ignore=LEFT_OUT)
    for licence in LICENCES:
        shutil.copy(PACKAGES.parent / licence, stage)
    return stage


def put_library(library, into):
    """The library without the symbols that only a debugger reads."""
    into.mkdir(parents=True)
    subprocess.run(["strip", "-o", into / "libcotas.so.1", library], check=True)


def node(library, place):
    stage = staged("node", place)
    machine = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    put_library(library, stage / "native" / f"{machine}-gnu")
    packed = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", place, stage],
        check=True, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return place / packed.stdout.split()[-1]


def php(library, place):
    """A Composer package: an archive for a repository of the kind `artifact`."""
    stage = staged("php", place)
    put_library(library, stage / "native" / f"{platform.machine()}-gnu")
    header = PACKAGES.parent / "include" / "cotas_ffi.h"
    shutil.copy(header, stage / "native")
    preloaded = '#define FFI_SCOPE "cotas"\n#define FFI_LIB "libcotas.so.1"\n' + header.read_text()
    (stage / "native" / "cotas_preload.h").write_text(preloaded, encoding="utf-8")
    folder = place / "composer"
    folder.mkdir(exist_ok=True)
    return pathlib.Path(shutil.make_archive(folder / f"cotas-{VERSION}", "zip", stage))


def ruby(library, place):
    stage = staged("ruby", place)
    put_library(library, stage / "native" / f"{platform.machine()}-gnu")
    gem = place / f"cotas-{VERSION}.gem"
    subprocess.run(
        ["gem", "build", "--quiet", "--output", gem, "cotas.gemspec"], cwd=stage, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return gem


def go(_, place):
    """A Go module: the folder of a proxy, for GOPROXY=file://. cgo links the system's library."""
    stage = staged("go", place)
    versions = place / "goproxy" / MODULE / "@v"
    shutil.rmtree(versions, ignore_errors=True)
    versions.mkdir(parents=True)
    (versions / "list").write_text(f"v{VERSION}\n", encoding="utf-8")
    information = {"Version": f"v{VERSION}", "Time": "2026-01-01T00:00:00Z"}
    (versions / f"v{VERSION}.info").write_text(json.dumps(information), encoding="utf-8")
    shutil.copy(stage / "go.mod", versions / f"v{VERSION}.mod")
    with zipfile.ZipFile(versions / f"v{VERSION}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(stage.iterdir()):
            archive.write(file, f"{MODULE}@v{VERSION}/{file.name}")
    return place / "goproxy"


BUILDERS = {"go": go, "node": node, "php": php, "ruby": ruby}


def build(language, library, place):
    """Builds one package, and gives its artefact."""
    place.mkdir(parents=True, exist_ok=True)
    return BUILDERS[language](library.resolve(), place.resolve())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    parser.add_argument("languages", nargs="*", choices=[[], *BUILDERS])
    given = parser.parse_args()
    for language in given.languages or BUILDERS:
        print(build(language, given.library, given.to))


if __name__ == "__main__":
    main()
