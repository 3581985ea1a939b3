"""Histories of performance tests with the marks that several people made in them."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.traces import TracesError

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

TOLERANCE = 5
"""Points by which a mark, or a rule, may be off."""
AGREED = 3
"""Annotators that make a change."""
_FIELDS = ("series", "values", "offset", "mark", "mark_offset")
_GROUP = re.compile(r"^(?P<group>.*?)(_split\d+)?$")


@dataclass(frozen=True)
class History:
    """One series, and what people saw in it."""

    name: str
    values: NDArray[float64]
    """As they were recorded; what is not positive and finite counts as missing."""
    marks: NDArray[int64]
    """Rows of place and annotator; the place is the first point of a new level."""

    @property
    def group(self) -> str:
        """Parts of one series belong together, and are drawn together."""
        found = _GROUP.match(self.name)
        return found["group"] if found else self.name

    @cached_property
    def logs(self) -> NDArray[float64]:
        """Logs of the values, missing ones left at the typical value so that places stay."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(self.values)
        fit = np.isfinite(logs)
        return np.where(fit, logs, np.median(logs[fit]))

    def marked(self, place: int) -> int:
        """How many annotators marked a change there."""
        near = np.abs(self.marks[:, 0] - place) <= TOLERANCE
        return len(set(self.marks[near, 1].tolist()))

    @cached_property
    def changes(self) -> tuple[int, ...]:
        """Where enough annotators agree: marks chained by the tolerance, at the place named most often."""
        chains: list[list[tuple[int, int]]] = []
        for place, annotator in sorted(map(tuple, self.marks.tolist())):
            if not chains or place - chains[-1][-1][0] > TOLERANCE:
                chains.append([])
            chains[-1].append((place, annotator))
        agreed = [chain for chain in chains if len({who for _, who in chain}) >= AGREED]
        return tuple(_mode([place for place, _ in chain]) for chain in agreed)

    @property
    def quiet(self) -> bool:
        """Whether nobody marked anything."""
        return not len(self.marks)


def _mode(places: list[int]) -> int:
    return min(set(places), key=lambda place: (-places.count(place), place))


def load(path: str | Path) -> list[History]:
    """Read an npz of ``series``, ``values``, ``offset``, ``mark`` and ``mark_offset``.

    Series ``i`` is ``values[offset[i]:offset[i + 1]]``, and its marks likewise: rows of place and annotator.

    Raises:
        TracesError: no such file, not an npz file, a field is missing, or they do not fit each other.
    """
    path = Path(path)
    try:
        # Opened here: numpy leaves the file open where it is damaged. Pickled objects could run code.
        with path.open("rb") as stream:
            stored = np.load(stream, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise TracesError(f"{path}: a single array, not an npz file; write it with numpy.savez")
            if missing := [field for field in _FIELDS if field not in stored.files]:
                raise TracesError(
                    f"{path}: there is no field {missing[0]}; a history has {', '.join(_FIELDS)}"
                )
            names, values, offset, mark, mark_offset = (stored[field] for field in _FIELDS)
    except FileNotFoundError as error:
        raise TracesError(f"{path}: there is no such file") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, TracesError):
            raise
        raise TracesError(f"{path}: not an npz file of numbers ({error}); write it with numpy.savez") from error
    _check(path, names, values, offset, "offset")
    _check(path, names, mark, mark_offset, "mark_offset")
    if mark.ndim != 2 or mark.shape[1] != 2:
        raise TracesError(f"{path}, field mark: must be rows of place and annotator, found shape {mark.shape}")
    found = [
        History(str(name), values[a:b].astype(float), mark[c:d].astype(np.int64))
        for name, a, b, c, d in zip(
            names, offset[:-1], offset[1:], mark_offset[:-1], mark_offset[1:], strict=True
        )
    ]
    for history in found:
        _check_history(path, history)
    return found


def _check(
    path: Path, names: NDArray[np.str_], rows: NDArray[float64], offset: NDArray[int64], field: str
) -> None:
    if len(offset) != len(names) + 1 or offset[0] != 0 or offset[-1] != len(rows) or (np.diff(offset) < 0).any():
        raise TracesError(
            f"{path}, field {field}: must rise from 0 to {len(rows)} in {len(names) + 1} values, one more than "
            "there are series"
        )


def _check_history(path: Path, history: History) -> None:
    if not (np.isfinite(history.values) & (history.values > 0)).any():
        raise TracesError(f"{path}, series {history.name}: no value is positive and finite; leave it out")
    places = history.marks[:, 0]
    if len(places) and not (0 <= places.min() and places.max() < len(history.values)):
        raise TracesError(f"{path}, series {history.name}: a mark lies outside its {len(history.values)} points")
