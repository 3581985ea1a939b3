"""The search alone: an oracle of arithmetic, with noise, and no package anywhere."""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from perfsuite.tracking.bisection.candidates import Candidate, merged
from perfsuite.tracking.bisection.running import Outcome, bisect
from perfsuite.tracking.bisection.search import Answer, BrokenError, OutOfTimeError, Reply
from perfsuite.tracking.bisection.telling import outcome as told
from perfsuite.tracking.trials.judging import settings_for

PACKAGES = ("torch", "torchao", "diffusers")


def nights(count: int, **moves: Sequence[int]) -> list[Candidate]:
    """Each night has a new torch, and others from the nights on that are named."""
    found = []
    for night in range(1, count + 1):
        versions = {"torch": str(night)}
        for package, days in moves.items():
            versions[package] = str(sum(day <= night for day in days))
        found.append(Candidate(f"2026-11-{night:02}", versions, labels=(f"2026-11-{night:02}",)))
    return found


@dataclass
class Simulated:
    """Slowdowns by package and version; each comparison has noise, and says what the real rule would say."""

    steps: dict[tuple[str, int], float]
    """(package, first version with it): log ratio."""
    noise: float = 0.0
    """Standard error of a comparison's log ratio the first time; a second one takes twice as long."""
    broken: Callable[[Candidate], bool] = lambda candidate: False
    limit: int = 10**6
    seed: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        whole = sum(self.steps.values())
        self._settings = settings_for(math.exp(whole))

    def level(self, candidate: Candidate) -> float:
        """Log of its time."""
        return sum(
            size
            for (package, first), size in self.steps.items()
            if int(candidate.versions.get(package, "0")) >= first
        )

    def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
        if len(self.asked) >= self.limit:
            raise OutOfTimeError
        self.asked.append((base.label, head.label))
        for each in (base, head):
            if self.broken(each):
                raise BrokenError(each, f"{each.label} does not start")
        error = self.noise / math.sqrt(min(2**effort, 4))
        shift = self.level(head) - self.level(base) + self._rng.gauss(0, error)
        low, high = shift - 2.2 * error, shift + 2.2 * error
        answer = Answer.INCONCLUSIVE
        if shift - 2.6 * error > math.log1p(self._settings.minimum_effect):
            answer = Answer.REGRESSED
        elif high <= math.log1p(self._settings.tolerance):
            answer = Answer.OK
        return Reply(answer, math.exp(shift), (math.exp(low), math.exp(high)))


def where(found: Outcome) -> list[tuple[str | None, str, str]]:
    """Package, last good and first bad label of each culprit."""
    return [(n.package, n.culprit.good.last_label, n.culprit.bad.label) for n in found.named]


def test_one_culprit_in_few_steps() -> None:
    oracle = Simulated({("torch", 43): 0.05})
    found = bisect(nights(60), PACKAGES, oracle)
    assert where(found) == [("torch", "2026-11-42", "2026-11-43")]
    assert found.complete
    assert found.unsettled == ()
    assert len(oracle.asked) <= 1 + 2 * math.ceil(math.log2(60))


@pytest.mark.parametrize("bad", range(2, 13))
def test_every_place(bad: int) -> None:
    """The first night after good and the last one too."""
    found = bisect(nights(12), PACKAGES, Simulated({("torch", bad): 0.08}))
    assert where(found) == [("torch", f"2026-11-{bad - 1:02}", f"2026-11-{bad:02}")]


def test_two_culprits_are_both_found() -> None:
    found = bisect(nights(12), PACKAGES, Simulated({("torch", 4): 0.05, ("torch", 9): 0.08}))
    assert where(found) == [("torch", "2026-11-03", "2026-11-04"), ("torch", "2026-11-08", "2026-11-09")]


def test_the_package_that_carries_it() -> None:
    """Others changed in the same nights."""
    oracle = Simulated({("diffusers", 2): 0.06})
    found = bisect(nights(12, diffusers=[3, 8], torchao=[8]), PACKAGES, oracle)
    assert found.carriers is not None
    assert found.carriers.why == "diffusers alone carries all of it"
    assert where(found) == [("diffusers", "2026-11-07", "2026-11-08")]


def test_two_packages_carry_a_part_each() -> None:
    oracle = Simulated({("diffusers", 1): 0.04, ("torch", 10): 0.05})
    found = bisect(nights(12, diffusers=[5]), PACKAGES, oracle)
    assert where(found) == [
        ("torch", "2026-11-09", "2026-11-10"),
        ("diffusers", "2026-11-04", "2026-11-05"),
    ]


def test_what_shows_only_together_is_searched_together() -> None:
    class Together(Simulated):
        def level(self, candidate: Candidate) -> float:
            new = int(candidate.versions["torch"]) >= 4 and candidate.versions["diffusers"] == "1"
            return 0.08 if new else 0.0

    found = bisect(nights(12, diffusers=[7]), PACKAGES, Together({("torch", 1): 0.08}))
    assert found.carriers is not None
    assert found.carriers.why == "no single package carries it: only all of them together show it"
    assert where(found) == [(None, "2026-11-06", "2026-11-07")]
    assert "Found: several packages together, between 2026-11-06 and 2026-11-07: +8.3 %" in "\n".join(
        told(found)
    )


def test_a_package_that_does_not_work_beside_the_old_others_is_exchanged_the_other_way() -> None:
    """New diffusers needs new torch."""

    def broken(candidate: Candidate) -> bool:
        return candidate.versions["diffusers"] == "1" and int(candidate.versions["torch"]) < 8

    oracle = Simulated({("torch", 10): 0.08}, broken=broken)
    found = bisect(nights(12, diffusers=[8]), PACKAGES, oracle)
    assert where(found) == [("torch", "2026-11-09", "2026-11-10")]


def test_broken_nights_are_passed_over_and_widen_what_can_be_said() -> None:
    def broken(candidate: Candidate) -> bool:
        return candidate.versions["torch"] in ("6", "7")

    found = bisect(nights(12), PACKAGES, Simulated({("torch", 7): 0.08}, broken=broken))
    (named,) = found.named
    assert where(found) == [("torch", "2026-11-05", "2026-11-08")]
    assert named.culprit.passed_over == ("2026-11-06", "2026-11-07")
    assert [label for label, _ in found.broken] == ["2026-11-06", "2026-11-07"]
    assert "   or any of 2026-11-06, 2026-11-07, which could not be measured" in told(found)


def test_a_good_night_that_cannot_be_measured_is_an_error() -> None:
    oracle = Simulated({("torch", 7): 0.08}, broken=lambda c: c.versions["torch"] == "1")
    with pytest.raises(BrokenError, match="2026-11-01 does not start"):
        bisect(nights(12), PACKAGES, oracle)


def test_equal_hashes_are_one_night() -> None:
    """Versions differ, the commit does not: nothing is measured between them."""
    rows = [
        Candidate(f"2026-11-{n:02}", {"torch": str(n)}, {"torch": f"{min(n, 6):07x}"}, (f"2026-11-{n:02}",))
        for n in range(1, 10)
    ]
    candidates = merged(rows)
    assert [c.labels for c in candidates[-1:]] == [tuple(f"2026-11-{n:02}" for n in (6, 7, 8, 9))]
    oracle = Simulated({("torch", 6): 0.08})
    found = bisect(candidates, PACKAGES, oracle)
    assert where(found) == [("torch", "2026-11-05", "2026-11-06")]
    assert all(label <= "2026-11-06" for pair in oracle.asked for label in pair)


def test_nothing_to_search_for() -> None:
    """The slowdown was the machine's."""
    found = bisect(nights(12), PACKAGES, Simulated({("torch", 99): 0.08}))
    assert not found.reproduced
    assert told(found) == [
        "Good and bad do not differ here: +0.0 % (+0.0 to +0.0 %): there is nothing to search for."
    ]


def test_many_small_steps_are_not_blamed_on_one_night() -> None:
    found = bisect(nights(17), PACKAGES, Simulated({("torch", n): 0.002 for n in range(2, 18)}))
    assert found.reproduced
    for named in found.named:
        assert (named.culprit.reply.ratio or 0) > 1.001
    assert found.unsettled or len(found.named) > 1


def test_the_time_runs_out_and_what_was_found_stays() -> None:
    oracle = Simulated({("torch", 4): 0.08}, limit=4)
    found = bisect(nights(40), PACKAGES, oracle)
    assert found.out_of_time
    (left,) = found.unsettled
    assert (left.good.label, left.bad.label, left.reason) == ("2026-11-01", "2026-11-20", "the time ran out")


def test_wrong_culprits_are_rare_under_noise() -> None:
    """Some hundred searches with noise, equal hashes, missing and broken nights, one culprit or two."""
    counts: Counter[str] = Counter()
    for seed in range(300):
        rng = random.Random(seed)
        steps = {("torch", rng.randint(2, 30)): rng.choice([0.03, 0.05, 0.1])}
        if seed % 3 == 0:
            steps[("torch", rng.randint(2, 30))] = rng.choice([0.04, 0.08])
        missing = set(rng.sample(range(2, 30), 4))
        broken = {str(n) for n in rng.sample(range(2, 30), 2)}
        rows = [c for c in nights(30) if int(c.versions["torch"]) not in missing]
        oracle = Simulated(steps, noise=0.006, broken=lambda c, b=broken: c.versions["torch"] in b, seed=seed)
        found = bisect(merged(rows), PACKAGES, oracle)
        counts[verdict(found, {first for _, first in steps})] += 1
    assert counts["wrong"] <= 3, counts
    assert counts["all"] >= 270, counts


def verdict(found: Outcome, real: set[int]) -> str:
    """``wrong`` if any culprit's interval holds none; ``all`` if each real one is in one; else ``some``."""
    spans = [
        (int(n.culprit.good.versions["torch"]), int(n.culprit.bad.versions["torch"])) for n in found.named
    ]
    if any(not any(low < r <= high for r in real) for low, high in spans):
        return "wrong"
    covered = all(any(low < r <= high for low, high in spans) for r in real)
    return "all" if covered else "some"
