"""Parts of a plan: each block in exactly one, about equally long, of one device class."""

from collections import Counter
from dataclasses import replace

import pytest
from planned import AFTER, BEFORE, CPU, GPU, planned

from perfsuite.fleet.planning.sharding import Job, ShardError, jobs, parse_shard, shard, split
from perfsuite.records import Work


@pytest.mark.parametrize("count", [1, 2, 3, 5, 11])
def test_each_block_is_in_one_part(count: int) -> None:
    plan = planned(repeats=10, rungs=2, compile_cache="/code", devices={"cpu": CPU, "h100": GPU})
    parts = [shard(plan, number, count) for number in range(1, count + 1)]
    found = Counter(block.id for part in parts for block in part.blocks)
    assert found == Counter(block.id for block in plan.blocks)
    assert [part.shard for part in parts] == [f"{i}/{count}" for i in range(1, count + 1)]
    assert len({part.id for part in parts}) == count
    for part in parts:
        ids = {block.id for block in part.blocks}
        assert all(set(block.needs) <= ids for block in part.blocks)
        assert [b.id for b in part.blocks] == [b.id for b in plan.blocks if b.id in ids]
        if count > 1:
            assert len({block.device for block in part.blocks}) == 1


def test_each_machine_finds_the_same_parts() -> None:
    """Though one asks an interpreter what it has and another does not have it: then all ids are others."""

    def parts(lock: str) -> list[set[tuple[object, ...]]]:
        plan = planned(
            environments={"before": BEFORE, "after": replace(AFTER, lock=lock)}, repeats=7, rungs=3,
            compile_cache="/code",
        )  # fmt: skip
        return [
            {(b.work, b.environments, b.variants, b.cells[0].repeat) for b in shard(plan, i, 5).blocks}
            for i in range(1, 6)
        ]

    assert parts("by its path") == parts("by what it has")


def test_parts_are_about_equally_long() -> None:
    plan = planned(repeats=30, work=(Work.LATENCY, Work.COUNTS), rungs=3)
    lengths = [sum(block.limit_s for block in part) for part in split(plan, 4)]
    longest = max(block.limit_s for block in plan.blocks)
    assert max(lengths) - min(lengths) <= longest


def test_a_longer_class_gets_more_parts() -> None:
    plan = planned(repeats=12, work=(Work.LATENCY,), devices={"cpu": CPU, "h100": GPU})
    longer = replace(
        plan,
        blocks=tuple(replace(b, limit_s=b.limit_s * 3) if b.device == "h100" else b for b in plan.blocks),
    )
    assert Counter(part[0].device for part in split(longer, 8)) == {"cpu": 2, "h100": 6}


def test_more_parts_than_there_are() -> None:
    plan = planned()
    with pytest.raises(ShardError, match="3 parts: the plan has 2 that can be run apart"):
        split(plan, 3)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0"])
def test_a_part_out_of_range(text: str) -> None:
    with pytest.raises(ShardError, match=f"--shard={text}: the first number goes from 1 to the second"):
        parse_shard(text)


@pytest.mark.parametrize("text", ["1", "a/b", "1/2/3", "-1/2", "1 /2", ""])
def test_a_part_that_is_none(text: str) -> None:
    with pytest.raises(ShardError, match="such as 2/4"):
        parse_shard(text)


def test_jobs_are_the_parts() -> None:
    plan = planned(devices={"cpu": CPU, "h100": GPU})
    found = jobs(plan, 2)
    assert [(job.shard, job.device) for job in found] == [("1/2", "cpu"), ("2/2", "h100")]
    assert sum(job.blocks for job in found) == len(plan.blocks)
    assert len(jobs(plan)) == 4
    assert jobs(shard(plan, 2, 2)) == [found[1]]
    assert found[1] == Job("2/2", "h100", 2, 8, 8 * 3600.0)


def test_a_job_has_one_machine() -> None:
    with pytest.raises(ShardError, match="part 1/1 has blocks for cpu and h100, and a job has one machine"):
        jobs(planned(devices={"cpu": CPU, "h100": GPU}), 1)


def test_more_jobs_than_github_runs() -> None:
    with pytest.raises(
        ShardError, match="301 jobs: GitHub runs at most 256 of one matrix; ask for --jobs 256"
    ):
        jobs(planned(repeats=300))
