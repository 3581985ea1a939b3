"""The baseline of this device, and the golden references of the workload."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from examining import CPU, GPU, Examine, Only
from sessions import make_session

from perfsuite.doctor import stored
from perfsuite.pipelines import models, variants, workloads
from perfsuite.records import Device, Health, Result
from perfsuite.store import Baselines

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
HERE = dict.fromkeys(stored.COMPARED, "1")


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "versions", lambda: dict(HERE))


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., None]:
    """Store so many sessions of these variants, so many days old."""

    def write(
        names: tuple[str, ...] = ("fp32",), sessions: int = 5, days: float = 3.0, device: Device = CPU,
        protocol: str | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        made_with = protocol or models.protocol(workloads.SHAPES)
        for name in names:
            for number in range(sessions):
                session = make_session(
                    id=f"{name}{number}", latency_s=(1.0, 1.02, 1.01 + 0.01 * number),
                    date=(NOW - timedelta(days=days)).isoformat(), **{"versions": HERE, **changes},
                )  # fmt: skip
                result = Result("shapes", name, made_with, session=session)
                Baselines(tmp_path / "baselines").update(device, [result], "append")

    return write


FP32 = (variants.get("fp32"),)


def test_a_recent_baseline(record: Callable[..., None], examine: Examine, only: Only) -> None:
    record()
    found = only(stored.baseline(examine(variants=FP32)))
    assert found.status is Health.OK, found.found
    assert found.found.startswith("1 variants of shapes, 5 sessions each, 3 days old; one new session finds")
    assert found.figures["least_sessions"] == 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sessions": 2}, "fewer than 3 sessions show only gross changes"),
        ({"days": 200}, "older than 90 days"),
        ({"versions": HERE | {"torch": "0.9"}}, "of other versions (torch 0.9 -> 1)"),
        ({"protocol": "another"}, "INCOMPATIBLE"),
    ],
)
def test_what_is_wrong_with_a_baseline(
    changes: dict[str, Any], said: str, record: Callable[..., None], examine: Examine, only: Only
) -> None:
    record(**changes)
    found = only(stored.baseline(examine(variants=FP32)))
    assert (found.status, said in found.found) == (Health.WARNING, True), found.found
    assert found.remedy.startswith("perfsuite calibrate --sessions 5 --workload shapes")


def test_variants_without_a_baseline(record: Callable[..., None], examine: Examine, only: Only) -> None:
    record()
    planned = (*FP32, variants.get("fp32-sdpa"))
    found = only(stored.baseline(examine(variants=planned)))
    assert (found.status, "none of fp32-sdpa" in found.found) == (Health.WARNING, True)


def test_no_baseline_at_all(examine: Examine, only: Only) -> None:
    found = only(stored.baseline(examine()))
    assert found.status is Health.WARNING
    assert "no baseline of shapes: verdicts will be NEW" in found.found


def test_a_device_without_one_is_held_to_the_shape(
    record: Callable[..., None], examine: Examine, only: Only, tmp_path: Path
) -> None:
    """The others that have one are named."""
    record(device=GPU)
    shutil.copy(ROOT / "baselines" / "ladder-shape.json", tmp_path / "baselines")
    found = only(stored.baseline(examine()))
    assert "held to the ladder's shape alone" in found.found
    assert f"other devices there: {GPU.slug}" in found.found


def test_a_damaged_baseline(
    record: Callable[..., None], examine: Examine, only: Only, tmp_path: Path
) -> None:
    """File, entry, field and remedy of the store's own error."""
    record()
    path = tmp_path / "baselines" / f"{CPU.slug}.json"
    document = json.loads(path.read_text())
    document["entries"]["shapes/fp32"]["sessions"][0]["latency_s"] = ["fast"]
    path.write_text(json.dumps(document))
    found = only(stored.baseline(examine()))
    assert found.status is Health.PROBLEM
    for part in (str(path), "entry 'shapes/fp32'", "field sessions[0].latency_s[0]", "git checkout"):
        assert part in found.found


@pytest.fixture
def references(tmp_path: Path) -> Path:
    """The stored references of the small model."""
    folder = tmp_path / "baselines" / "reference" / "shapes"
    shutil.copytree(ROOT / "baselines" / "reference" / "shapes", folder)
    return folder


def test_golden_references(references: Path, examine: Examine, only: Only) -> None:
    found = only(stored.golden(examine()))
    assert (found.status, found.figures["missing"]) == (Health.OK, 0), found.found


def test_golden_references_that_are_missing(references: Path, examine: Examine, only: Only) -> None:
    (references / "prompt-2.png").unlink()
    found = only(stored.golden(examine()))
    assert (found.status, "lacks prompt-2.png" in found.found) == (Health.WARNING, True)
    folder = references.parents[1]
    assert found.remedy == f"perfsuite calibrate --golden --quality --workload shapes --baselines {folder}"


def test_thresholds_that_are_damaged(references: Path, examine: Examine, only: Only) -> None:
    (references / "thresholds.json").write_text("{")
    found = only(stored.golden(examine()))
    assert (found.status, "thresholds.json" in found.found) == (Health.PROBLEM, True)


def test_a_variant_without_thresholds(references: Path, examine: Examine, only: Only) -> None:
    planned = (variants.get("bf16+sdpa+channels-last"),)
    found = only(stored.golden(examine(variants=planned)))
    assert (found.status, planned[0].name in found.found) == (Health.WARNING, True)


def test_no_references(examine: Examine, only: Only) -> None:
    found = only(stored.golden(examine(workload=workloads.get("sdxl-base"))))
    assert (found.status, "thresholds.json" in found.found) == (Health.WARNING, True)
