from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def rewrite(root, tmp_path):
    """Run the script on a README in a folder of its own."""

    def run(text: str, base: str = "https://x.org/v1/") -> tuple[subprocess.CompletedProcess, str]:
        readme = tmp_path / "README.md"
        readme.write_text(text, encoding="utf-8")
        command = [sys.executable, root / "scripts" / "release_readme.py", base, readme]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done, readme.read_text(encoding="utf-8")

    return run


def test_relative_links_become_absolute_and_others_stay(rewrite, tmp_path) -> None:
    (tmp_path / "a.png").touch()
    kept = "[w](https://w.org) [h](#top) [m](mailto:a@b.c)\n```\n![x](none.png)\n```\n"
    done, text = rewrite(f"![a, b](a.png) [c](./a.png#part)\n{kept}")
    assert done.returncode == 0, done.stderr
    assert text == f"![a, b](https://x.org/v1/a.png) [c](https://x.org/v1/a.png#part)\n{kept}"
    again, twice = rewrite(text)
    assert again.returncode == 0
    assert twice == text


@pytest.mark.parametrize(
    ("text", "base"), [("![a](gone.png)", "https://x.org"), ("plain", "docs/images")]
)
def test_what_cannot_be_reached_is_refused(rewrite, text: str, base: str) -> None:
    done, after = rewrite(text, base)
    assert done.returncode != 0
    assert "gone.png is linked" in done.stderr or "https://" in done.stderr
    assert after == text


def test_our_readme_has_no_relative_link_left(rewrite, root, tmp_path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    shutil.copytree(root / "docs", tmp_path / "docs")
    shutil.copy(root / "CITATION.cff", tmp_path)
    done, after = rewrite(text)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\]\((?!https://|#)", after)
    assert after.count("https://x.org/v1/docs/images/") == text.count("](docs/images/")
