"""What was planted into compiled code, by whom it was found and where: told right, and counted right."""

from perfsuite.quality.compiled_trials import CompiledTrial
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


TRIALS = [
    trial("scale", "compiled", component="unet", planted=("a.attn1", "a.attn2"), change=0.00123,
          rounding=0.0041, place="unet a.attn1", near=True, seconds=61.4),
    trial("bias", "components compiled", component="vae", planted=("conv",), change=0.5,
          place="vae norm", near=False, seconds=50.0),
    trial("tail", component="unet", planted=("b" * 70,), change=0.002, seconds=50.0),
    trial("rounding", component="unet", planted=("norm",), change=0.0, fault=False, seconds=50.0),
    trial("as built", fault=False),
    trial("one thread", "compiled", fault=False),
]  # fmt: skip


def test_each_mistake_has_its_row() -> None:
    """Where it was planted, what it changed, who found it, and whether they looked at the right place."""
    lines = table(TRIALS).splitlines()
    assert lines[0] == VARIANT
    rows = {line.split("  ")[0]: line.split() for line in lines[2:6]}
    assert rows["scale"] == "scale unet a.attn1 and 1 more 1.2e-03 0.30 compiled unet a.attn1 yes 61".split()
    assert rows["bias"] == "bias vae conv 5.0e-01 - components, compiled vae norm no 50".split()
    assert rows["tail"][2] == f"…{'b' * 59}"
    assert rows["tail"][3:] == ["2.0e-03", "-", "-", "-", "-", "50"]
    assert rows["rounding"][3] == "none"


def test_totals_beside_what_outputs_alone_find() -> None:
    """What changes nothing counts as no mistake, and as no honest build either."""
    text = table(TRIALS)
    assert f"{VARIANT}: found 2 of 3, by the outputs alone 1 of 3, seen where they are or beside it 1" in text
    assert f"{VARIANT}: 1 alarms in 2 honest builds" in text
    assert f"missed: tail in {VARIANT}" in text
    assert f"no mistake: rounding in {VARIANT} changes nothing that is computed" in text
    assert f"false alarm: one thread, {VARIANT}: compiled: compiled of one thread" in text


def test_the_file_holds_all_of_it(device) -> None:  # type: ignore[no-untyped-def]
    """Also where it was planted and seen."""
    import json

    found = json.loads(as_json(TRIALS, device))["trials"][0]
    assert (found["planted"], found["place"], found["near"]) == (["a.attn1", "a.attn2"], "unet a.attn1", True)
