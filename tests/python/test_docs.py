"""The examples of the documentation do what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_examples_of_the_documentation_are_true() -> None:
    results = doctest.testfile(
        str(DOCS), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8"
    )
    assert results.attempted > 50 and results.failed == 0
