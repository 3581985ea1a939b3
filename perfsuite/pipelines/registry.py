"""What others add to the suite by name: techniques, variants, workloads and models.

An installed package adds them in a function that it names as an entry point of the group ``perfsuite``, a
project in the function ``pytest_perfsuite_register`` of its ``conftest.py``. Both are given a `Registry`.
Nothing is loaded before the first name is looked up.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from perfsuite.pipelines.families import FAMILIES
from perfsuite.pipelines.registering import RegistrationError, load_entry_points, load_file, read_handed_on

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Optimization
    from perfsuite.records import Workload

Kind = Literal["optimization", "variant", "workload", "model"]
Load = Callable[[str, Any], Any]
"""From device (``cpu``, or ``cuda`` for the current one) and torch dtype to a fresh pipeline."""
T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class ModelSource:
    """Where a registered model comes from: either a place or a function."""

    place: Path | None
    """A folder in diffusers' layout, or a .safetensors file."""
    load: Load | None
    identity: str | Path | None
    """What tells what the function returns from other weights: a text, or the files that it reads."""
    origin: str
    family: str = "sdxl"
    """What pipeline it is, by the name in `perfsuite.pipelines.families`."""


@dataclass(frozen=True)
class Registration:
    """One name, what it stands for, and the line that registered it."""

    kind: Kind
    name: str
    item: Any
    origin: str


class Registry:
    """What was registered. Every method raises `RegistrationError` for what cannot be used."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, str], Registration] = {}
        self._problems: list[str] = []
        self._files: list[Path] = []
        self._waiting: list[Path] = []
        self._installed = False
        self._who = ""

    # -- for those who register --------------------------------------------------------------------

    def optimization(self, optimization: Optimization) -> None:
        """Add a technique; it can be named in any sum, as in ``--perf-variant bf16+sdpa+NAME``."""
        origin = self._origin()
        where = f"optimization {optimization.name!r}, registered {origin},"
        for field, wanted in (
            ("apply", "a function that changes the pipeline: apply(pipe, context)"),
            ("verify", "a function that returns the evidence as one line, or raises NotEngagedError: "
             "verify(pipe, context)"),
            ("loads", "a function of the model's name that gives the files which it reads beside the model: "
             "loads=lambda model: (path,)"),
        ):  # fmt: skip
            if not callable(getattr(optimization, field)):
                raise RegistrationError(f"{where} has no {field}; give {wanted}")
        if optimization.phase < 1:
            raise RegistrationError(
                f"{where} has phase {optimization.phase}, which is the precisions' own; give 1 or more "
                "(1 attention, 2 layout and projections, 3 quantization, 4 compilation)"
            )
        for field in ("requires", "conflicts", "settings"):
            if isinstance(getattr(optimization, field), str):
                raise RegistrationError(f"{where} has a text in {field}; give a tuple of names")
        self._add("optimization", optimization.name, optimization, origin)

    def variant(self, name: str, optimizations: str) -> None:
        """Give a sum of optimizations, such as ``bf16+sdpa+qkv``, a name; it runs where it is named."""
        self._add("variant", name, optimizations, self._origin())

    def workload(self, workload: Workload) -> None:
        """Add what is to be generated; its `model` is one of the suite's, or a registered one."""
        self._add("workload", workload.name, workload, self._origin())

    def model(
        self, name: str, source: Path | Load, identity: str | Path | None = None, family: str = "sdxl"
    ) -> None:
        """Add a model.

        Args:
            name: what a workload's `model` names.
            source: a folder in diffusers' layout or a .safetensors file, as an absolute path; or a function
                from device (``cpu`` or ``cuda``) and torch dtype to a pipeline of the family, which must be a
                new one at each call.
            identity: with a function: what tells its weights from others, which baselines are kept apart
                by: a text that changes when they do (a revision), or the path of the files that it reads.
            family: what pipeline it is: ``sdxl``, ``sd15``, ``pixart``, ``sd3``, ``flux`` or ``kandinsky``.
        """
        origin = self._origin()
        where = f"model {name!r}, registered {origin},"
        if family not in FAMILIES:
            raise RegistrationError(f"{where} has the family {family!r}; give one of {', '.join(FAMILIES)}")
        if isinstance(source, Path):
            if not source.is_absolute():
                raise RegistrationError(
                    f"{where} has the relative path {str(source)!r}; "
                    f"give Path(__file__).parent / {str(source)!r}"
                )
            if identity is not None:
                raise RegistrationError(f"{where} is a path and has an identity: its files are its identity")
            self._add("model", name, ModelSource(source, None, None, origin, family), origin)
            return
        if not callable(source):
            raise RegistrationError(f"{where} is no path and no function from device and dtype to a pipeline")
        if not identity:
            raise RegistrationError(
                f"{where} is a function without an identity; give a text that changes when its weights do, "
                "or the path of the files that it reads, so that baselines of other weights never match"
            )
        self._add("model", name, ModelSource(None, source, identity, origin, family), origin)

    def _add(self, kind: Kind, name: str, item: object, origin: str) -> None:
        if not _NAME.fullmatch(name):
            raise RegistrationError(
                f"{kind} {name!r}, registered {origin}: a name is made of small letters, digits, "
                "dots, hyphens and underscores"
            )
        known = self._found.get((kind, name))
        if known is not None and known.item != item:
            raise RegistrationError(
                f"{kind} {name!r} is registered twice: {known.origin}, and {origin}; rename one of them, or "
                "uninstall one of the packages"
            )
        self._found.setdefault((kind, name), Registration(kind, name, item, origin))

    def _origin(self) -> str:
        """Who calls, and from which line."""
        caller = sys._getframe(2)
        at = f"at {caller.f_code.co_filename}:{caller.f_lineno}"
        return f"by {self._who} {at}" if self._who else at

    # -- for the suite -----------------------------------------------------------------------------

    def merged(self, kind: Kind, own: Mapping[str, T], make: Callable[[Registration], T]) -> dict[str, T]:
        """The suite's own of a kind, then what was registered, by name and made usable by `make`.

        What cannot be used is left out, and `check` says why.
        """
        self.load()
        found = dict(own)
        for registration in self.registered(kind):
            try:
                if registration.name in own:
                    raise RegistrationError("the suite has one of that name; choose another")
                found[registration.name] = make(registration)
            except ValueError as error:
                del self._found[kind, registration.name]
                said = f"{kind} {registration.name!r}, registered {registration.origin}: {error}"
                self._problems.append(said)
        return found

    def registered(self, kind: Kind | None = None) -> list[Registration]:
        """What was registered, of one kind or all, by name: in whatever order packages are loaded."""
        found = [r for r in self._found.values() if kind in (None, r.kind)]
        return sorted(found, key=lambda r: (r.kind, r.name))

    def check(self) -> None:
        """Raise `RegistrationError` if anything that was registered so far could not be."""
        if self._problems:
            raise RegistrationError("; ".join(self._problems))

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be registered, and why."""
        return tuple(self._problems)

    def load(self) -> None:
        """Call those who register and were not called yet."""
        if not self._installed:
            self._installed = True
            for who, register in load_entry_points(self._problems):
                self._call(who, register)
            self._waiting += read_handed_on()
        while self._waiting:
            path = self._waiting.pop(0)
            self._files.append(path)
            self._call("", partial(_register_file, path))

    def add_file(self, path: Path) -> None:
        """Let the function ``pytest_perfsuite_register`` of a file be called, here and in fresh processes."""
        self._waiting.append(path.resolve())

    def hand_on(self, path: Path) -> None:
        """Let it be called in fresh processes; here it was called by somebody else."""
        self._files.append(path.resolve())

    @property
    def files(self) -> tuple[Path, ...]:
        """What fresh processes must call."""
        return tuple(dict.fromkeys([*self._files, *self._waiting]))

    def _call(self, who: str, register: Callable[[Registry], object]) -> None:
        """All that one function registers, or, where it fails, nothing of it and the problem."""
        before = dict(self._found)
        self._who = who
        try:
            self.register(register)
        except RegistrationError as error:
            self._found = before
            self._problems.append(f"{who}: {error}" if who else str(error))
        finally:
            self._who = ""

    def register(self, register: Callable[[Registry], object]) -> None:
        """Call a function with this registry; whatever it raises becomes a `RegistrationError`."""
        try:
            register(self)
        except RegistrationError:
            raise
        except Exception as error:
            raise RegistrationError.of(error) from error

    def take(self) -> tuple[object, ...]:
        """The state, for `put`."""
        return dict(self._found), list(self._problems), list(self._files), list(self._waiting)

    def put(self, state: tuple[Any, ...]) -> None:
        """Forget what was registered since `take`."""
        self._found, self._problems, self._files, self._waiting = state


def _register_file(path: Path, registry: Registry) -> None:
    load_file(path)(registry)


REGISTRY = Registry()
"""That of this process."""
