"""The examples of the documentation do what they say."""

from __future__ import annotations

import doctest
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

import cotas

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "python.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
CATALOG = """
[resources.sms]
kind = "allowance"
[plans.full]
title = "Plano full"
price = "299.00"
limits = { sms = 1 }
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_documentation_are_true(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    results = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8"
    )
    assert results.attempted >= 5 and results.failed == 0


def test_the_package_says_its_version() -> None:
    manifest = (ROOT / "Cargo.toml").read_text("utf-8")
    assert f'version = "{cotas.__version__}"' in manifest


def test_the_lines_of_the_readme_ask_and_explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.S)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    with cotas.open("quotas.db") as engine:
        engine.load_catalog(CATALOG)
        due = date.today() + timedelta(days=30)
        engine.create_tenant("padaria-aurora", plan="full", first_due=due, auto_renew=True)
    exec(found[1], {"cotas": cotas})
    assert capsys.readouterr().out == ""
    exec(found[1], {"cotas": cotas})
    assert capsys.readouterr().out.split()[:3] == ["quota_exhausted", "1", "1"]
