"""What the user asked for: read once, then frozen. Command line, then ini file, then default."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Update = Literal["never", "new", "append", "reset"]
UPDATES: tuple[str, ...] = get_args(Update)
DEVICES = ("auto", "cpu", "cuda", "cuda:N")
RUNS = ".perfsuite/runs"
"""Folder of the results, below that in which the suite is run."""


class SettingsError(ValueError):
    """An option value that means nothing; the message names the option and the nearest match."""


@dataclass(frozen=True)
class Option:
    """One option: ``--perf-<name>`` on the command line, ``perf_<name>`` in the ini file."""

    name: str
    metavar: str
    help: str
    default: str = ""
    several: bool = False
    flag: bool = False
    choices: tuple[str, ...] = ()

    @property
    def ini(self) -> str:
        return f"perf_{self.name.replace('-', '_')}"

    @property
    def flag_name(self) -> str:
        return f"--perf-{self.name}"


OPTIONS = (
    Option("workload", "NAME", "workload, may be repeated (see: perfsuite list), also at another size: "
           "sdxl-base@512x512+4steps+b2", "shapes", several=True),
    Option("variant", "NAME", "variant to run, may be repeated: a rung, or a sum such as bf16+sdpa+qkv; "
           "default: the whole ladder", several=True),
    Option("device", "DEVICE", "auto, cpu, cuda, or cuda:1 for the second GPU", "auto", choices=DEVICES),
    Option("weights", "WHERE", "auto (shipped, else the hub's cache, else the hub, else random), hub, "
           "hub:fp16, random, a folder in diffusers' layout, or a .safetensors file", "auto"),
    Option("baselines", "DIR", "folder of the baselines", "baselines"),
    Option("update", "MODE", "baselines: never written; new: where there is none; append: add this session; "
           "reset: replace by this session, accepting it", "never", choices=UPDATES),
    Option("time-budget", "SECONDS", "of the timed rounds of each benchmark", "6"),
    Option("strict", "", "fail also where there is nothing to compare with: NEW, or named and not run "
           "(NOT_JUDGED)", "no", flag=True),
    Option("confirm", "N", "fresh processes that measure a suspect again before its test fails; 0: none, and "
           "none for the sessions of a new baseline", "4"),
    Option("relative", "MODE", "measure latency also in units of the reference variant's, in turns of single "
           "steps: yes or no", "yes", choices=("yes", "no")),
    Option("load", "MODE", "where other processes take the cores that are measured: wait for a quiet moment "
           "and measure disturbed rounds again; measure as it comes; or fail", "wait",
           choices=("wait", "measure", "fail")),
    Option("look-compiled", "MODE", "look into compiled code, for which each variant is compiled once "
           "more: yes or no", "yes", choices=("yes", "no")),
    Option("captions", "N", "held-out captions that a technique which is not exact draws with and without "
           "itself, to see whether it still does the task", "100"),
    Option("judge", "WHERE", "CLIP model that scores those captions' pictures, needed where the small "
           "model's reader cannot: a folder in transformers' layout, or a repository of the hub; off: none",
           "off"),
    Option("profile", "MODE", "profile a short call after the timed ones, by operator or kernel, for "
           "perfsuite explain: yes or no", "no", choices=("yes", "no")),
    Option("results", "FILE", "where this run's results are written, one JSON line each; auto: a file of its "
           "own in .perfsuite/runs", "auto"),
    Option("keep-runs", "N", "runs that are kept in .perfsuite/runs; the oldest go, the last ladder stays",
           "30"),
    Option("artifacts", "DIR", "where pictures, maps and drift curves of failed quality tests are written",
           ".perfsuite/artifacts"),
    Option("report", "DIR", "write a report of the run there, one HTML file with its pictures; off: none",
           "off"),
    Option("history", "WHERE", "history of nights that the run is added to when it ends, a SQLite file or "
           "postgresql://USER@HOST/DATABASE; off: none", "off"),
    Option("compile-cache", "FILE", "compiled code: loaded before the first build, written after the run if "
           "it holds more; from trusted places only; off: none", "off"),
    Option("reference-cache", "DIR", "where float32 references are kept between runs, by content; off: none",
           "auto"),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The options of one run."""

    workloads: tuple[str, ...]
    variants: tuple[str, ...]
    """Empty for the whole ladder."""
    device: str
    weights: str
    baselines: Path
    update: Update
    time_budget_s: float
    strict: bool
    confirm: int
    """Fresh sessions of a suspect; 0: none."""
    relative: bool
    load: str
    """What to do beside other processes: ``wait``, ``measure`` or ``fail``."""
    look_compiled: bool
    """Whether `test_compiled` is run."""
    captions: int
    """Drawn by `test_task`."""
    judge: str | None
    """The CLIP model that scores them: a folder, or a repository of the hub."""
    profile: bool
    results: Path | None
    """None: a file of its own in `runs`."""
    runs: Path
    """Folder of the runs, which says which was the last ladder."""
    keep_runs: int
    artifacts: Path
    report: Path | None
    """None: no report is written, and no pictures are kept for one."""
    history: str | None
    """Path or URL; None: the run is added to no history."""
    compile_cache: Path | None
    """None: compiled code is kept in torch's own cache folder alone."""
    reference_cache: Path | None
    """None: references are recorded anew in every run."""


def _choice(option: Option, value: str) -> str:
    # A device's number stands for the N of its choice.
    meant = re.sub(r":\d{1,3}$", ":N", value) if not value.endswith(":N") else ""
    if option.choices and meant not in option.choices:
        near = difflib.get_close_matches(value, option.choices, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(f"{option.flag_name}={value}: {hint}one of {', '.join(option.choices)}")
    return value


def _positive(option: Option, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0.0 < number < 1e6:
        raise SettingsError(f"{option.flag_name}={value}: wanted a number of seconds above 0")
    return number


def _count(option: Option, value: str, least: int = 0, most: int = 100) -> int:
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise SettingsError(f"{option.flag_name}={value}: wanted a whole number from {least} to {most}")
    return int(value)


def _boolean(option: Option, value: Any) -> bool:
    words = {"1": True, "yes": True, "true": True, "on": True,
             "0": False, "no": False, "false": False, "off": False}  # fmt: skip
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise SettingsError(f"{option.ini} = {value}: wanted yes or no")
    return words[str(value).lower()]


def _cache(value: str, root: Path) -> Path | None:
    if value == "off":
        return None
    if value == "auto":
        from platformdirs import user_cache_path

        return user_cache_path("perfsuite") / "references"
    return root / value


def _history(value: str, root: Path) -> str | None:
    if value == "off":
        return None
    return value if "://" in value else str(root / value)


def _names(values: Sequence[str] | str) -> tuple[str, ...]:
    if isinstance(values, str):
        values = values.replace(",", " ").split()
    return tuple(dict.fromkeys(name for value in values for name in value.replace(",", " ").split()))


EMPTY = "empty (an unset shell variable?); give a value, or leave the option out"


def is_empty(value: Any, *, several: bool = False) -> bool:
    """Whether an option was given without a value; of `several` names also whether one of them is none."""
    if isinstance(value, str):
        return not all(part.strip() for part in (value.split(",") if several else [value]))
    return isinstance(value, list | tuple) and any(is_empty(each, several=several) for each in value)


def _given(option: Option, command_line: Any, ini_file: Any) -> Any:
    """The value that counts. Raises `SettingsError` where one is given and empty."""
    for said, value in ((option.flag_name, command_line), (option.ini, ini_file)):
        if is_empty(value, several=option.several):
            raise SettingsError(f"{said}: {EMPTY}")
        if value not in (None, []):
            return value
    return option.default


def read(command_line: Callable[[Option], Any], ini_file: Callable[[Option], Any], root: Path) -> Settings:
    """Settle every option; relative folders are below `root`.

    `command_line` and `ini_file` give None for an option that is not there.

    Raises:
        SettingsError: an option is empty or means nothing.
    """
    values: Mapping[str, Any] = {
        option.name: _given(option, command_line(option), ini_file(option)) for option in OPTIONS
    }
    known = {option.name: option for option in OPTIONS}
    return Settings(
        workloads=_names(values["workload"]),
        variants=_names(values["variant"]),
        device=_choice(known["device"], values["device"]),
        weights=values["weights"],
        baselines=root / values["baselines"],
        update=cast("Update", _choice(known["update"], values["update"])),
        time_budget_s=_positive(known["time-budget"], values["time-budget"]),
        strict=_boolean(known["strict"], values["strict"]),
        confirm=_count(known["confirm"], values["confirm"]),
        relative=_choice(known["relative"], values["relative"]) == "yes",
        load=_choice(known["load"], values["load"]),
        look_compiled=_choice(known["look-compiled"], values["look-compiled"]) == "yes",
        captions=_count(known["captions"], values["captions"], least=10, most=2000),
        judge=_judge(values["judge"], root),
        profile=_choice(known["profile"], values["profile"]) == "yes",
        results=None if values["results"] == "auto" else root / values["results"],
        runs=root / RUNS,
        keep_runs=_count(known["keep-runs"], values["keep-runs"], least=1, most=10_000),
        artifacts=root / values["artifacts"],
        report=None if values["report"] == "off" else root / values["report"],
        history=_history(values["history"], root),
        compile_cache=None if values["compile-cache"] == "off" else root / values["compile-cache"],
        reference_cache=_cache(values["reference-cache"], root),
    )


_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def _judge(where: str, root: Path) -> str | None:
    """A folder with a CLIP model, or the name of a repository."""
    if where == "off":
        return None
    folder = root / where
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise SettingsError(
                f"--perf-judge={where}: the folder has no config.json; save a CLIP model there"
            )
        return str(folder)
    if not _REPOSITORY.fullmatch(where):
        raise SettingsError(
            f"--perf-judge={where}: neither a folder nor a repository of the hub; "
            "give a folder, openai/clip-vit-base-patch16, or off"
        )
    return where
