"""Baselines and fresh processes of which every figure is known."""

from collections.abc import Sequence
from typing import Any

from sessions import make_session

from perfsuite.decision.basis import judge
from perfsuite.decision.confirmation import Confirmation
from perfsuite.records import Entry, Relative, Session, Verdict

WOBBLE = (1.0, 1.006, 0.997, 1.003, 0.995)
"""Of stored sessions, which differ by half a percent."""


def session(factor: float = 1.0, relative: float | None = None, **changes: Any) -> Session:
    """One session of eight calls near `factor` seconds, and near `relative` in units of float32."""
    samples = tuple(1 + 0.002 * (i % 3) for i in range(8))
    usual: dict[str, Any] = {
        "latency_s": tuple(factor * s for s in samples),
        "relative": None if relative is None else Relative("fp32", tuple(relative * s for s in samples)),
    }
    return make_session(**{**usual, **changes})


def entry(relative: float | None = None, *, wobble: Sequence[float] = WOBBLE, **changes: Any) -> Entry:
    """A baseline of sessions near one second."""
    stored = [session(w, None if relative is None else relative * w, **changes) for w in wobble]
    return Entry("shapes", "bf16", "p", tuple(stored))


def control(seconds: float) -> dict[str, Any]:
    return {"conditions": {"threads": 2.0, "control_s": seconds}}


class Fresh:
    """Fresh processes that measure what they are told, one after the other."""

    def __init__(self, *sessions: Session) -> None:
        self.sessions = list(sessions)
        self.lines: list[str] = []

    def __call__(self) -> Session:
        return self.sessions.pop(0)


def confirmed(
    fresh: Fresh,
    first: Session,
    stored: Entry | None = None,
    *,
    by: Confirmation | None = None,
    kind: str = "cuda",
    count: int = 4,
) -> Verdict:
    """Judge a first session, and then by fresh ones."""
    stored = stored or entry()
    verdict, basis = judge(stored, first, kind)
    by = by or Confirmation(count)
    assert by.wanted(stored, first, verdict, basis)
    return by.run(stored, first, verdict, kind, fresh, fresh.lines.append)
