"""Ten thousand random actions, and everything undone."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import CELL_ARRAYS, KINDS, Cells, Source, Tracks
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session

ACTIONS = 10_000
FRAMES, WIDTH, HEIGHT = 6, 40, 32
NAMES = "abcdef"
SCOPES = ("interval", "marked frames", "this frame", "whole clip")


class User:
    """Someone who does anything at any time; refusals are part of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pictures = np.random.default_rng(seed).integers(0, 255, (FRAMES, HEIGHT, WIDTH))
        self.session = Session(array_video(pictures.astype(np.uint8)))
        self.session.curation.propagating = True
        self.session.curation.use("lucas-kanade", {"window": 7, "levels": 1, "iterations": 3})
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.actions = [name for name in dir(self) if name.startswith("do_")]

    def act(self) -> None:
        action = self.random.choice(self.actions)
        try:
            getattr(self, action)()
            self.done[action] += 1
        except UsstrackError:
            self.refused[action] += 1

    def name(self) -> str:
        return self.random.choice(self.session.annotations.names or ("nobody",))

    def known(self) -> str:
        if not self.session.annotations.names:
            raise UsstrackError("no point")
        return self.name()

    def frame(self) -> int:
        return self.random.randrange(FRAMES)

    def xy(self) -> tuple[float, float]:
        return self.random.uniform(0, WIDTH - 1), self.random.uniform(0, HEIGHT - 1)

    def run(self) -> str:
        return self.random.choice(["track", "other"])

    def do_place(self) -> None:
        self.session.place(self.random.choice(NAMES), self.frame(), self.xy())

    def do_place_again(self) -> None:
        self.do_place()

    def do_place_many(self) -> None:
        names = self.random.sample(NAMES, 3)
        places = {(self.frame(), name): self.random.choice([None, self.xy()]) for name in names}
        self.session.place_all("place many", places)

    def do_delete(self) -> None:
        self.session.delete(self.known(), self.frame())

    def do_add(self) -> None:
        self.session.add_point(self.random.choice(NAMES), group="g")

    def do_rename(self) -> None:
        self.session.rename_point(self.known(), self.random.choice(NAMES))

    def do_remove(self) -> None:
        self.session.remove_point(self.known())

    def do_reorder(self) -> None:
        names = list(self.session.annotations.names)
        self.random.shuffle(names)
        self.session.order_points(names)

    def do_describe(self) -> None:
        colour = f"#{self.random.randrange(1 << 24):06x}"
        self.session.describe_point(self.known(), kind=self.random.choice(KINDS), colour=colour)

    def do_step(self) -> None:
        self.session.curation.step(self.random.choice([-1, 1, 1, 3]))

    def do_step_again(self) -> None:
        self.do_step()

    def do_jump(self) -> None:
        self.session.frame = self.frame()

    def do_accept(self) -> None:
        self.session.curation.accept(self.session.frame)

    def do_accept_up_to(self) -> None:
        self.session.curation.accept_up_to(self.session.frame)

    def do_reject(self) -> None:
        self.session.curation.reject(self.session.frame, [self.known()])

    def do_run(self) -> None:
        """A method's result, or none any more."""
        name, labels = self.run(), self.session.annotations
        if self.random.random() < 0.3:
            self.session.set_run(name, None)
            return
        shape = (*labels.shape, 2)
        cells = Cells.placed(np.full(shape, self.random.uniform(0, 30)), Source.FLOW)
        arrays = {array: getattr(cells, array) for array in CELL_ARRAYS}
        self.session.curation.base = self.random.choice(["", name])
        self.session.set_run(name, Tracks(**arrays, points=labels.points, video=labels.video))

    def do_merge(self) -> None:
        policy = self.random.choice(["fill missing", "overwrite", "keep manual"])
        run = self.run()
        self.session.review.merge(run, self.session.review.plan_merge(run, policy))

    def do_copy(self) -> None:
        self.session.review.copy(self.run(), self.random.choice(SCOPES), [self.known()])

    def do_clear(self) -> None:
        self.session.review.clear(self.random.choice(SCOPES), [self.known()])

    def do_thin(self) -> None:
        self.session.review.decimate("whole clip", [self.known()], 2)

    def do_fill(self) -> None:
        self.session.review.fill(self.random.choice(SCOPES), [self.known()])

    def do_interval(self) -> None:
        self.session.review.begin_interval(self.frame())

    def do_mark(self) -> None:
        self.session.review.mark(self.frame())

    def do_check(self) -> None:
        for flag in self.session.review.flags()[:1]:
            self.random.choice([self.session.review.dismiss, self.session.review.accept])(flag)

    def do_undo(self) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self.session.undo()

    def do_redo(self) -> None:
        self.session.redo()


def state(session: Session) -> list:
    tables = {"": session.annotations, **session.runs}
    return [
        sorted(session.events.items()),
        *(
            (name, t.points, *(getattr(t, array).tobytes() for array in CELL_ARRAYS))
            for name, t in sorted(tables.items())
        ),
    ]


def test_ten_thousand_random_actions_undo_to_the_start_and_redo_to_the_end():
    user = User(seed=4)
    start = state(user.session)
    marks: dict[int, list] = {}
    for _ in range(ACTIONS):
        user.act()
        marks[len(user.session.history)] = state(user.session)
    end = state(user.session)
    steps = len(user.session.history)
    while user.session.undo():
        depth = len(user.session.history)
        if depth % 50 == 0 and depth in marks:
            assert state(user.session) == marks[depth]
    assert state(user.session) == start
    assert not user.session.curation.proposals.present.any()
    while len(user.session.history) < steps:
        assert user.session.redo()
    assert state(user.session) == end
    assert steps > 2_000
    assert all(user.done[action] > 20 for action in user.actions), user.done
