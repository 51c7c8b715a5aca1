"""Names for points that are about to be clicked."""

from __future__ import annotations

import re
from collections.abc import Collection


def following(name: str) -> str:
    """Count a trailing number up, or start one: p1 to p2, wall to wall 2."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    if found is None:
        return f"{name} 2"
    return f"{found[1]}{int(found[2]) + 1:0{len(found[2])}d}"


def free_name(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or the first name counted up from it that is not taken."""
    name = wanted.strip() or "p1"
    while name in taken:
        name = following(name)
    return name
