"""Make the relative links of a README absolute, for PyPI and the napari hub.

Run in a checkout that is about to be built, not in one that is committed from::

    python scripts/release_readme.py https://raw.example.org/owner/repository/v0.1.0
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

_FENCE = re.compile(r"(^```.*?^```\n?)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()(?![a-z][a-z0-9+.-]*:|//|#)([^)\s]+)", re.IGNORECASE)


def absolute(text: str, base: str, root: Path) -> tuple[str, int]:
    """Put `base` before every relative link and image outside of code.

    Parameters
    ----------
    text : str
        Markdown.
    base : str
        Where the files of `root` can be read, an https address.
    root : Path
        The folder that links are relative to.

    Returns
    -------
    text : str
    count : int
        How many links changed.

    Raises
    ------
    ValueError
        If a link leads to a file that is not there.
    """
    changed = 0

    def widen(link: re.Match[str]) -> str:
        nonlocal changed
        target = link[2].removeprefix("./")
        if not (root / target.partition("#")[0]).exists():
            raise ValueError(f"{target} is linked but is not in {root}")
        changed += 1
        return f"{link[1]}{base.rstrip('/')}/{target}"

    parts = _FENCE.split(text)
    parts[::2] = [_LINK.sub(widen, part) for part in parts[::2]]
    return "".join(parts), changed


def main() -> None:
    """Rewrite the README in place."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="https address of the files of this version")
    parser.add_argument("readme", nargs="?", type=Path, default=Path("README.md"))
    given = parser.parse_args()
    if not given.base.startswith("https://"):
        parser.error(f"{given.base} does not start with https://")
    text = given.readme.read_text(encoding="utf-8")
    try:
        text, count = absolute(text, given.base, given.readme.resolve().parent)
    except ValueError as error:
        sys.exit(f"{given.readme}: {error}")
    given.readme.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{given.readme}: {count} links made absolute\n")


if __name__ == "__main__":
    main()
