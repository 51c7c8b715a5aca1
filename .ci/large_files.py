"""Fail when a tracked or staged file is larger than 500 kB, a sample clip than 1 MB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIMIT_KB, SAMPLE_LIMIT_KB = 500, 1000
SAMPLES = Path("src/napari_usstrack/samples")


def limit_kb(path: Path) -> int:
    """Largest size of a file, kB."""
    return SAMPLE_LIMIT_KB if path.parent == SAMPLES else LIMIT_KB


def main() -> int:
    """Name every large file on stderr."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True)
    files = [Path(name) for name in listed.stdout.split("\0") if name]
    large = [
        path for path in files if path.is_file() and path.stat().st_size > 1000 * limit_kb(path)
    ]
    for path in large:
        sys.stderr.write(f"{path}: {path.stat().st_size // 1000} kB, limit {limit_kb(path)} kB\n")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
