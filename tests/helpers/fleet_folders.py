"""Folders of plans that were run, as a driver leaves them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from counted import make_counts
from planned import AFTER, BEFORE, CPU, GPU, planned
from sample_runs import DEVICE, quality, result, session, verdict, write_run

from perfsuite.fleet.blocks.endings import JUNIT, RESULTS, SIDES
from perfsuite.fleet.ledger.account import End, this_sitting
from perfsuite.fleet.ledger.file import Ledger
from perfsuite.fleet.planning.files import PLAN, write_plan
from perfsuite.fleet.planning.matrix import Comparison
from perfsuite.fleet.planning.sharding import shard
from perfsuite.records import (
    Attempt,
    CountVerdict,
    Device,
    Ending,
    PictureStatus,
    Plan,
    Quality,
    Result,
    Status,
    Verdict,
    Work,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Block

BEGAN = "2026-03-04T05:06:07+00:00"
H100 = Device("cuda", "NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3", 1, 80 * 2**30, {"index": "0"})
DEVICES = {"cpu": DEVICE, "h100": H100}
GPUS = ("GPU-5a31c0de-1111", "GPU-77e0beef-2222", "GPU-0badcafe-3333")
LATENCIES = {"fp32": 0.68, "bf16": 0.55, "bf16-sdpa": 0.5, "bf16-sdpa-compile": 0.33}
CASE = (
    '<testcase name={name}><properties><property name="perfsuite.asked" value={key}/></properties>'
    "{end}</testcase>"
)
ALL_WORK = (Work.LATENCY, Work.STRUCTURE, Work.COUNTS, Work.QUALITY)


def junit(block: Block, ends: Mapping[str, str] | None = None) -> bytes:
    """A test of each variant; its end is empty where it passed."""
    cases = [
        CASE.format(
            name=quoteattr(f"test_{block.work}[{block.workload}-{name}]"),
            key=quoteattr(f"{block.workload}/{name}"),
            end=(ends or {}).get(name, ""),
        )
        for name in block.variants
    ]
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


def failure(said: str) -> str:
    """A test that failed."""
    return f"<failure message={quoteattr(said)}/>"


def skip(said: str) -> str:
    """A test that was skipped."""
    return f"<skipped message={quoteattr(said)}/>"


def latency(block: Block, gpu: str = "", **changes: Verdict) -> list[Result]:
    """Results of a latency block, in which some verdicts are others than OK."""
    repeat = block.cells[0].repeat
    slower = 1 + 0.02 * GPUS.index(gpu) if gpu else 1.0
    names = [name for name in (block.twin, *block.variants) if name]
    return [
        result(
            name,
            workload=block.workload,
            session=session(
                name, slower * LATENCIES.get(name, 0.4), gpu=gpu, id=f"{name}-{block.id[:6]}-{repeat}"
            ),
            verdict=changes.get(name, verdict()),
            quality=None,
        )
        for name in names
    ]


def counts(block: Block, **changes: CountVerdict) -> list[Result]:
    """Results of a block of counts."""
    return [
        Result(block.workload, name, "shapes 128x128", counts=make_counts(),
               counted=changes.get(name, CountVerdict(Status.OK)))
        for name in block.variants
    ]  # fmt: skip


def pictures(block: Block, **changes: Quality) -> list[Result]:
    """Results of a block of quality."""
    return [
        Result(block.workload, name, "shapes 128x128", quality=changes.get(name, quality()))
        for name in block.variants
    ]


def sides(status: Status = Status.OK, ratio: float = 1.004, **changes: Any) -> bytes:
    """What an A/B leaves."""
    document = {
        "schema_version": 1, "kind": "ab", "status": status, "ratio": ratio,
        "interval": [ratio - 0.01, ratio + 0.01], "detail": f"{ratio - 1:+.1%} in turns",
        "pictures": {"status": "OK"},
    }  # fmt: skip
    return json.dumps(document | changes).encode()


def results_file(block: Block, results: Sequence[Result], device: Device | None = None) -> bytes:
    """As a block leaves it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"{block.id[:8]}.jsonl"
        kind = device or DEVICES.get(block.device, DEVICE)
        return write_run(
            path, list(results), device=kind, chosen=tuple(f"{block.workload}/{v}" for v in block.variants)
        ).read_bytes()


class Driver:
    """Leaves a folder as a driver does."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.plan, self.path = plan, path
        write_plan(path / PLAN, plan)
        self.ledger = Ledger.open(path, plan)
        self.ledger.add(this_sitting("local", BEGAN))
        self._seconds = 0

    def attempt(
        self,
        block: Block | str,
        ending: Ending,
        files: Mapping[str, bytes] | None = None,
        *,
        machine: str = "node-1",
        gpu: str = "",
        seconds: float = 40.0,
        **changes: Any,
    ) -> None:
        """One try, after the last."""
        name = block if isinstance(block, str) else block.id
        number = 1 + sum(each.block == name for each in self.ledger.attempts)
        began, ended = (f"2026-03-04T{5 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}+00:00"
                        for at in (self._seconds, self._seconds + int(seconds)))  # fmt: skip
        self._seconds += int(seconds) + 2
        kept = {file: self.ledger.put(data) for file, data in (files or {}).items()}
        usual: dict[str, Any] = {
            "block": name, "number": number, "machine": machine, "slot": f"{machine}/{gpu or 'cpu'}",
            "uuid": gpu or "cpu", "began": began, "ended": ended, "seconds": seconds, "placed_s": 0.8,
            "ending": ending, "exit_code": 0 if ending is Ending.PASSED else 1, "files": kept,
        }  # fmt: skip
        self.ledger.add(Attempt(**{**usual, **changes}))

    def judged(self, block: Block, results: Sequence[Result], **options: Any) -> None:
        """One that ended with a verdict."""
        ends = options.pop("ends", {})
        ending = Ending.FAILED if any("<failure" in end for end in ends.values()) else Ending.PASSED
        files = {
            JUNIT: junit(block, ends),
            RESULTS: results_file(block, results, options.pop("device", None)),
        }
        self.attempt(block, ending, files, **options)

    def end(self, **reasons: Mapping[str, str]) -> None:
        """The driver has no more to do."""
        self.ledger.add(End(ended="2026-03-04T09:00:00+00:00", **reasons))
        self.ledger.close()


def plain(path: Path, **changes: Any) -> Path:
    """A plan of two variants on a CPU, of which all is well."""
    plan = planned(**{"work": ALL_WORK, "variants": ("fp32", "bf16"), **changes})
    driver = Driver(path, plan)
    for block in plan.blocks:
        well(driver, block)
    driver.end()
    return path


def parted(path: Path, count: int, *, begun: Sequence[int] = (), **changes: Any) -> list[Path]:
    """A folder a part of one plan, of which all is well; of those that are only `begun` nothing is known."""
    plan = planned(**{"work": ALL_WORK, "variants": ("fp32", "bf16"), "rungs": 1, **changes})
    found = []
    for number in range(1, count + 1):
        driver = Driver(path / f"part-{number - 1}", shard(plan, number, count))
        driver.attempt(f"doctor-{number}", Ending.PASSED, seconds=9)
        for block in driver.plan.blocks:
            if number in begun:
                driver.attempt(block, Ending.LOST, cause="gone")
            else:
                well(driver, block)
        driver.end()
        found.append(driver.path)
    return found


def well(driver: Driver, block: Block, gpu: str = "", **options: Any) -> None:
    """A block ends as it should."""
    gpu_of = gpu if driver.plan.devices[block.device].kind == "cuda" else ""
    if block.work is Work.AB:
        driver.attempt(block, Ending.PASSED, {SIDES: sides()}, gpu=gpu_of, **options)
        return
    results = {
        Work.LATENCY: lambda: latency(block, gpu_of), Work.COUNTS: lambda: counts(block),
        Work.QUALITY: lambda: pictures(block),
    }.get(block.work, list[Result])()  # fmt: skip
    driver.judged(block, results, gpu=gpu_of, **options)


def everything(path: Path) -> Path:
    """Two environments on two classes of devices with one of everything that may come of a cell."""
    plan = planned(
        work=ALL_WORK, environments={"before": BEFORE, "after": AFTER}, devices={"cpu": CPU, "h100": GPU},
        variants=tuple(LATENCIES), repeats=3, workloads=("shapes",),
        comparisons=(Comparison(base="before", head="after", variants=("fp32", "bf16-sdpa")),),
    )  # fmt: skip
    driver = Driver(path, plan)
    driver.attempt("doctor-1", Ending.PASSED, machine="node-1", seconds=9)
    driver.attempt("doctor-2", Ending.FAILED, machine="node-2", seconds=9,
                   cause="threads: others take 3.1 of 8 cores")  # fmt: skip
    broken: dict[str, str] = {}
    unplaced: dict[str, str] = {}
    for block in plan.blocks:
        _end(driver, block, broken, unplaced)
    driver.end(broken=broken, unplaced=unplaced)
    return path


def _end(driver: Driver, block: Block, broken: dict[str, str], unplaced: dict[str, str]) -> None:
    where, repeat = (block.environments[-1], block.device), block.cells[0].repeat
    gpu = GPUS[repeat % 3]
    node = {"machine": f"node-{1 + repeat % 2}"}
    if block.work is Work.LATENCY and where == ("after", "h100"):
        slower = verdict(Status.REGRESSED, 1.15, candidate_sessions=4)
        if repeat == 1:
            driver.attempt(block, Ending.LOST, gpu=gpu, cause="Xid 79: the GPU is off the bus", **node)
        driver.judged(
            block, latency(block, gpu, **{"bf16-sdpa": slower}), gpu=gpu,
            ends={"bf16-sdpa": failure("bf16-sdpa REGRESSED: 15.0 % slower")}, **node,
        )  # fmt: skip
    elif block.work is Work.LATENCY and where == ("before", "cpu") and repeat == 2:
        for number in (1, 2, 3):
            driver.attempt(block, Ending.ERROR, machine=f"node-{number}", cause="ended by SIGSEGV")
        broken[block.id] = "failed 3 times, the last: ended by SIGSEGV"
    elif block.work is Work.COUNTS and where == ("before", "h100"):
        unplaced[block.id] = "no machine has a device of the class h100"
    elif block.work is Work.STRUCTURE and where == ("after", "cpu"):
        driver.judged(
            block, [], **node,
            ends={"bf16": failure("3 synchronisations in a step, at attention_processor.py:120"),
                  "bf16-sdpa-compile": skip("needs a C++ compiler")},
        )  # fmt: skip
    elif block.work is Work.QUALITY and where == ("after", "h100"):
        bad = quality(PictureStatus.DEGRADED)
        driver.judged(
            block, pictures(block, **{"bf16-sdpa-compile": bad}), gpu=gpu, **node,
            ends={"bf16-sdpa-compile": failure("pictures DEGRADED")},
        )  # fmt: skip
    elif block.work is Work.QUALITY and where == ("before", "cpu"):
        return
    elif block.work is Work.LATENCY and where == ("after", "cpu"):
        unsure = verdict(Status.INCONCLUSIVE, 1.05, interval=(0.9, 1.22))
        driver.judged(block, latency(block, **{"bf16": unsure}), **node)
    elif block.work is Work.AB and where[1] == "cpu" and block.variants == ("fp32",):
        driver.attempt(block, Ending.FAILED, {SIDES: sides(Status.REGRESSED, 1.061)}, **node)
    else:
        well(driver, block, gpu, **node)


def digest(folder: Path) -> str:
    """Of all bytes below a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()
