"""The table shows every figure at every width, and its colours tell good from bad."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from perfsuite.records import (
    Cause,
    CodeSource,
    Compilation,
    Device,
    Limits,
    PictureStatus,
    Quality,
    Result,
    Session,
    Stages,
    Status,
    Verdict,
)
from perfsuite.report import terminal
from perfsuite.store import Change

RED, GREEN, YELLOW, CYAN, MAGENTA = 31, 32, 33, 36, 35
WIDEST = "bf16-sdpa-compile-qkv-int8"


@pytest.fixture
def results(make_result: Callable[..., Result], make_quality: Callable[..., Quality]) -> list[Result]:
    """Float32 without a baseline, and a rung with all that a row can hold."""
    worse = Verdict(Status.REGRESSED, ratio=1.2, baseline_s=0.694, baseline_sessions=5)
    full = make_result(WIDEST, 0.833, verdict=worse, quality=make_quality(PictureStatus.OK))
    assert full.session is not None
    full = replace(full, session=replace(full.session, compile_s=29.2))
    return [make_result("fp32", 2.0825), full]


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 99, 100, 104, 108, 112, 116, 120, 200])
def test_every_figure_is_shown_at_every_width(width: int, results: list[Result], device: Device) -> None:
    """Where the columns would not fit they are not cut, but written below each other."""
    text = terminal.ladder(results, device, colour=False, width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    for figure in (
        WIDEST, "833 ms ±0.0 %", "2.50x", "694 ms (n=5)", "+20.0 %", "REGRESSED", "0.9877", "29.2 s",
        "1400 MiB", "2.08 s ±0.0 %", "1.00x", device.name,
    ):  # fmt: skip
        assert figure in plain(text), figure
    assert "…" not in text
    assert "\x1b" not in text


def test_wide_table_is_one_line_a_rung(results: list[Result], device: Device) -> None:
    """Title, headings, then a line each, with a dash for what is not known."""
    title, headings, first, second = terminal.ladder(results, device, colour=False, width=200).splitlines()
    assert title.strip() == f"shapes on {device.name}"
    assert headings.split()[0] == "rung"
    assert first.split() == ["fp32", "2.08", "s", "±0.0", "%", "1.00x", *"-----", "1400", "MiB"]
    assert second.startswith(WIDEST)


def test_section_for_each_workload(make_result: Callable[..., Result], device: Device) -> None:
    """The speed-up is over float32 of the same workload, and a dash where that was not run."""
    results = [
        make_result("fp32", 2.0),
        make_result("bf16", 1.0, workload="sdxl-base"),
        make_result("bf16", 0.5),
    ]
    text = terminal.ladder(results, device, colour=False, width=200)
    shapes, sdxl = text.split("sdxl-base on ")
    assert "4.00x" in shapes
    assert sdxl.splitlines()[-1].split()[:6] == ["bf16", "1", "s", "±0.0", "%", "-"]


@pytest.mark.parametrize(
    ("status", "colour"),
    [
        (Status.OK, GREEN),
        (Status.IMPROVED, GREEN),
        (Status.REGRESSED, RED),
        (Status.INCONCLUSIVE, YELLOW),
        (Status.NEW, CYAN),
        (Status.INCOMPATIBLE, MAGENTA),
    ],
)
@pytest.mark.parametrize("pictures", [None, PictureStatus.OK, PictureStatus.NEW])
@pytest.mark.parametrize("width", [80, 200])
def test_colour_of_a_latency_verdict(
    status: Status,
    colour: int,
    pictures: PictureStatus | None,
    width: int,
    make_result: Callable[..., Result],
    make_quality: Callable[..., Quality],
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures that pass do not paint a regression green."""
    quality = make_quality(pictures, overall=pictures) if pictures else None
    assert colours(make_result(verdict=Verdict(status), quality=quality), device, width, monkeypatch) == {
        colour
    }


@pytest.mark.parametrize("pictures", [PictureStatus.DEGRADED, PictureStatus.BROKEN])
def test_bad_pictures_are_red(
    pictures: PictureStatus,
    make_result: Callable[..., Result],
    make_quality: Callable[..., Quality],
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A rung that is faster because its pictures are wrong is not good news."""
    result = make_result(verdict=Verdict(Status.IMPROVED), quality=make_quality(pictures, overall=pictures))
    assert colours(result, device, 200, monkeypatch) == {RED}


def colours(result: Result, device: Device, width: int, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The foreground colours in the table of this result."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = terminal.ladder([result], device, colour=True, width=width)
    codes = {int(code) for codes in re.findall(r"\x1b\[([\d;]+)m", text) for code in codes.split(";")}
    return {code for code in codes if 30 <= code <= 37}


def test_verdict_column_tells_of_both(
    make_result: Callable[..., Result], make_quality: Callable[..., Quality], device: Device
) -> None:
    """Latency and pictures share the column; a result with neither has a dash."""
    degraded = make_quality(PictureStatus.DEGRADED, overall=PictureStatus.DEGRADED)
    both = make_result("bf16", verdict=Verdict(Status.OK), quality=degraded)
    pictures_only = make_result("fp16", None, quality=degraded)
    text = terminal.ladder([both, pictures_only, make_result("fp32")], device, colour=False, width=200)
    lines = {line.split()[0]: plain(line) for line in text.splitlines()}
    assert "OK, pictures DEGRADED" in lines["bf16"]
    assert lines["fp16"].startswith("fp16 - - - - pictures DEGRADED 0.9877")
    assert lines["fp32"].endswith("- - - - - 1400 MiB")


@pytest.mark.parametrize(
    ("split", "bar"),
    [
        (Stages(1.0, (1.0, 1.0), 1.0, 1.0), "TTUUUUVV.."),
        (Stages(0.0, (0.5,), 0.5, 0.0), "UUUUUVVVVV"),
        (Stages(0.001, (0.1,) * 10, 0.001, 0.0), "UUUUUUUUUU"),
        (Stages(0.0, (), 0.0, 0.0), ""),
    ],
)
def test_stage_bar_is_in_proportion(split: Stages, bar: str) -> None:
    """A letter a share of the call, whatever its length."""
    assert terminal.stage_bar(split, width=10) == bar


@pytest.mark.parametrize("width", range(1, 40))
def test_stage_bar_fills_its_width(width: int) -> None:
    """Rounding neither adds a letter nor loses one."""
    assert len(terminal.stage_bar(Stages(1 / 3, (1 / 7, 1 / 9), 1 / 11, 1 / 13), width)) == width


def test_stages_of_those_that_have_them(
    make_result: Callable[..., Result], make_session: Callable[..., Session], stages: Stages
) -> None:
    """One line a rung under a legend, with the median step; nothing at all without any."""
    with_stages = make_result("bf16", session=make_session(stages=stages))
    without = [make_result("fp32"), make_result("fp16", None)]
    legend, line = terminal.stages([*without, with_stages])
    assert "U denoising steps" in legend
    assert plain(line).startswith("bf16 TTT")
    assert plain(line).endswith("T 10 ms U 3 x 20 ms V 20 ms")
    assert terminal.stages(without) == []


def test_stages_beside_their_ceiling(
    make_result: Callable[..., Result], make_session: Callable[..., Session], stages: Stages
) -> None:
    """A step of 20 ms that does 4 of the 10 GFLOP that a product would do then; the best rates count."""
    slow = Limits(1, 4 * 10**9, 10**9, product_flop_per_s=5e11, copy_bytes_per_s=2e10)
    fast = replace(slow, product_flop_per_s=1e12, copy_bytes_per_s=1e10)
    legend, first, second, ceiling = terminal.stages([
        make_result("bf16", session=make_session(stages=stages, limits=slow)),
        make_result("bf16-sdpa", session=make_session(stages=stages, limits=fast)),
    ])  # fmt: skip
    assert "%: of the rate of a large matrix product" in legend
    assert plain(first).endswith("T 10 ms U 3 x 20 ms 40 % V 20 ms 10 %")
    assert plain(second).endswith("U 3 x 20 ms 20 % V 20 ms 5 %")
    assert plain(ceiling) == "ceiling bf16: product 1 TFLOP/s, copy 20 GB/s"


def test_remarks_on_all_that_is_not_plainly_ok(make_result: Callable[..., Result]) -> None:
    """A quiet OK needs no words; an OK with a cause does, and so does every other verdict."""
    results: list[Result] = [
        make_result("fp32", verdict=Verdict(Status.OK, detail="a")),
        make_result("bf16", verdict=Verdict(Status.OK, causes=(Cause.NOISY_MACHINE,), detail="b")),
        make_result("fp16", verdict=Verdict(Status.IMPROVED, detail="c")),
        make_result("bf16-sdpa", None),
        make_result("bf16-qkv", verdict=Verdict(Status.OK, candidate_sessions=4, detail="cleared")),
    ]
    assert terminal.remarks(results) == [
        "shapes bf16: OK [NOISY_MACHINE]: b",
        "shapes fp16: IMPROVED: c",
        "shapes bf16-qkv: OK: cleared",
    ]


def unsure(effect: float, *causes: Cause, high: float = 1.3, low: float = 0.9) -> Verdict:
    """Inconclusive, with figures."""
    return Verdict(
        Status.INCONCLUSIVE, ratio=1.0, interval=(low, high), minimum_detectable_effect=effect,
        tolerance=0.04, causes=causes, detail=f"detail {effect}",
    )  # fmt: skip


def test_comparisons_that_are_too_coarse_share_a_line(make_result: Callable[..., Result]) -> None:
    """Of many rungs it is one piece of news: why, and what slowdown each could have hidden."""
    few, noisy = Cause.FEW_SESSIONS, Cause.NOISY_MACHINE
    results = [
        make_result("fp32", verdict=unsure(0.5, few)),
        make_result("bf16", verdict=unsure(0.25, few, noisy)),
        make_result("bf16-sdpa", verdict=unsure(0.1)),
        make_result("bf16-qkv", verdict=unsure(0.2, noisy)),
    ]
    assert terminal.remarks(results) == [
        "shapes: INCONCLUSIVE [FEW_SESSIONS]: three baseline sessions are the least; least slowdown that is "
        "found: fp32 50.0 %, bf16 25.0 % [NOISY_MACHINE]",
        "shapes: INCONCLUSIVE: too noisy to rule out a slowdown of 4.0 %; least slowdown that is found: "
        "bf16-sdpa 10.0 %, bf16-qkv 20.0 % [NOISY_MACHINE]",
    ]


@pytest.mark.parametrize(
    "verdict",
    [
        unsure(0.1, low=1.01),  # probably slower
        unsure(0.1, high=1.03),  # within the tolerance, but for the slowest calls
        replace(unsure(0.1), candidate_sessions=5),  # measured again
    ],
)
def test_what_is_more_than_too_coarse_keeps_its_own_line(
    verdict: Verdict, make_result: Callable[..., Result]
) -> None:
    """A person should read what it is."""
    results = [make_result(name, verdict=verdict) for name in ("fp32", "bf16")]
    assert terminal.remarks(results) == ["shapes fp32, bf16: INCONCLUSIVE: detail 0.1"]


def test_that_all_are_new_is_not_said_again(make_result: Callable[..., Result]) -> None:
    """The sentence above the table has said it; one that is new among others is told of."""
    new = Verdict(Status.NEW, detail="no baseline")
    all_new = [make_result("fp32", verdict=new), make_result("bf16", verdict=new)]
    assert terminal.remarks(all_new) == []
    odd = replace(new, causes=(Cause.NOT_STEADY,))
    assert terminal.remarks([*all_new, make_result("fp16", verdict=odd)]) == [
        "shapes fp16: NEW [NOT_STEADY]: there is no baseline"
    ]
    fine = make_result("fp16", verdict=Verdict(Status.OK))
    assert terminal.remarks([*all_new, fine]) == ["shapes fp32, bf16: NEW: there is no baseline"]


def test_what_a_person_should_know_of_how_it_was_built_is_said_once(
    make_result: Callable[..., Result],
) -> None:
    """Where the weights are from, and what of the recipe this torch has not; not every proof."""
    lines = ("fp32: float32", "weights: random", "this torch has no Inductor flag use_mixed_mm")
    results = [replace(make_result(name), evidence=lines) for name in ("fp32", "bf16")]
    assert terminal.remarks(results) == [
        "shapes weights: random",
        "shapes this torch has no Inductor flag use_mixed_mm",
    ]


def test_remark_names_the_gravest_picture(
    make_result: Callable[..., Result], make_quality: Callable[..., Quality]
) -> None:
    """The prompt that gave the status, and not the first that is not OK."""
    ok, new, broken = PictureStatus.OK, PictureStatus.NEW, PictureStatus.BROKEN
    mixed = make_result(quality=make_quality(ok, new, broken, broken, overall=broken))
    fine = make_result("fp32", quality=make_quality(ok, ok))
    assert terminal.remarks([fine, mixed]) == ["shapes bf16: pictures BROKEN: 'prompt 2': why 2"]


def test_changes_that_were_written() -> None:
    """One line with what was written where; none if all was kept."""
    kept, made = Change("shapes/fp32", "kept"), Change("shapes/bf16", "appended")
    assert terminal.changes([kept, made], "here.json") == ["baselines here.json: shapes/bf16 appended"]
    assert terminal.changes([kept], "here.json") == []


def test_many_changes_are_counted() -> None:
    """The table above has their names."""
    made = [Change(f"shapes/{n}", "recorded") for n in "abcd"] + [Change("shapes/e", "appended")]
    assert terminal.changes(made, "here.json") == ["baselines here.json: 4 recorded; shapes/e appended"]


@pytest.mark.parametrize("source", list(CodeSource))
@pytest.mark.parametrize("width", [80, 140])
def test_compile_time_says_where_the_code_came_from(
    source: CodeSource, width: int, results: list[Result], device: Device
) -> None:
    """A warm start beside a cold one would look like an improvement."""
    session = results[1].session
    assert session is not None
    known = replace(results[1], session=replace(session, compilation=Compilation(source, 1, 2)))
    text = plain(terminal.ladder([results[0], known], device, colour=False, width=width))
    assert f"29.2 s {source.value}" in text
    assert "29.2 s cold" not in plain(terminal.ladder(results, device, colour=False, width=width))


def test_speed_ups_over_tf32_are_told_where_it_ran(make_result: Callable[..., Result]) -> None:
    """Published ones are over it; strict float32 then is one of those compared."""
    ran = [make_result("fp32", 2.0), make_result("tf32", 1.0), make_result(WIDEST, 0.4)]
    line = f"shapes: speed-up over tf32, as published: fp32 0.50x, {WIDEST} 2.50x"
    assert terminal.published(ran) == [line]
    assert terminal.published([ran[0], ran[2]]) == []
    assert terminal.published([ran[1], make_result("bf16", None)]) == []
    other = replace(ran[2], workload="sdxl-base")
    assert terminal.published([*ran, other]) == [line]
