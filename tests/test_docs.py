"""The pages keep what they promise: numbers, verdicts, and tests that exist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

FEATURES = 98
VERDICTS = ("have", "better", "left out", "later")


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "coming-from-dustrack.md").read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    table = page.split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_every_feature_has_a_line_and_the_count_is_right(page) -> None:
    table = rows(page, "Feature by feature")
    assert [int(row[0]) for row in table] == list(range(1, FEATURES + 1))
    assert all(len(row) == 4 and all(row) for row in table)
    found = Counter(row[2] for row in table)
    assert set(found) == set(VERDICTS)
    told = ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)
    assert f"Of {FEATURES}: {told}." in page


def test_every_trap_names_tests_that_exist(page, root) -> None:
    table = rows(page, "Traps that are gone")
    assert [row[0] for row in table if row[0].startswith("V")] == [f"V{i}" for i in range(1, 13)]
    for row in table:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
        assert named, row
        for path, name in named:
            assert f"def {name}(" in Path(root, path).read_text(encoding="utf-8"), name


def test_numpy_2_is_what_the_tests_run_on(root) -> None:
    assert int(np.__version__.split(".")[0]) >= 2
    assert re.search(r'"numpy>=[\d.]+",', (root / "pyproject.toml").read_text(encoding="utf-8"))
