"""Files that come with the package."""

from __future__ import annotations

from pathlib import Path

SPECKNET = Path(__file__).parent / "weights" / "specknet.safetensors"
