"""What the oracles make of an A/B and of counts: versions are checked where it ran, and errors sorted."""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from perfsuite.environments import Built, EnvironmentsError, UnavailableError
from perfsuite.records import Counts, Status, Verdict
from perfsuite.tracking.bisection.candidates import Candidate
from perfsuite.tracking.bisection.search import Answer, BrokenError
from perfsuite.tracking.trials import oracles
from perfsuite.tracking.trials.judging import settings_for
from perfsuite.tracking.trials.oracles import AbOracle, CountsOracle, OracleError
from perfsuite.workers.ab import Comparison, Plan
from perfsuite.workers.client import RefusedError, WorkerError

ONE = Candidate("2026-11-01", {"torch": "2.1"})
TWO = Candidate("2026-11-02", {"torch": "2.2"})


class Builder:
    """Environments that are nothing but a path."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.error: Exception | None = None

    def build(self, versions: dict[str, str], git: dict[str, str]) -> Built:
        if self.error is not None:
            raise self.error
        self.built.append(versions["torch"])
        return Built(Path(f"/env-{versions['torch']}/bin/python"), versions)


class Server:
    """Workers that have what their interpreter is named after."""

    counted: ClassVar[dict[str, Any]] = {}

    def __init__(self, python: Path, **options: Any) -> None:
        self.version = str(python).split("/")[1].removeprefix("env-")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def launch(self) -> None:
        pass

    def worker(self, limit_s: float = 0.0) -> Any:
        counts = Counts({}, "AVX", {"aten.clone": len(self.version.split(".")[1])}, {}, {}, None, {}, None)

        def ask(command: str, **arguments: Any) -> Any:
            return asdict(counts) if command == "counts" else {}

        return SimpleNamespace(ask=ask, close=lambda: None, hello={"versions": {"torch": self.version}})


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    monkeypatch.setattr(oracles, "Server", Server)
    return Builder()


def compared(monkeypatch: pytest.MonkeyPatch, status: Status, head: str = "2.2+cpu") -> list[Plan]:
    """In place of the A/B; the plans that it got."""
    plans: list[Plan] = []

    def run_ab(servers: Any, plan: Plan, *others: Any) -> Comparison:
        plans.append(plan)
        found = Comparison(plan, verdict=Verdict(status, 1.05, (1.03, 1.07), detail="so it is"))
        found.facts["base"].versions, found.facts["head"].versions = {"torch": "2.1"}, {"torch": head}
        return found

    monkeypatch.setattr(oracles, "run_ab", run_ab)
    return plans


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (Status.REGRESSED, Answer.REGRESSED),
        (Status.OK, Answer.OK),
        (Status.IMPROVED, Answer.OK),
        (Status.INCONCLUSIVE, Answer.INCONCLUSIVE),
    ],
)
def test_a_verdict_is_an_answer(
    status: Status, answer: Answer, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More effort is more time, up to four times."""
    plans = compared(monkeypatch, status, "2.2")
    oracle = AbOracle(builder, Plan(time_s=10.0))  # type: ignore[arg-type]
    for effort in range(4):
        reply = oracle(ONE, TWO, effort)
        assert (reply.answer, reply.ratio, reply.interval) == (answer, 1.05, (1.03, 1.07))
    assert [plan.time_s for plan in plans] == [10.0, 20.0, 40.0, 40.0]


def test_metrics_of_one_variant_share_a_comparison(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same two environments, with as much time and the same tolerance."""
    plans = compared(monkeypatch, Status.REGRESSED, "2.2")
    made: dict[tuple[object, ...], Comparison] = {}
    for metric in ("latency", "relative latency"):
        oracle = AbOracle(builder, Plan(variant="bf16"), metric=metric, made=made)  # type: ignore[arg-type]
        assert oracle(ONE, TWO, 0).answer is Answer.REGRESSED
    assert len(plans) == 1
    stricter = AbOracle(builder, Plan(variant="bf16"), settings_for(1.01), made=made)  # type: ignore[arg-type]
    stricter(ONE, TWO, 0)
    AbOracle(builder, Plan(variant="fp32"), made=made)(ONE, TWO, 0)  # type: ignore[arg-type]
    assert len(plans) == 3


def test_a_process_that_had_another_version_is_no_answer(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the local part of the version is another."""
    compared(monkeypatch, Status.OK)
    with pytest.raises(
        BrokenError, match=r"torch 2\.2 was to be measured, and the process had 2\.2\+cpu"
    ) as told:
        AbOracle(builder, Plan())(ONE, TWO, 0)  # type: ignore[arg-type]
    assert told.value.candidate is TWO


@pytest.mark.parametrize(
    ("error", "wanted", "fault"),
    [
        (RefusedError("no such device"), OracleError, None),
        (WorkerError("/env-2.2/bin/python: the process ended\nKilled"), BrokenError, TWO),
        (WorkerError("the process ended"), BrokenError, None),
        (RuntimeError("the sides ran no such device's pieces in one order"), BrokenError, None),
    ],
)
def test_errors_of_an_ab(
    error: Exception, wanted: type[Exception], fault: Candidate | None, builder: Builder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def run_ab(*arguments: Any) -> Comparison:
        raise error

    monkeypatch.setattr(oracles, "run_ab", run_ab)
    with pytest.raises(wanted, match=r"no such device|the process ended") as told:
        AbOracle(builder, Plan())(ONE, TWO, 0)  # type: ignore[arg-type]
    assert getattr(told.value, "candidate", None) is fault


def test_errors_of_an_environment(builder: Builder) -> None:
    """A version that cannot be built is passed over; an index that is away ends all."""
    builder.error = EnvironmentsError("no such wheel")
    with pytest.raises(BrokenError, match="no such wheel"):
        AbOracle(builder, Plan())(ONE, TWO, 0)  # type: ignore[arg-type]
    builder.error = UnavailableError("the index is away")
    with pytest.raises(UnavailableError):
        AbOracle(builder, Plan())(ONE, TWO, 0)  # type: ignore[arg-type]


def test_each_environment_is_counted_once(builder: Builder) -> None:
    """Any difference is one."""
    oracle = CountsOracle(builder, Plan(), "operators: aten.clone")  # type: ignore[arg-type]
    more = Candidate("2026-11-09", {"torch": "2.22"})
    assert oracle(ONE, TWO, 0).answer is Answer.OK
    reply = oracle(TWO, more, 0)
    assert (reply.answer, reply.ratio, reply.detail) == (Answer.REGRESSED, 2.0, "1 before, 2 after")
    assert builder.built == ["2.1", "2.2", "2.22"]


def test_a_metric_that_is_not_counted_here(builder: Builder) -> None:
    oracle = CountsOracle(builder, Plan(), "gate: quality")  # type: ignore[arg-type]
    with pytest.raises(OracleError, match=r"gate: quality of bf16-sdpa cannot be counted here.*operators"):
        oracle(ONE, TWO, 0)
