"""Small pieces cut around points, laid side by side as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Corners = NDArray[np.intp]
Points = NDArray[np.float32]
Question = tuple[Grey, Grey, Points, Points]


@dataclass(frozen=True)
class Sheet:
    """How squares of one size lie side by side.

    Attributes
    ----------
    side : int
        Height and width of a square, px.
    count : int
        Number of squares.
    columns : int
        Squares in a row; the sheet is about square itself unless told.
    """

    side: int
    count: int
    columns: int = 0

    def __post_init__(self) -> None:
        if not self.columns:
            object.__setattr__(self, "columns", ceil(sqrt(self.count)))

    @property
    def rows(self) -> int:
        """Rows of squares; the last may be incomplete."""
        return ceil(self.count / self.columns)

    @property
    def area(self) -> int:
        """Pixels of the sheet."""
        return self.side**2 * self.columns * self.rows

    @cached_property
    def corners(self) -> Corners:
        """Top left corner (x, y) of each square on the sheet, px."""
        row, column = np.divmod(np.arange(self.count), self.columns)
        return np.column_stack([column, row]) * self.side

    def fits(self, corners: Corners, frame: Grey) -> bool:
        """Whether all squares lie inside a frame."""
        height, width = frame.shape
        right, bottom = corners.max(axis=0) + self.side
        return bool(corners.min() >= 0 and right <= width and bottom <= height)

    def cut(self, frame: Grey, corners: Corners) -> Grey:
        """Cut the squares out of a frame and lay them out.

        Parameters
        ----------
        frame : uint8 ndarray, shape (height, width)
            The picture to cut from.
        corners : int ndarray, shape (count, 2)
            Where squares lie in it, top left (x, y) px, all inside.
        """
        frame = np.ascontiguousarray(frame)
        width = frame.shape[1]
        starts = np.zeros(self.rows * self.columns, dtype=np.intp)
        starts[: self.count] = corners[:, 1] * width + corners[:, 0]
        lines = starts.reshape(self.rows, 1, self.columns)
        lines = lines + np.arange(self.side)[:, None] * width
        # one item per line of a square: numpy then copies lines, not pixels
        every_line = np.ndarray(
            frame.size - self.side + 1, dtype=f"V{self.side}", buffer=frame.data, strides=1
        )
        sheet = every_line[lines].view(np.uint8)
        return sheet.reshape(self.rows * self.side, self.columns * self.side)


@cache
def _sheet(side: int, count: int, columns: int = 0) -> Sheet:
    """The sheet for `count` squares of a side, made once."""
    return Sheet(side, count, columns)


@dataclass(frozen=True, eq=False)
class Views:
    """Two pictures that show the same points of two frames.

    Attributes
    ----------
    here, there : uint8 ndarray, shape (rows, columns)
        The frames themselves, or squares cut out of them.
    to_here, to_there : float32 ndarray, shape (points, 2)
        What to add to the position of each point in the frame to find it in
        the picture, px.
    """

    here: Grey
    there: Grey
    to_here: Points
    to_there: Points

    @classmethod
    def whole(cls, here: Grey, there: Grey, xy: Points) -> Views:
        """The frames as they are."""
        nothing = np.zeros_like(xy)
        return cls(here, there, nothing, nothing)

    @classmethod
    def around(
        cls, start: Points, end: Points, here: Grey, there: Grey, room: int, grid: int = 1
    ) -> Views:
        """Squares around points where that is less than the frames, else the frames.

        Parameters
        ----------
        start, end : float32 ndarray, shape (points, 2)
            Positions in `here` and in `there`, px.
        here, there : uint8 ndarray, shape (height, width)
            The frames.
        room : int
            Pixels around a point that its square shows at least.
        grid : int
            Squares begin at multiples of it, so that pictures halved a few
            times have the same pixels as the frames.
        """
        side = 2 * room + 2 * grid
        side += -side % grid
        sheet = _sheet(side, len(start))
        if sheet.area > here.size:
            return cls.whole(here, there, start)
        first, second = (np.floor(xy).astype(np.intp) - room for xy in (start, end))
        if grid > 1:
            first, second = first - first % grid, second - second % grid
        if not (sheet.fits(first, here) and sheet.fits(second, here)):
            return cls.whole(here, there, start)
        return cls(
            sheet.cut(here, first),
            sheet.cut(there, second),
            (sheet.corners - first).astype(np.float32),
            (sheet.corners - second).astype(np.float32),
        )

    @classmethod
    def stacked(cls, parts: Sequence[Question], room: int) -> Views | None:
        """Squares of several frame pairs, or None where some do not lie in their frames.

        Parameters
        ----------
        parts : sequence of (here, there, start, end)
            Frames, and positions in them, float32, shape (points, 2), px.
        room : int
            Pixels around a point that its square shows at least.
        """
        side, columns = 2 * room + 2, ceil(sqrt(max(len(part[2]) for part in parts)))
        here, there, to_here, to_there, above = [], [], [], [], 0
        for one, other, start, end in parts:
            sheet = _sheet(side, len(start), columns)
            first, second = (np.floor(xy).astype(np.intp) - room for xy in (start, end))
            if not (sheet.fits(first, one) and sheet.fits(second, other)):
                return None
            corners = sheet.corners + (0, above)
            here.append(sheet.cut(one, first))
            there.append(sheet.cut(other, second))
            to_here.append(corners - first)
            to_there.append(corners - second)
            above += sheet.rows * side
        shifts = (np.concatenate(each).astype(np.float32) for each in (to_here, to_there))
        return cls(np.concatenate(here), np.concatenate(there), *shifts)

    @property
    def reversed(self) -> Views:
        """The same, from `there` to `here`."""
        return Views(self.there, self.here, self.to_there, self.to_here)

    def of(self, points: NDArray[np.intp]) -> Views:
        """For some of the points."""
        return Views(self.here, self.there, self.to_here[points], self.to_there[points])
