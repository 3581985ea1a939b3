"""Recorded latencies of many benchmarks, each of many fresh processes, to judge decision rules on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

Split = Literal["all", "tune", "report"]

KEY = "latency_s"
AXES = ("benchmark", "process", "sample")


class TracesError(ValueError):
    """Traces that cannot be used; the message names file, field, place and remedy."""


@dataclass(frozen=True)
class Traces:
    """Latencies that were recorded while nothing changed."""

    latency_s: NDArray[float64]
    """By benchmark, process and sample, in order of time. Any unit will do: only ratios count."""
    names: tuple[str, ...]
    groups: tuple[str, ...]
    """The project or device of each benchmark, empty where none is known."""
    source: str
    """The file or folder, for messages."""

    def __post_init__(self) -> None:
        import numpy as np

        shape = self.latency_s.shape
        if len(shape) != len(AXES):
            raise self._error(
                f"must have {len(AXES)} dimensions ({', '.join(AXES)}), found {len(shape)}", "reshape it"
            )
        if 0 in shape:
            raise self._error(f"is empty along {AXES[shape.index(0)]}", "record something")
        for field, values in (("name", self.names), ("project", self.groups)):
            if len(values) != shape[0]:
                raise self._error(
                    f"has {shape[0]} benchmarks, but there are {len(values)} values of {field}",
                    "give one a benchmark",
                )
        bad = ~(np.isfinite(self.latency_s) & (self.latency_s > 0))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            where = ", ".join(f"{axis} {i}" for axis, i in zip(AXES, at, strict=True))
            raise self._error(
                f"{where} ({self.names[at[0]]}): {self.latency_s[at]} is not positive and finite "
                f"(the first of {int(bad.sum())})",
                "cut all processes to the samples that every one has",
            )

    @property
    def benchmarks(self) -> int:
        """How many there are."""
        return int(self.latency_s.shape[0])

    @property
    def processes(self) -> int:
        """Of each benchmark."""
        return int(self.latency_s.shape[1])

    @property
    def samples(self) -> int:
        """Of each process."""
        return int(self.latency_s.shape[2])

    def require(self, processes: int, samples: int, purpose: str) -> None:
        """Raise `TracesError` unless there are that many processes, and samples in each."""
        for axis, there, needed in (("processes", self.processes, processes),
                                    ("samples a process", self.samples, samples)):  # fmt: skip
            if there < needed:
                raise self._error(
                    f"{purpose} needs {needed} {axis} of every benchmark, found {there}",
                    "record more, or choose a smaller design",
                )

    def part(self, split: str) -> Traces:
        """Return the benchmarks of every second group by name: the first for tuning, the next for the report.

        Whole groups, because benchmarks of one project resemble each other.

        Raises:
            TracesError: no such part, or no group in it.
        """
        if split not in get_args(Split):
            raise TracesError(f"split {split!r} is none of {', '.join(get_args(Split))}")
        if split == "all":
            return self
        wanted = sorted(set(self.groups))[0 if split == "tune" else 1 :: 2]
        chosen = [i for i, group in enumerate(self.groups) if group in wanted]
        if not chosen:
            raise TracesError(
                f"{self.source}, field project: only one, so there is no part {split!r}; use --split all"
            )
        return Traces(
            self.latency_s[chosen],
            tuple(self.names[i] for i in chosen),
            tuple(self.groups[i] for i in chosen),
            self.source,
        )

    def _error(self, problem: str, remedy: str) -> TracesError:
        return TracesError(f"{self.source}, field {KEY}: {problem}; {remedy}")


def load(path: str | Path) -> Traces:
    """Read an npz file: ``latency_s`` (benchmark, process, sample), and perhaps ``project`` and ``name``.

    Raises:
        TracesError: no such file, not an npz file, a key is missing, or the figures are unfit.
    """
    import zipfile

    import numpy as np

    path = Path(path)
    try:
        # Opened here: numpy leaves the file open where it is damaged. Pickled objects could run code.
        with path.open("rb") as stream:
            stored = np.load(stream, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise TracesError(f"{path}: a single array, not an npz file; write it with numpy.savez")
            if KEY not in stored.files:
                found = ", ".join(stored.files) or "nothing"
                raise TracesError(f"{path}: there is no field {KEY}, found {found}; name the array so")
            fields = {key: stored[key] for key in (KEY, "project", "name") if key in stored.files}
    except FileNotFoundError as error:
        raise TracesError(
            f"{path}: there is no such file; name an npz file or a folder of results"
        ) from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, TracesError):
            raise
        if "pickle" in str(error).lower():
            raise TracesError(
                f"{path}: not a plain npz file, or one with pickled objects, which are not read; "
                "store plain arrays of numbers and strings with numpy.savez"
            ) from error
        raise TracesError(f"{path}: not a readable npz file ({error}); write it anew") from error
    latency_s = fields[KEY]
    if latency_s.dtype.kind not in "fiu":
        raise TracesError(f"{path}, field {KEY}: must be real numbers, found {latency_s.dtype}; convert it")
    count = len(latency_s) if latency_s.ndim else 0
    return Traces(
        latency_s.astype(float),
        _strings(fields.get("name"), [f"benchmark {i}" for i in range(count)]),
        _strings(fields.get("project"), [""] * count),
        str(path),
    )


def _strings(stored: Any, default: Sequence[str]) -> tuple[str, ...]:
    return tuple(default if stored is None else (str(value) for value in stored.ravel()))
