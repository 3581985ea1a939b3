"""Changes of the same nights are one thing to look at, headed by what they share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_nights import COUNT, LATENCY, night, step

from perfsuite.pipelines.variants import LADDER
from perfsuite.records import Change, Nomination, Series, Shape, State
from perfsuite.tracking.grouping import groups
from perfsuite.tracking.headlines import headline as headline_of
from perfsuite.tracking.headlines import place_of

RUNGS = [v.name for v in LADDER if v.name.startswith(("fp32", "bf16"))]
COMPILED = [name for name in RUNGS if "compile" in name]


def change(
    series: Series, nomination: Nomination | None = None, state: State = State.CONFIRMED, worse: bool = True
) -> Change:
    seen = nomination or step(6, 7, 1.0, 1.1)
    id = f"{series.device}/{series.variant}/{series.metric}/{seen.first_bad}"
    return Change(id, series, seen, state, worse, seen.first_bad, seen.first_bad)


def headline(changes: list[Change], series: list[Series]) -> str:
    return headline_of(changes, {place_of(each) for each in series})


def followed(variants: list[str], devices: tuple[str, ...] = ("h100",)) -> list[Series]:
    return [replace(LATENCY, variant=v, device=d) for v in variants for d in devices]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (COMPILED, "everything compiled: latency"),
        (COMPILED[:2], "2 of 5 compiled variants: latency"),
        (["bf16-sdpa-compile-qkv-int8"], "int8 alone: latency"),
        (["bf16-sdpa-compile-qkv", "bf16-sdpa-compile-qkv-int8", "fp32-sdpa-compile-qkv"],
         "fused projections: latency"),
        (RUNGS, "all rungs on h100: look at the machine: latency"),
        (["bf16-sdpa"], "bf16-sdpa: latency"),
        (["bf16", "fp32-sdpa-compile"], "bf16, fp32-sdpa-compile: latency"),
    ],
)  # fmt: skip
def test_what_variants_share(changed: list[str], said: str) -> None:
    assert headline([change(s) for s in followed(changed)], followed(RUNGS)) == said


def test_variants_that_the_registry_does_not_know() -> None:
    names = ["a-slow", "b-slow", "a", "b"]
    assert headline([change(s) for s in followed(names[:2])], followed(names)) == "slow alone: latency"
    compiled = ["x-compile", "x-compile-fast", "x"]
    said = headline([change(s) for s in followed(compiled[:2])], followed(compiled))
    assert said == "everything compiled: latency"


def test_devices() -> None:
    both = ("cpu", "h100")
    changed = followed(COMPILED, both)
    assert headline([change(s) for s in changed], followed(RUNGS, both)) == (
        "everything compiled on all devices: latency"
    )
    assert headline([change(s) for s in followed(RUNGS, both)], followed(RUNGS, both)) == (
        "all rungs on all devices: latency"
    )
    assert headline([change(s) for s in followed(COMPILED, ("cpu",))], followed(RUNGS, both)) == (
        "everything compiled on cpu: latency"
    )


def test_one_stage() -> None:
    stage = [replace(s, metric="stage: VAE") for s in followed(COMPILED)]
    assert (
        headline([change(s) for s in stage], [*followed(RUNGS), *stage]) == "everything compiled: stage: VAE"
    )


def test_all_rungs_with_counts_are_no_machine() -> None:
    changed = [*followed(RUNGS), *(replace(COUNT, variant=v) for v in RUNGS)]
    assert headline([change(s) for s in changed], changed) == "counts first: all rungs on h100"


def test_better() -> None:
    assert headline([change(LATENCY, worse=False)], followed(RUNGS)) == "better: bf16-sdpa: latency"


def test_counts_stand_first() -> None:
    slow, count = change(LATENCY, step(5, 7, 1.0, 1.5)), change(COUNT, step(6, 7, 70, 71, Shape.EXACT))
    (group,) = groups([slow, count], [LATENCY, COUNT])
    assert group.changes == (count, slow)
    assert (group.last_good, group.first_bad) == (night(6), night(7))


def test_no_chain_of_overlaps_joins_what_is_weeks_apart() -> None:
    changed = [
        change(replace(LATENCY, variant=str(i)), step(i, i + 4, 1.0, 1.1)) for i in range(1, 25, 2)
    ]  # fmt: skip
    found = groups(changed, [])
    assert sum(len(group.changes) for group in found) == 12
    for group in found:
        assert group.first_bad >= max(c.nomination.last_good for c in group.changes)


def test_what_is_measured_may_seem_to_come_a_night_late() -> None:
    """What is counted does not."""
    late, count = change(LATENCY, step(7, 8, 1.0, 1.1)), change(COUNT, step(7, 8, 70, 71, Shape.EXACT))
    first = change(replace(LATENCY, variant="fp32"))
    assert len(groups([first, late], [])) == 1
    assert len(groups([first, count], [])) == 2


def test_what_creeps_joins_no_step() -> None:
    changed = [change(LATENCY), change(replace(LATENCY, variant="fp32"), step(2, 30, 1.0, 1.1, Shape.DRIFT))]
    assert len(groups(changed, [])) == 2


def test_a_group_is_named_by_what_was_nominated_first() -> None:
    """So that a night that adds a member leaves its issue the same."""
    first = change(LATENCY)
    later = replace(change(replace(LATENCY, variant="fp32"), step(5, 7, 1.0, 1.1)), nominated=night(9))
    assert groups([first], [])[0].id == groups([later, first], [])[0].id == first.id


def test_what_wants_a_person_comes_first() -> None:
    states = (State.ACCEPTED, State.NOMINATED, State.CONFIRMED, State.ACKNOWLEDGED)
    changed = [change(LATENCY, step(3 * i, 3 * i + 1, 1.0, 1.1), state) for i, state in enumerate(states, 1)]
    changed.append(change(LATENCY, step(20, 21, 1.0, 0.9), worse=False))
    found = [group.changes[0] for group in groups(changed, [])]
    assert [c.state for c in found[:3]] == [State.CONFIRMED, State.NOMINATED, State.ACKNOWLEDGED]
    assert {c.worse for c in found[:3]} == {True}
