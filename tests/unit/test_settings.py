"""Options are settled once: command line, then ini file, then default; nonsense is refused by name."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

from perfsuite.settings import EMPTY, OPTIONS, Option, Settings, SettingsError, read

ROOT = Path("project")


def settle(command_line: dict[str, Any] | None = None, ini_file: dict[str, Any] | None = None) -> Settings:
    """Read with these values given; pytest gives None for what is not."""
    return read(
        lambda option: (command_line or {}).get(option.name),
        lambda option: (ini_file or {}).get(option.name),
        ROOT,
    )


def test_defaults() -> None:
    """Nothing given: the shipped workload, the whole ladder, and no baseline is written."""
    assert settle() == Settings(
        workloads=("shapes",),
        variants=(),
        device="auto",
        weights="auto",
        baselines=ROOT / "baselines",
        update="never",
        time_budget_s=6.0,
        strict=False,
        confirm=4,
        relative=True,
        load="wait",
        look_compiled=True,
        captions=100,
        judge=None,
        profile=False,
        results=None,
        runs=ROOT / ".perfsuite" / "runs",
        keep_runs=30,
        artifacts=ROOT / ".perfsuite" / "artifacts",
        report=None,
        history=None,
        compile_cache=None,
        reference_cache=user_cache_path("perfsuite") / "references",
    )


GIVEN: dict[str, tuple[str, Any, str, Any, Any]] = {
    # field, value on the command line, value in the ini file, and what each of them means
    "workload": ("workloads", ["sdxl-base"], "other", ("sdxl-base",), ("other",)),
    "variant": ("variants", ["bf16", "fp16"], "bf16-sdpa", ("bf16", "fp16"), ("bf16-sdpa",)),
    "device": ("device", "cpu", "cuda", "cpu", "cuda"),
    "weights": ("weights", "hub", "some/folder", "hub", "some/folder"),
    "baselines": ("baselines", "here", "there", ROOT / "here", ROOT / "there"),
    "update": ("update", "new", "append", "new", "append"),
    "time-budget": ("time_budget_s", "0.5", "30", 0.5, 30.0),
    "strict": ("strict", True, "on", True, True),
    "confirm": ("confirm", "0", "100", 0, 100),
    "relative": ("relative", "no", "no", False, False),
    "load": ("load", "measure", "fail", "measure", "fail"),
    "look-compiled": ("look_compiled", "no", "no", False, False),
    "captions": ("captions", "10", "2000", 10, 2000),
    "judge": ("judge", "a/b", "c/d", "a/b", "c/d"),
    "profile": ("profile", "yes", "yes", True, True),
    "results": ("results", "a.jsonl", "b.jsonl", ROOT / "a.jsonl", ROOT / "b.jsonl"),
    "keep-runs": ("keep_runs", "1", "200", 1, 200),
    "artifacts": ("artifacts", "a", "b", ROOT / "a", ROOT / "b"),
    "report": ("report", "a", "b", ROOT / "a", ROOT / "b"),
    "history": ("history", "a.db", "postgresql://me@host/b", str(ROOT / "a.db"), "postgresql://me@host/b"),
    "compile-cache": ("compile_cache", "a", "b", ROOT / "a", ROOT / "b"),
    "reference-cache": ("reference_cache", "off", "b", None, ROOT / "b"),
}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_option_sets_its_field_and_no_other(option: Option) -> None:
    """The command line wins over the ini file, the ini file over the default, in one field each."""
    field, on_line, in_file, line_means, file_means = GIVEN[option.name]
    for given, wanted in (
        (settle({option.name: on_line}), line_means),
        (settle({}, {option.name: in_file}), file_means),
        (settle({option.name: on_line}, {option.name: in_file}), line_means),
    ):
        changed = {f.name for f in fields(Settings) if getattr(given, f.name) != getattr(settle(), f.name)}
        assert changed == {field}
        assert getattr(given, field) == wanted


def test_names_of_an_option() -> None:
    """A hyphen in the name becomes an underscore in the ini file only."""
    budget = next(option for option in OPTIONS if option.name == "time-budget")
    assert (budget.flag_name, budget.ini) == ("--perf-time-budget", "perf_time_budget")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["a", "b", "a"], ("a", "b")),
        (["a,b", "c b"], ("a", "b", "c")),
        (["b, a"], ("b", "a")),
        ("a\n  b,c", ("a", "b", "c")),
    ],
)
def test_names_are_split_and_kept_once(given: list[str] | str, wanted: tuple[str, ...]) -> None:
    """Commas, spaces and lines all separate names; the first mention gives the order."""
    assert settle({"variant": given}).variants == wanted
    assert settle({}, {"variant": given}).variants == wanted


@pytest.mark.parametrize("nothing", ["", " ", "\n"])
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_empty_value_is_refused(option: Option, nothing: str) -> None:
    """Of every option, in either place: an unset shell variable must not mean the default."""
    given = [nothing] if option.several else nothing
    for said, arguments in (
        (option.flag_name, ({option.name: given},)),
        (option.ini, ({}, {option.name: nothing})),
        (option.ini, ({option.name: None}, {option.name: nothing})),
    ):
        with pytest.raises(SettingsError) as caught:
            settle(*arguments)
        assert str(caught.value) == f"{said}: {EMPTY}"


@pytest.mark.parametrize("names", [[""], ["bf16", ""], ["bf16,"], [",bf16"], ["a,,b"], [" ", ","]])
def test_a_list_with_an_empty_name_is_refused(names: list[str]) -> None:
    """One of two unset variables leaves a comma: less would be judged than was asked for."""
    with pytest.raises(SettingsError, match=r"^--perf-variant: empty"):
        settle({"variant": names})


@pytest.mark.parametrize(
    ("option", "value", "near"),
    [("device", "coda", "cuda"), ("update", "apend", "append"), ("update", "rest", "reset")],
)
def test_unknown_choice_names_the_nearest(option: str, value: str, near: str) -> None:
    """The message holds the option, what was given, the nearest match and every choice."""
    with pytest.raises(SettingsError, match=f"^--perf-{option}={value}: did you mean {near!r}") as caught:
        settle({option: value})
    choices = next(o.choices for o in OPTIONS if o.name == option)
    assert str(caught.value).endswith(f"one of {', '.join(choices)}")


def test_choice_near_to_nothing_gets_no_hint() -> None:
    """A far-fetched suggestion is worse than none."""
    with pytest.raises(SettingsError, match=r"^--perf-device=xyz: one of auto, cpu, cuda, cuda:N$"):
        settle({}, {"device": "xyz"})


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e6", "soon", "6s"])
def test_budget_must_be_a_time(value: str) -> None:
    """What is no positive number of seconds is refused, also when it comes from the ini file."""
    for arguments in (({"time-budget": value},), ({}, {"time-budget": value})):
        with pytest.raises(SettingsError, match=f"^--perf-time-budget={value}: wanted a number of seconds"):
            settle(*arguments)


@pytest.mark.parametrize("value", ["clip", "https://host/clip", "a/b/c", "../clip"])
def test_a_judge_is_a_folder_or_a_repository(value: str) -> None:
    """With what can be given."""
    with pytest.raises(SettingsError, match=f"^--perf-judge={value}: neither a folder nor a repository"):
        settle({"judge": value})


def test_a_folder_without_a_model_judges_nothing(tmp_path: Path) -> None:
    """It is refused before anything is built; one with a model is taken as a whole path."""
    with pytest.raises(SettingsError, match=r"the folder has no config\.json"):
        settle({"judge": str(tmp_path)})
    (tmp_path / "config.json").touch()
    assert settle({"judge": str(tmp_path)}).judge == str(tmp_path)


@pytest.mark.parametrize("value", ["-1", "x", "1e3", "101", "1.0", "²", "+1"])
def test_fresh_processes_are_a_count(value: str) -> None:
    """Whole, and not a hundred and more; also when it comes from the ini file."""
    for arguments in (({"confirm": value},), ({}, {"confirm": value})):
        with pytest.raises(SettingsError) as caught:
            settle(*arguments)
        assert str(caught.value) == f"--perf-confirm={value}: wanted a whole number from 0 to 100"


@pytest.mark.parametrize(
    ("value", "hint"), [("ye", "did you mean 'yes'? "), ("on", "did you mean 'no'? "), ("1", "")]
)
def test_relative_is_yes_or_no(value: str, hint: str) -> None:
    for arguments in (({"relative": value},), ({}, {"relative": value})):
        with pytest.raises(SettingsError) as caught:
            settle(*arguments)
        assert str(caught.value) == f"--perf-relative={value}: {hint}one of yes, no"


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("1", True), ("YES", True), ("true", True), ("0", False), ("No", False), ("off", False)],
)
def test_flag_in_the_ini_file(word: str, wanted: bool) -> None:
    """Yes and no in their usual spellings, in any case."""
    assert settle({}, {"strict": word}).strict is wanted


def test_flag_on_the_command_line_beats_a_no() -> None:
    """``--perf-strict`` holds against ``perf_strict = no``."""
    assert settle({"strict": True}, {"strict": "no"}).strict is True


def test_flag_that_is_neither_yes_nor_no() -> None:
    """A typo in the ini file is refused: it must not mean no."""
    with pytest.raises(SettingsError, match=r"^perf_strict = ture: wanted yes or no$"):
        settle({}, {"strict": "ture"})


def test_absolute_folder_is_kept(tmp_path: Path) -> None:
    """Only relative folders are below the root."""
    assert settle({"baselines": str(tmp_path)}).baselines == tmp_path


def test_one_of_several_devices() -> None:
    assert settle({"device": "cuda:1"}, {}).device == "cuda:1"
    for wrong in ("cuda:N", "cuda:", "cuda:-1", "cpu:0", "cuda:1234"):
        with pytest.raises(SettingsError, match=f"^--perf-device={wrong}: .*one of auto, cpu, cuda, cuda:N$"):
            settle({"device": wrong}, {})
