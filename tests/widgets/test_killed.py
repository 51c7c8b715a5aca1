"""A real viewer is killed during edits; everything that was shown as done comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from edits_until_killed import fingerprint

from napari_usstrack.session import Session

pytestmark = pytest.mark.window
PERSON = Path(__file__).with_name("edits_until_killed.py")


def told_until_killed(clip: Path, seed: int, edits: int) -> list[str]:
    """Let a person edit; end the program without warning; returns what was shown as done."""
    environment = {**os.environ, "NAPARI_ASYNC": "0"}
    command = [sys.executable, str(PERSON), str(clip), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as viewer:
        lines = [viewer.stdout.readline() for _ in range(edits)]
        viewer.send_signal(signal.SIGKILL)
        lines += viewer.stdout.readlines()
    return [line.split()[1] for line in lines if line.endswith("\n")]


@pytest.mark.parametrize("edits", [1, 60])
def test_nothing_shown_as_done_is_lost(clip_file, edits, record_property) -> None:
    shown = told_until_killed(clip_file, seed=edits, edits=edits)
    assert len(shown) >= edits
    with Session.open(clip_file) as session:
        assert not session.annotations.names
        last = session.recoverable[-1].kind
        extra = session.recover() - len(shown)
        assert extra in (0, 1), "one more may have been done that was not shown yet"
        if extra:
            assert session.undo() if last == "do" else session.redo()
        assert fingerprint(session) == shown[-1]
        record_property("edits shown, recovered", (len(shown), len(shown) + extra))
        session.save()
    with Session.open(clip_file) as again:
        assert again.recoverable == ()
        assert fingerprint(again) == shown[-1]
