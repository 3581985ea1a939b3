"""What is examined, for which question, and how one finding follows another."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.device import NoDeviceError, fingerprint
from perfsuite.pipelines import variants
from perfsuite.records import Finding, Health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfsuite.doctor.hub import HubProbe
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Workload

    Check = Callable[["Examination"], Iterable[Finding]]


@dataclass(frozen=True)
class Examination:
    """The measurement that is planned, and where this machine tells about itself."""

    workload: Workload
    variants: tuple[Variant, ...] = ()
    """Empty for the rungs that this device runs."""
    choice: str = "auto"
    """Of the device, as on the command line."""
    weights: str = "auto"
    baselines: Path = Path("baselines")
    reference_cache: Path | None = None
    """None: off."""
    compile_cache: Path | None = None
    """The artifact of compiled code; None: off."""
    self_test_s: float = 10.0
    """Seconds of the self-test; 0: none."""
    root: Path = Path("/")
    """Above ``proc`` and ``sys``."""
    progress: Callable[[str], None] = field(default=lambda line: None, repr=False)

    @cached_property
    def device(self) -> Device:
        """The device that is measured on. Raises what `perfsuite.device.fingerprint` raises."""
        return fingerprint(self.choice)

    @property
    def known_device(self) -> Device | None:
        """The device, None where none of the checks could tell it."""
        return self.__dict__.get("device")

    @cached_property
    def planned(self) -> tuple[Variant, ...]:
        """The variants that were named, else the rungs that run on this device if its compiler works."""

        def runs(variant: Variant) -> bool:
            reasons = (o.supports(self.device) for o in variant.optimizations if not o.compiles)
            return not any(reasons) and variants.superseded(variant, self.device) is None

        return self.variants or tuple(filter(runs, variants.LADDER))

    @cached_property
    def hub(self) -> HubProbe:
        """Asks the hub, once it is told to begin, beside what else is done."""
        from perfsuite.doctor.hub import HubProbe

        return HubProbe(self.workload.model)

    def read(self, place: str) -> str | None:
        """A line or file below ``proc`` or ``sys``, stripped; None where it is not there."""
        try:
            return (self.root / place).read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None


def run(
    examination: Examination, checks: Sequence[tuple[str, Check]], *, debug: bool = False
) -> list[Finding]:
    """All findings, in the order of the checks.

    A check that raises becomes an UNKNOWN finding of its name with the error's text, and the others are
    still made; with `debug` its error is raised. Those that need the device, where it is not there, are
    named together.
    """
    found: list[Finding] = []
    left_out: list[str] = []
    for name, check in checks:
        try:
            found += check(examination)
        except NoDeviceError:
            left_out.append(name)
        except Exception as error:
            if debug:
                raise
            said = str(error).strip() or "no message"
            found.append(
                Finding(
                    name,
                    Health.UNKNOWN,
                    f"the check itself failed: {type(error).__name__}: {said}",
                    "perfsuite doctor --debug shows where",
                )
            )
    if left_out:
        reason = f"without a device: {', '.join(left_out)}"
        found.append(Finding("not looked at", Health.UNKNOWN, reason, "give a device that is there"))
    return found


def exit_code(findings: Sequence[Finding], *, strict: bool = False) -> int:
    """0: fit to measure; 1: measurements will mislead (`strict`: or could be better); 3: cannot tell."""
    statuses = {finding.status for finding in findings}
    if Health.PROBLEM in statuses:
        return 1
    if Health.UNKNOWN in statuses or not statuses:
        return 3
    return int(strict and Health.WARNING in statuses)
