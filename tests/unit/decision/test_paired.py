"""Two sides in turns: what is called a slowdown, how often wrongly, and what each kind of piece weighs."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from perfsuite.decision import paired
from perfsuite.decision.paired import PairedSettings, Turns, compare_turns, pair_ratio
from perfsuite.records import Status

PIECES = {"text": 1, "step": 30, "vae": 1}
SECONDS = {"text": 0.01, "step": 0.01, "vae": 0.09}
"""Of one piece: a call of 30 steps takes 0.4 s, of which the VAE takes 22.5 %."""
NOISE = 0.13
DRAWS = 200
Pair = Callable[..., Turns]


def kinds(calls: int) -> tuple[str, ...]:
    """Pieces of so many calls of ten steps."""
    return ("text", *["step"] * 10, "vae") * calls


def wander(random: np.random.Generator, count: int) -> list[float]:
    """Standard normal values whose neighbours correlate by 0.5, as load of a machine does."""
    values, rest = [float(random.standard_normal())], math.sqrt(1 - 0.5**2)
    for _ in range(count - 1):
        values.append(0.5 * values[-1] + rest * float(random.standard_normal()))
    return values


def draw(
    random: np.random.Generator,
    slower: Mapping[str, float] | float = 1.0,
    *,
    calls: int = 25,
    noise: float = NOISE,
    between: float = 0.0,
) -> Turns:
    """A pair of 300 pieces a side; ``noise`` is the sd of the log ratio of two equal pieces."""
    names = kinds(calls)
    by_kind = dict.fromkeys(SECONDS, slower) if isinstance(slower, float) else slower
    own = between * float(random.standard_normal())
    base, head = (
        [SECONDS[k] * math.exp(noise / math.sqrt(2) * x) for k, x in zip(names, xs, strict=True)]
        for xs in (wander(random, len(names)), wander(random, len(names)))
    )
    slow = [by_kind.get(k, 1.0) * math.exp(own) for k in names]
    return Turns(names, tuple(base), tuple(h * s for h, s in zip(head, slow, strict=True)))


def exact(slower: Mapping[str, float] | float = 1.0, calls: int = 25) -> Turns:
    """A pair without any noise."""
    return draw(np.random.default_rng(0), slower, calls=calls, noise=0.0)


def statuses(slower: float, pairs: int = 3, **options: float) -> Counter[Status]:
    found: Counter[Status] = Counter()
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        found[compare_turns([draw(random, slower, **options) for _ in range(pairs)], PIECES).status] += 1
    return found


def test_a_slowdown_of_8_percent_is_found_in_noise_of_13() -> None:
    found = statuses(1.08, between=0.006)

    assert found[Status.REGRESSED] >= 0.98 * DRAWS
    assert found[Status.OK] == found[Status.IMPROVED] == 0


def test_unchanged_code_is_hardly_ever_regressed() -> None:
    """Between processes it differs as is believed; the risk is 5 % for code slower by 0.5 %."""
    found = statuses(1.0, between=0.006)

    assert found[Status.REGRESSED] <= 4
    assert found[Status.IMPROVED] <= 4
    assert found[Status.OK] >= 0.3 * DRAWS


def test_a_speed_up_is_improved() -> None:
    assert statuses(0.92, between=0.006)[Status.IMPROVED] >= 0.98 * DRAWS


def test_quiet_unchanged_pairs_are_ok() -> None:
    found = statuses(1.0, pairs=4, noise=0.02)

    assert found == {Status.OK: DRAWS}


@pytest.mark.parametrize(("calls", "pairs"), [(25, 2), (25, 3), (2, 3)])
def test_interval_holds_the_truth(calls: int, pairs: int) -> None:
    """In about 95 % of the draws, where pairs differ as `between_sd` says; also of two calls a pair."""
    hits = 0
    for seed in range(2 * DRAWS):
        random = np.random.default_rng(seed)
        verdict = compare_turns(
            [draw(random, 1.03, calls=calls, noise=0.05, between=0.006) for _ in range(pairs)], PIECES
        )
        assert verdict.interval is not None
        hits += verdict.interval[0] < 1.03 < verdict.interval[1]

    assert 0.91 < hits / (2 * DRAWS) < 0.99


@pytest.mark.parametrize("calls", [2, 4])
def test_interval_knows_of_a_vae_that_scatters(calls: int) -> None:
    """Two or four values of a kind are too few for blocks, not for an error."""
    hits = 0
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        pairs = []
        for _ in range(3):
            turns = draw(random, calls=calls, noise=0.01)
            odd = np.exp(0.3 * random.standard_normal(len(turns.names)))
            head = [
                s * (o if n == "vae" else 1.0) for n, s, o in zip(turns.names, turns.head_s, odd, strict=True)
            ]
            pairs.append(replace(turns, head_s=tuple(head)))
        interval = compare_turns(pairs, PIECES).interval
        assert interval is not None
        hits += interval[0] < 1.0 < interval[1]

    assert hits > 0.85 * DRAWS


@pytest.mark.parametrize(
    ("slower", "ratio"),
    [
        ({"vae": 2.0}, 1.225),
        ({"text": 2.0}, 1.025),
        ({"step": 1.1}, 1.075),
        ({"step": 0.9, "vae": 1.1}, 0.9475),
        ({"text": 1.1, "step": 1.1, "vae": 1.1}, 1.1),
    ],
)
def test_each_kind_weighs_by_its_share_of_a_whole_call(slower: dict[str, float], ratio: float) -> None:
    """A call of 30 steps, though turns were taken with ten."""
    assert math.exp(pair_ratio(exact(slower), PIECES).shift) == pytest.approx(ratio)


@pytest.mark.parametrize("kind", ["text", "step", "vae"])
def test_a_slowdown_of_one_kind_alone_is_regressed(kind: str) -> None:
    """Of whichever kind, once it makes whole calls slower; also of the kind with the fewest values."""
    share = PIECES[kind] * SECONDS[kind] / 0.4
    random = np.random.default_rng(3)
    pairs = [draw(random, {kind: 1 + 0.09 / share}, noise=0.03) for _ in range(3)]

    verdict = compare_turns(pairs, PIECES)

    assert verdict.ratio == pytest.approx(1.09, abs=0.01)
    assert verdict.status is Status.REGRESSED


def test_a_slowdown_of_a_kind_that_hardly_counts_is_ok() -> None:
    assert compare_turns([exact({"text": 1.1})] * 4, PIECES).status is Status.OK


def test_kinds_count_as_often_as_a_call_has_them() -> None:
    """The same turns, of calls with many steps and with few."""
    turns = exact({"vae": 2.0})

    many, few = (pair_ratio(turns, {"text": 1, "step": n, "vae": 1}).shift for n in (100, 2))

    assert math.exp(many) == pytest.approx(1 + 0.09 / 1.10)
    assert math.exp(few) == pytest.approx(1 + 0.09 / 0.12)


@pytest.mark.parametrize("factor", [50.0, 0.02])
def test_a_few_disturbed_pieces_do_not_count(factor: float) -> None:
    """Every seventh of the head's pieces takes far longer, or the base's."""
    turns = exact(1.03)
    disturbed = tuple(s * (factor if i % 7 == 0 else 1.0) for i, s in enumerate(turns.head_s))

    verdict = compare_turns([replace(turns, head_s=disturbed)] * 3, PIECES)

    assert verdict.ratio == pytest.approx(1.03, abs=1e-6)
    assert fmean(disturbed) / fmean(turns.base_s) > 3 or factor < 1


@pytest.mark.parametrize("slower", [0.5, 1.0, 2.0])
def test_one_pair_is_too_few(slower: float) -> None:
    verdict = compare_turns([exact(slower)], PIECES)

    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.detail.endswith("; fewer than 2 pairs of processes")
    assert verdict.ratio == pytest.approx(slower)
    assert compare_turns([exact(slower)] * 2, PIECES).status is not Status.INCONCLUSIVE
    one = PairedSettings(least_pairs=1)
    assert compare_turns([exact(slower)], PIECES, one).status is not Status.INCONCLUSIVE


@pytest.mark.parametrize(("slower", "status"), [(1.1, Status.REGRESSED), (0.9, Status.IMPROVED)])
def test_both_tests_are_needed(slower: float, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    """Student's t alone is not enough, and sign flips alone are not."""
    pairs = [exact(slower)] * 3
    assert compare_turns(pairs, PIECES).status is status

    unsure = PairedSettings(between_sd=0.2)
    sign = 1 if slower > 1 else -1
    assert paired._flips([pair_ratio(p, PIECES) for p in pairs], [1 / 3] * 3, 0.0, sign) < 0.001
    assert compare_turns(pairs, PIECES, unsure).status is Status.INCONCLUSIVE

    monkeypatch.setattr(paired, "_flips", lambda *a: 0.5)
    assert compare_turns(pairs, PIECES).status is not status


def test_sign_flips_find_nothing_where_blocks_disagree() -> None:
    """Half of the blocks 30 % slower and half 25 % faster: nothing is certain, in either direction."""
    random = np.random.default_rng(1)
    mixed = [pair_ratio(draw(random, f, noise=0.01), PIECES) for f in (1.3, 0.75)]

    assert paired._flips(mixed, [0.5, 0.5], 0.005) > 0.2
    assert paired._flips(mixed, [0.5, 0.5], 0.005, -1) > 0.2


def test_sign_flips_tell_the_direction() -> None:
    slow = [pair_ratio(exact(1.05), PIECES)] * 2

    assert paired._flips(slow, [0.5, 0.5], 0.005) < 0.001
    assert paired._flips(slow, [0.5, 0.5], 0.005, -1) > 0.99
    assert paired._flips(slow, [0.5, 0.5], 0.1) > 0.99


def test_pairs_that_disagree_more_than_is_believed_widen_the_interval() -> None:
    alike, apart = (
        compare_turns([exact(1.08 * f) for f in factors], PIECES).interval
        for factors in ((1.0, 1.0, 1.0), (0.9, 1.0, 1.1))
    )

    assert alike is not None
    assert apart is not None
    assert apart[1] - apart[0] > 3 * (alike[1] - alike[0])


def test_agreement_of_pairs_does_not_make_sure() -> None:
    """Equal estimates of a few pairs by chance: the error stays as large as what shows inside them."""
    turns = draw(np.random.default_rng(5), noise=0.5, calls=10)
    inside = pair_ratio(turns, PIECES).error
    settings = PairedSettings(between_sd=1e-6)

    interval = compare_turns([turns] * 4, PIECES, settings).interval

    assert inside > 0.02
    assert interval is not None
    assert math.log(interval[1] / interval[0]) > 2 * 1.96 * inside / math.sqrt(4)


def test_more_looks_need_more_certainty() -> None:
    """At some slowdown one look alarms and ten do not, never the other way round."""
    once, often = PairedSettings(most_looks=1), PairedSettings(most_looks=10)
    seen = set()
    for step in range(60):
        pairs = [exact(1 + 0.001 * step)] * 2
        seen.add(tuple(compare_turns(pairs, PIECES, s).status is Status.REGRESSED for s in (once, often)))

    assert seen == {(False, False), (True, False), (True, True)}


@pytest.mark.parametrize("slower", [0.5, 1.0, 1.004, 2.0])
@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_without_noise_every_figure_is_finite(slower: float, pairs: int) -> None:
    verdict = compare_turns([exact(slower, calls=1)] * pairs, PIECES)
    assert verdict.interval is not None
    assert verdict.p_value is not None

    figures = (verdict.ratio, *verdict.interval, verdict.minimum_detectable_effect, verdict.p_value)

    assert all(f is not None and math.isfinite(f) for f in figures)
    assert verdict.interval[0] < verdict.interval[1]
    assert (verdict.p_value < 0.01) is (slower == 2.0)


def test_figures_of_a_verdict() -> None:
    verdict = compare_turns([exact(1.1)] * 3, PIECES)

    assert verdict.baseline_s == pytest.approx(0.4)
    assert (verdict.baseline_sessions, verdict.candidate_sessions) == (3, 3)
    assert (verdict.tolerance, verdict.confidence) == (0.02, 0.95)
    assert verdict.minimum_detectable_effect is not None
    assert 0.005 < verdict.minimum_detectable_effect < 0.05
    assert "head is 10.0 % slower than base (95 % interval +" in verdict.detail
    assert "3 pairs of processes, 900 pieces each" in verdict.detail
    assert "\n" not in verdict.detail


def test_what_is_tolerated_is_ok() -> None:
    """Certainly slower, and certainly within the tolerance."""
    pairs = [exact(1.04)] * 4

    assert compare_turns(pairs, PIECES).status is Status.REGRESSED
    assert compare_turns(pairs, PIECES, PairedSettings(tolerance=0.1)).status is Status.OK


@pytest.mark.parametrize("bad", [math.nan, -0.1, 0.0, math.inf])
@pytest.mark.parametrize("side", ["base_s", "head_s"])
def test_times_that_are_none_are_refused(bad: float, side: str) -> None:
    times = {"base_s": (1.0, 1.0), "head_s": (1.0, 1.0), side: (1.0, bad)}

    with pytest.raises(ValueError, match=f"piece 1 took {bad!r} s: wanted positive and finite"):
        Turns(("step", "vae"), **times)


def test_unequal_and_empty_turns_are_refused() -> None:
    with pytest.raises(ValueError, match="unequal or empty turns: 2 names, 2 and 1 times"):
        Turns(("step", "vae"), (1.0, 1.0), (1.0,))
    with pytest.raises(ValueError, match="unequal or empty turns: 1 names, 2 and 2 times"):
        Turns(("step",), (1.0, 1.0), (1.0, 1.0))
    with pytest.raises(ValueError, match="unequal or empty turns: 0 names"):
        Turns((), (), ())


def test_no_pair_and_a_kind_that_was_not_measured_are_refused() -> None:
    with pytest.raises(ValueError, match="no pair was measured"):
        compare_turns([], PIECES)
    with pytest.raises(ValueError, match="no piece of the kind text, vae was measured"):
        compare_turns([Turns(("step",), (1.0,), (1.0,))], PIECES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tolerance": 0.0}, "tolerance must lie between 0 and 1, got 0.0"),
        ({"tolerance": math.nan}, "tolerance must lie between 0 and 1, got nan"),
        ({"risk": 1.0}, "risk must lie between 0 and 1, got 1.0"),
        ({"confidence": 95}, "confidence must lie between 0 and 1, got 95"),
        ({"between_sd": 0.0}, "between_sd must lie between 0 and 1, got 0.0"),
        ({"minimum_effect": 0.02}, r"minimum_effect must lie in \[0, tolerance\), got 0.02"),
        ({"minimum_effect": -0.1}, r"minimum_effect must lie in \[0, tolerance\), got -0.1"),
        ({"most_looks": 0}, "most_looks and least_pairs must be 1 or more"),
        ({"least_pairs": 0}, "most_looks and least_pairs must be 1 or more"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PairedSettings(**change)  # type: ignore[arg-type]


def test_who_was_built_first_does_not_count() -> None:
    """The later process is 2 % faster: two pairs of one order and one of the other leave no trace of it."""
    pairs = [
        replace(exact(1.03 * 1.02**sign), first=first)
        for first, sign in (("base", -1), ("head", 1), ("base", -1))
    ]

    found = compare_turns(pairs, PIECES, PairedSettings(between_sd=0.001))
    known = compare_turns([replace(pair, first="") for pair in pairs], PIECES)

    assert found.ratio == pytest.approx(1.03)
    assert known.ratio == pytest.approx(1.03 * 1.02 ** (-1 / 3))
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] < 0.01


@pytest.mark.parametrize("interval", [2, 3, 5, 10])
def test_dear_steps_among_cheap_ones_count_by_their_seconds(interval: int) -> None:
    """A cache's whole steps take 1.5 times as long: trimmed among the spared ones nobody would see it."""
    dear = [place % interval == 0 for place in range(30)]
    names = ("text", *["step"] * 30, "vae") * 8
    base_s = (0.1, *(1.0 if whole else 0.2 for whole in dear), 1.0) * 8
    head_s = (0.1, *(1.5 if whole else 0.2 for whole in dear), 1.0) * 8
    turns = Turns(names, base_s, head_s)
    true = sum(head_s) / sum(base_s)
    found = pair_ratio(turns.calls(32, PIECES), {"call": 1})
    assert math.exp(found.shift) == pytest.approx(true)
    steps = pair_ratio(turns.calls(32, {"step"}), {"call": 1})
    assert math.exp(steps.shift) == pytest.approx((sum(head_s) - 8.8) / (sum(base_s) - 8.8))
    assert math.exp(pair_ratio(turns, PIECES).shift) < 0.9 * true


def test_a_call_that_was_not_finished_is_left_out() -> None:
    """Its sum would be that of a shorter one."""
    turns = Turns(("text", "vae", "text"), (1.0, 2.0, 9.0), (1.0, 2.0, 9.0)).calls(2, PIECES)
    assert (turns.names, turns.base_s) == (("call",), (3.0,))
