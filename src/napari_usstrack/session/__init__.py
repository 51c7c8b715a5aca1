"""What stays true while a clip is open; no window, no toolkit."""

from napari_usstrack.session.clip_session import Session
from napari_usstrack.session.jobs import Job, JobState, Runner, run_in_place

__all__ = ["Job", "JobState", "Runner", "Session", "run_in_place"]
