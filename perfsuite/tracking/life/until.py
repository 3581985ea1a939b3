"""How long a change is ignored: until a date, or until a package has a version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement


@dataclass(frozen=True)
class Until:
    """One of the two."""

    day: str = ""
    requirement: Requirement | None = None

    @classmethod
    def of(cls, text: str) -> Until:
        """Read ``2026-12-24`` or ``torch>=2.14``.

        Raises:
            ValueError: it is neither.
        """
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            return cls(day=date.fromisoformat(text).isoformat())
        except ValueError:
            pass  # then it is a version
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            requirement = Requirement("none")
        if not requirement.specifier or requirement.marker or requirement.extras:
            raise ValueError(
                f"{text!r} is neither a date, such as 2026-12-24, nor a version, such as torch>=2.14"
            )
        return cls(requirement=requirement)

    def is_over(self, night: str, versions: Mapping[str, str]) -> bool:
        """Whether the day has come, or the latest run had such a version.

        A pre-release counts by its number alone: ``2.14.0.dev20261120`` is before ``2.14``.
        """
        if self.requirement is None:
            return night >= self.day
        version = versions.get(self.requirement.name)
        return version is not None and self.requirement.specifier.contains(version, prereleases=True)
