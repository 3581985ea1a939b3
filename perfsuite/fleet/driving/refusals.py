"""Device classes for which the engine takes no blocks: it is asked again after a while."""

from __future__ import annotations

from dataclasses import dataclass

from perfsuite.fleet.scheduling.placing import Lack, Obstacle

AGAIN_S = 60.0
"""Between two times that it is asked."""


@dataclass
class _Refusal:
    said: str
    since_s: float
    last_s: float
    final: bool


class Refusals:
    """A controller that does not answer, or an account's limit, is no fault of blocks: none has begun."""

    def __init__(self, wait_s: float) -> None:
        """`wait_s`: after which it is not asked any more."""
        self._wait_s = wait_s
        self._found: dict[str, _Refusal] = {}

    def note(self, device: str, said: str, now_s: float, *, final: bool) -> None:
        """It has refused a block; `final`: it would again."""
        before = self._found.get(device)
        self._found[device] = _Refusal(said, before.since_s if before else now_s, now_s, final)

    def forget(self, device: str) -> None:
        """It has taken one."""
        self._found.pop(device, None)

    def obstacle(self, device: str, now_s: float) -> Obstacle | None:
        """What it said, while it is not to be asked."""
        found = self._found.get(device)
        if found is None or (now_s - found.last_s >= AGAIN_S and not self._is_final(found, now_s)):
            return None
        return Obstacle(Lack.ENGINE, device, found.said)

    def are_over(self, now_s: float) -> bool:
        """Whether all has been asked for long enough."""
        return all(self._is_final(found, now_s) for found in self._found.values())

    def _is_final(self, found: _Refusal, now_s: float) -> bool:
        return found.final or now_s - found.since_s >= self._wait_s
