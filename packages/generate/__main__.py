"""Writes the bindings of all languages: `python3 packages/generate`. With --check it writes
nothing, and fails where what is committed is not what it would write."""

import sys

import go
import node
import php
import ruby
import surface

WRITERS = [go, node, php, ruby]


def main():
    stale = []
    for name, text in (file for writer in WRITERS for file in writer.files().items()):
        path = surface.PACKAGES / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"out of date: packages/{', packages/'.join(stale)}: make bindings")
    print(f"{len(stale)} files of packages written")


main()
