"""What differs between two files, in order, and nothing that the data do not say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted import make_counts
from sessions import make_session

from perfsuite.bench.explanation import Explanation, Moved, NothingToExplainError, choose, explain
from perfsuite.records import Counts, Device, Hot, Session, Stages, Status
from perfsuite.report.explain import text
from perfsuite.store import Evidence, Side

KEY = "shapes/bf16"
DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34)
CLONES = "aten.clone in BasicTransformerBlock"
FAST = Stages(0.01, (0.03,) * 30, 0.05, 0.04)
SLOW = Stages(0.01, (0.06,) * 30, 0.05, 0.04)


def session(seconds: float = 1.0, stages: Stages | None = FAST, **changes: Any) -> Session:
    """One whose calls differ a little around these seconds."""
    latency_s = tuple(seconds * factor for factor in (1.0, 1.01, 1.02, 1.0, 1.01))
    usual = {"versions": {"torch": "2.13.0"}, "settings": {"torch.num_threads": "2"}}
    return make_session(latency_s=latency_s, stages=stages, **{**usual, **changes})


def evidence(
    *sessions: Session, counts: Counts | None = None, key: str = KEY, protocol: str = "p"
) -> Evidence:
    workload, variant = key.split("/")
    return Evidence(workload, variant, protocol, sessions, counts)


def side(name: str, *held: Evidence, device: Device = DEVICE) -> Side:
    return Side(Path(name), device, {each.key: each for each in held})


def explained(before: Evidence, after: Evidence, device: Device = DEVICE) -> Explanation:
    return explain(side("a", before), side("b", after, device=device), KEY)


OPERATORS = make_counts().operators
assert OPERATORS is not None
MORE = make_counts(operators={**OPERATORS, CLONES: 54})


def test_a_slowdown_by_an_operator_is_told_in_order() -> None:
    """Certain, with the operator and its block, and the stage that holds all of it."""
    found = explained(evidence(session(), counts=make_counts()), evidence(session(1.9, SLOW), counts=MORE))
    assert found.significant
    assert found.moved == ()
    assert found.counts is not None
    assert [(c.name, c.difference) for c in found.counts.changes] == [(CLONES, 42)]
    shares = {s.name: s for s in found.stages}
    assert shares["UNet steps"].of_change == pytest.approx(1.0)
    assert shares["UNet steps"].beyond_noise
    assert not shares["VAE"].beyond_noise
    shown = text(found)
    headings = [line for line in shown.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")]
    assert [line[:4] for line in headings] == ["1. v", "2. c", "3. s", "4. k"]
    assert f"+42 {CLONES} (12 -> 54)" in shown
    assert "=> most of it is in: UNet steps (100% of the change)" in shown


def test_a_difference_within_the_noise_is_no_finding() -> None:
    """The verdict is the gate's own; a stage's share is said to be within the noise."""
    found = explained(
        evidence(session(), counts=make_counts()),
        evidence(session(1.05, replace(FAST, vae_s=0.055)), counts=make_counts()),
    )
    assert found.verdict is not None
    assert found.verdict.status is Status.INCONCLUSIVE
    assert not found.significant
    shown = text(found)
    assert "=> INCONCLUSIVE: the latencies do not differ for certain, so no time above is a finding" in shown
    assert "=> the files hold no cause: versions, settings and counts are the same" in shown
    assert "within the noise" in shown
    assert "most of it" not in shown
    assert "of the change" not in shown.split("3. stages")[1]


def test_sessions_of_a_baseline_make_it_more_certain() -> None:
    """Ten stored sessions against ten new ones find what one against one does not."""
    one = [session(1.0 + 0.001 * i) for i in range(10)]
    two = [session(1.08 + 0.001 * i) for i in range(10)]
    assert not explained(evidence(one[0]), evidence(two[0])).significant
    assert explained(evidence(*one), evidence(*two)).significant


def test_versions_settings_and_the_machine_come_first() -> None:
    """Each with its state on both sides; what only one side has is not set on the other."""
    before = session(
        settings={"torch.num_threads": "2", "inductor.epilogue_fusion": "False"},
        commit="a",
        environment={"allocator": "glibc 2.36", "cores": "0"},
    )
    after = session(
        versions={"torch": "2.14.0"},
        settings={"torch.num_threads": "1", "env.OMP_NUM_THREADS": "1"},
        environment={"allocator": "libjemalloc", "cores": "0"},
        commit="b",
    )
    limited = replace(DEVICE, slug="cpu-example-1t", details={"power_limit_w": "500"})
    found = explained(evidence(before), evidence(after), limited)
    assert found.moved == (
        Moved("device", "power_limit_w", "not set", "500"),
        Moved("version", "torch", "2.13.0", "2.14.0"),
        Moved("version", "commit", "a", "b"),
        Moved("environment", "allocator", "glibc 2.36", "libjemalloc"),
        Moved("setting", "env.OMP_NUM_THREADS", "not set", "1"),
        Moved("setting", "inductor.epilogue_fusion", "False", "not set"),
        Moved("setting", "torch.num_threads", "2", "1"),
    )
    assert found.verdict is not None
    assert found.verdict.status is not Status.INCOMPATIBLE
    assert "share of the change: not known, since each file has one state only" in text(found)


def test_settings_of_an_older_file_are_no_difference() -> None:
    """It has none but the number of threads."""
    before = session(settings={}, conditions={"threads": 4.0})
    after = session(conditions={"threads": 2.0})
    assert explained(evidence(before), evidence(after)).moved == (
        Moved("condition", "threads", "4.0", "2.0"),
    )


@pytest.mark.parametrize(
    ("conditions", "moved"),
    [
        ({"other_cores_busy": 1.24}, [Moved("condition", "cores kept busy by others", "not set", "1.2")]),
        ({"other_cores_busy": 0.3}, []),
        ({"sm_clock_mhz_median": 1234.0}, [Moved("condition", "clock of the GPU, MHz", "not set", "1230")]),
    ],
)
def test_what_the_machine_did_beside_is_named(conditions: dict[str, float], moved: list[Moved]) -> None:
    """Another process is as good a cause as another version."""
    found = explained(evidence(session()), evidence(session(conditions=conditions)))
    assert list(found.moved) == moved


def test_another_device_makes_times_incomparable_and_not_counts() -> None:
    other = Device("cpu", "Another CPU", "cpu-another-2t", 2, 2**34)
    found = explained(
        evidence(session(), counts=make_counts()), evidence(session(3.0, SLOW), counts=MORE), other
    )
    assert found.verdict is not None
    assert found.verdict.status is Status.INCOMPATIBLE
    assert found.stages == ()
    assert found.counts is not None
    assert found.counts.status is Status.REGRESSED
    shown = text(found)
    assert "another device, Example CPU before and Another CPU after" in shown
    assert "=> times cannot be compared; versions, settings and counts can" in shown


def test_what_is_missing_is_named_with_the_file_and_how_to_have_it() -> None:
    found = explained(evidence(session(stages=None)), evidence(session(), counts=make_counts()))
    assert found.missing == {"counts": "not in a", "stages": "not in a", "kernels": "not profiled in a and b"}
    shown = text(found)
    assert "not in a; to have them, run tests/structure/test_counts.py in the same run" in shown
    assert "not profiled in a and b; to have them, run with --perf-profile=yes" in shown
    assert "counts were not compared" in shown


def test_counts_alone_are_explained_too() -> None:
    """Files without a latency: of a run of the structure tests."""
    found = explained(evidence(counts=make_counts()), evidence(counts=MORE))
    assert found.verdict is None
    assert found.missing["latency"] == "not in a and b"
    assert text(found).startswith("shapes bf16: no latencies to compare: not in a and b")
    assert f"+42 {CLONES}" in text(found)


def test_kernels_by_their_share_with_calls() -> None:
    """The largest difference first; what came has been called 0 times before."""
    before = session(hot={"aten::mm": Hot(10, 0.5), "aten::add": Hot(5, 0.25)})
    after = session(hot={"aten::mm": Hot(10, 0.5), "aten::add": Hot(5, 0.2), "aten::clone": Hot(42, 0.2)})
    found = explained(evidence(before), evidence(after))
    assert [(s.name, s.calls) for s in found.kernels] == [
        ("aten::clone", (0, 42)), ("aten::add", (5, 5)), ("aten::mm", (10, 10)),
    ]  # fmt: skip
    assert [s.of_change for s in found.kernels] == pytest.approx([0.2 / 0.15, -0.05 / 0.15, 0.0])
    line = "aten::clone, 0 -> 42 calls"
    assert line in text(found)
    assert "of the change" not in text(found).split("4. kernels")[1]
    certain = explained(evidence(before), evidence(session(2.0, SLOW, hot=after.hot)))
    assert f"{line}, 133% of the change" in text(certain)


def test_a_name_that_was_cut_off_has_not_gone() -> None:
    """What one side counts among all others is counted there on both."""
    before = session(hot={"mm": Hot(10, 0.5), "add": Hot(5, 0.2), "(all others)": Hot(7, 0.1)})
    after = session(hot={"mm": Hot(10, 0.5), "silu": Hot(6, 0.2), "(all others)": Hot(6, 0.1)})
    found = explained(evidence(before), evidence(after))
    assert {s.name: s.calls for s in found.kernels} == {"mm": (10, 10), "(all others)": (12, 12)}


def test_noise_of_stages_is_that_of_seconds() -> None:
    """Relative latency moves far less, and no stage was measured in it."""
    from perfsuite.records import Relative

    def both(ratio: float | None) -> Explanation:
        relative = Relative("fp32", (ratio,) * 4) if ratio else None
        return explained(evidence(session(relative=relative)), evidence(session(relative=relative)))

    assert both(0.8).verdict != both(None).verdict
    assert both(0.8).noise == both(None).noise


def test_added_arithmetic_has_a_share_at_the_old_rate() -> None:
    """A tenth more FLOPs of the UNet: a tenth of its old time, over the change of all stages."""
    flop = make_counts(flop={"unet": 1_100_000_000, "vae": 500_000_000})
    found = explained(evidence(session(), counts=make_counts()), evidence(session(1.9, SLOW), counts=flop))
    assert "the UNet's arithmetic at the old rate +90 ms, +10% of it" in text(found)


def test_relative_latency_decides_where_it_finds_less() -> None:
    """The basis stands in the first line."""
    from perfsuite.records import Relative

    before = session(relative=Relative("fp32", (0.8, 0.81, 0.8, 0.79)))
    after = session(1.3, relative=Relative("fp32", (1.1, 1.11, 1.1, 1.09)))
    found = explained(evidence(before), evidence(after))
    assert found.verdict is not None
    assert found.verdict.basis == "relative to fp32"
    assert found.verdict.status is Status.REGRESSED
    assert "judged by latency relative to fp32" in text(found).splitlines()[0]


def test_other_protocols_are_refused() -> None:
    with pytest.raises(NothingToExplainError, match=r"different protocols.*'p' and 'q'"):
        explained(evidence(session()), evidence(session(), protocol="q"))


BOTH = ("shapes/bf16", "shapes/fp32", "sdxl-base/bf16")


@pytest.mark.parametrize(
    ("workload", "variant", "keys"),
    [
        (None, None, ["shapes/bf16", "shapes/fp32", "sdxl-base/bf16"]),
        ("shapes", None, ["shapes/bf16", "shapes/fp32"]),
        (None, "bf16", ["shapes/bf16", "sdxl-base/bf16"]),
        ("shapes", "fp32", ["shapes/fp32"]),
    ],
)
def test_variants_that_both_hold(workload: str | None, variant: str | None, keys: list[str]) -> None:
    one = side("a", *(evidence(key=key) for key in (*BOTH, "shapes/tf32")))
    two = side("b", *(evidence(key=key) for key in BOTH))
    assert choose(one, two, workload, variant) == keys


@pytest.mark.parametrize(
    ("workload", "variant", "asked"),
    [(None, None, "any variant"), (None, "bf16", r"\*/bf16"), ("shapes", None, r"shapes/\*")],
)
def test_nothing_in_common_is_an_error_with_what_each_holds(
    workload: str | None, variant: str | None, asked: str
) -> None:
    """Two workloads, or a variant that one lacks."""
    one, two = side("a", evidence(key="shapes/bf16")), side("b", evidence(key="sdxl-base/fp32"))
    with pytest.raises(
        NothingToExplainError, match=f"hold {asked}: a holds shapes/bf16; b holds sdxl-base/fp32"
    ):
        choose(one, two, workload, variant)
