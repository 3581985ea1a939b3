"""What was planted into compiled code, by whom it was found and where: told right, and counted right."""

import json
import re
from dataclasses import replace

from perfsuite.quality.compiled_crediting import Located
from perfsuite.quality.compiled_trials import CompiledTrial
from perfsuite.quality.faults.compiler import OWN
from perfsuite.records import Look, PictureStatus, Quality
from perfsuite.report.compiled_trials import table
from perfsuite.report.trials import as_json

OK, DEGRADED = PictureStatus.OK, PictureStatus.DEGRADED
VARIANT = "bf16-sdpa-compile"


def trial(case: str, failing: str = "", **fields: object) -> CompiledTrial:
    """The looks named in `failing` fail, all others pass."""
    looks = tuple(
        Look(name, DEGRADED if name in failing.split() else OK, 3, detail=f"{name} of {case}")
        for name in ("pictures", "components", "modules", "loop", "compiled")
    )
    quality = Quality(DEGRADED if failing else OK, (), looks)
    return CompiledTrial(VARIANT, case, fields.pop("fault", True), quality, **fields)  # type: ignore[arg-type]


ALONE = [
    trial("scale", "compiled", component="unet", source="https://github.com/pytorch/pytorch/issues/174049",
          planted=("a.attn1", "a.attn2"), change=0.00123, rounding=0.0041, place="unet a.attn1", ratio=4.28,
          located=Located.YES, seconds=61.4),
    trial("bias", "components compiled", component="vae", source=OWN, planted=("conv",), change=0.5,
          place="vae norm", ratio=2.0, located=Located.NEIGHBOUR, seconds=50.0),
    trial("tail", component="unet", planted=("b" * 70,), change=0.002, located=Located.NO, seconds=50.0),
    trial("rounding", component="unet", planted=("norm",), change=0.0, fault=False, seconds=50.0),
    trial("as built", fault=False),
    trial("one thread", "compiled", fault=False),
]  # fmt: skip
GROUPED = [replace(each, group=1 + i // 2, rounding=None) for i, each in enumerate(ALONE[:4])]


def rows_of(trials: list[CompiledTrial]) -> dict[str, list[str]]:
    """By the mistake's name the cells of its line."""
    lines = table(trials).splitlines()
    assert lines[0] == VARIANT
    return {line.split("  ")[0]: re.split(r"  +", line.strip()) for line in lines[2:6]}


def test_each_mistake_has_its_row() -> None:
    """Where it was planted, what it changed, where it was found, and who else found it."""
    rows = rows_of(ALONE)
    assert rows["scale"] == [
        "scale", "pytorch#174049", "unet", "a.attn1 and 1 more", "1.2e-03", "unet a.attn1", "4.3", "yes",
        "0.30", "compiled", "61",
    ]  # fmt: skip
    assert rows["bias"] == [
        "bias", OWN, "vae", "conv", "5.0e-01", "vae norm", "2.0", "neighbour",
        "-", "components, compiled", "50",
    ]  # fmt: skip
    assert rows["tail"][3] == f"…{'b' * 59}"
    assert rows["tail"][4:] == ["2.0e-03", "-", "-", "no", "-", "-", "50"]
    assert rows["rounding"][4] == "none"


def test_of_a_group_the_outputs_are_judged_together() -> None:
    """In place of the looks that find a mistake stand its group and what the group's outputs show."""
    rows = rows_of(GROUPED)
    assert rows["scale"][-3:] == ["yes", "1", "pass"]
    assert rows["bias"][-3:] == ["neighbour", "1", "fail"]
    assert rows["tail"][-3:] == ["no", "2", "pass"]


def test_totals_beside_what_outputs_alone_find() -> None:
    """What changes nothing counts as no mistake, and as no honest build either."""
    text = table(ALONE)
    assert f"{VARIANT}: 3 mistakes: 2 located (1 at the module, 1 at a direct neighbour), " in text
    assert "0 seen farther on, 1 not seen" in text
    assert f"{VARIANT}: found 2 of 3, by the outputs alone 1 of 3" in text
    assert f"{VARIANT}: 1 alarms in 2 honest builds" in text
    assert f"missed: tail in {VARIANT}" in text
    assert f"no mistake: rounding in {VARIANT} changes nothing that is computed" in text
    assert f"false alarm: one thread, {VARIANT}: compiled: compiled of one thread" in text


def test_totals_of_groups() -> None:
    """No count of what the outputs find: they are of all mistakes of a group."""
    text = table(GROUPED)
    assert f"{VARIANT}: 3 mistakes in 2 groups: 2 located" in text
    assert "by the outputs alone" not in text


def test_the_file_holds_all_of_it(device) -> None:  # type: ignore[no-untyped-def]
    """Also where it was planted and found."""
    found = json.loads(as_json(ALONE, device))["trials"][0]
    assert (found["planted"], found["place"]) == (["a.attn1", "a.attn2"], "unet a.attn1")
    assert (found["located"], found["ratio"], found["group"]) == ("yes", 4.28, None)
