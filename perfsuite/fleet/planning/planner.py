"""From a matrix to the blocks of a plan. Pure: the same matrix and seed give the same plan everywhere."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from perfsuite import __version__
from perfsuite.fleet.planning.identity import digest, identified
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.records import Block, Cell, DeviceClass, Plan, PlannedEnvironment, Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from perfsuite.fleet.planning.matrix import Matrix


def count_cells(matrix: Matrix) -> int:
    """How many cells its plan has, without making it; code that is compiled ahead is not counted."""
    places = len(matrix.workloads) * len(matrix.devices)
    rounds = sum(matrix.repeats if work.exclusive else 1 for work in matrix.work)
    compared = sum(len(each.variants) for each in matrix.comparisons) * matrix.repeats
    return places * (len(matrix.environments) * len(matrix.variants) * rounds + compared)


def make_plan(matrix: Matrix, seed: int) -> Plan:
    """All blocks of a matrix, in an order drawn by the seed; what others wait for comes first."""
    blocks = [block for makers in (_gates, _comparisons) for block in makers(matrix)]
    return identified(
        Plan(
            id="", name=matrix.name, perfsuite=__version__, seed=seed, tests=matrix.tests,
            environments=matrix.environments, devices=matrix.devices, blocks=tuple(ordered(blocks, seed)),
            weights=matrix.weights, baselines=matrix.baselines, compile_cache=matrix.compile_cache,
            plugins=matrix.plugins, options=matrix.options, ab_options=matrix.ab_options,
        )
    )  # fmt: skip


def ordered(blocks: Iterable[Block], seed: int) -> list[Block]:
    """As a plan has them: drawn by the seed, and what others wait for comes first."""
    known = list(blocks)
    needed = {each for block in known for each in block.needs}
    # By hash and not by Python's generator, whose order another version may change.
    return sorted(known, key=lambda block: (block.id not in needed, digest(seed, block.id)))


class _Maker:
    """Makes blocks of one workload on one class of devices."""

    def __init__(self, matrix: Matrix, workload: str, device: DeviceClass) -> None:
        self._matrix, self._workload, self._device = matrix, workload, device
        # Whatever changes what a cell is about: a registered workload may keep its name.
        self._about = (
            workload, workloads.get(workload).protocol, matrix.weights, device.name, device.kind,
            device.model, __version__,
        )  # fmt: skip

    def block(
        self,
        work: Work,
        environments: Sequence[PlannedEnvironment],
        names: Sequence[str],
        repeat: int = 0,
        needs: tuple[str, ...] = (),
        twin: str = "",
    ) -> Block:
        """One block of so many variants."""
        cells = tuple(
            Cell(key=self._key(work, environments, name, repeat), variant=name, repeat=repeat)
            for name in names
        )
        return Block(
            id=digest(twin, [cell.key for cell in cells]),
            work=work,
            workload=self._workload,
            environments=tuple(each.name for each in environments),
            device=self._device.name,
            cells=cells,
            needs=needs,
            limit_s=self._matrix.limits_s[work] * (len(cells) + bool(twin)),
            twin=twin,
        )

    def _key(self, work: Work, environments: Sequence[PlannedEnvironment], name: str, repeat: int) -> str:
        techniques = [each.name for each in variants.get(name).optimizations]
        return digest(work, name, techniques, [each.lock for each in environments], self._about, repeat)


def _gates(matrix: Matrix) -> Iterator[Block]:
    """Blocks of one environment each."""
    for workload, device, environment in product(
        matrix.workloads, matrix.devices.values(), matrix.environments.values()
    ):
        maker = _Maker(matrix, workload, device)
        for work in matrix.work:
            if work is Work.LATENCY:
                yield from _latency(matrix, maker, environment)
            else:
                for names in _parts(matrix):
                    yield maker.block(work, [environment], names)


def _latency(matrix: Matrix, maker: _Maker, environment: PlannedEnvironment) -> Iterator[Block]:
    """Rungs beside their float32 twin, and before them the code of those that compile, where it is shared."""
    compiled = [name for name in matrix.variants if variants.get(name).compiled]
    needs: tuple[str, ...] = ()
    if compiled and matrix.compile_cache:
        ahead = maker.block(Work.COMPILE, [environment], compiled)
        needs = (ahead.id,)
        yield ahead
    for repeat, names in product(range(matrix.repeats), _parts(matrix)):
        twin = "" if REFERENCE.name in names else REFERENCE.name
        waits = needs if set(names) & set(compiled) else ()
        yield maker.block(Work.LATENCY, [environment], names, repeat, waits, twin)


def _comparisons(matrix: Matrix) -> Iterator[Block]:
    """One block a variant: `perfsuite ab` compares one at a time."""
    for workload, device in product(matrix.workloads, matrix.devices.values()):
        maker = _Maker(matrix, workload, device)
        for each in matrix.comparisons:
            sides = [matrix.environments[each.base], matrix.environments[each.head]]
            for repeat, name in product(range(matrix.repeats), each.variants):
                yield maker.block(Work.AB, sides, [name], repeat)


def _parts(matrix: Matrix) -> list[Sequence[str]]:
    """The variants, so many a block."""
    size = matrix.rungs or len(matrix.variants)
    return [matrix.variants[start : start + size] for start in range(0, len(matrix.variants), size)]
