"""What a plan over many machines costs its driver: schedules beside the best there could be, and ledgers."""

import random
import statistics
import time

import pytest
from scripted_fleet import Does, Drive, Scripted, a_block, a_plan, places

from perfsuite.fleet.ledger.account import Begun
from perfsuite.fleet.ledger.file import Ledger, read_account
from perfsuite.fleet.scheduling.forecasting import forecast, lower_bound_s
from perfsuite.fleet.scheduling.placing import Park
from perfsuite.records import Attempt, Ending, Work

CELLS, MACHINES, GPUS = 1000, 8, 8
MOST_ABOVE, MOST_PLANNING_S, MOST_READING_S = 1.10, 2.0, 2.0
LEDGER_CELLS = 10_000
SHARED = (Work.STRUCTURE, Work.COUNTS, Work.QUALITY)

MIXES = {
    "usual": {"timed": 0.3},
    "hardly timed": {"timed": 0.05},
    "mostly timed": {"timed": 0.6},
    "timed only": {"timed": 1.0, "compiled": 0},
    "shared only": {"timed": 0.0, "compiled": 0},
    "long shared": {"timed": 0.3, "shared_s": (600, 900)},
    "long compilations": {"timed": 0.05, "compile_s": (600, 900)},
    "few long timed": {"timed": 0.02, "timed_s": (1000, 3000)},
}


def drawn(seed, timed, compiled=20, timed_s=(60, 600), shared_s=(20, 300), compile_s=(60, 300)):
    """A thousand blocks of one cell each, and what each takes; most of what is timed waits for its code."""
    chance = random.Random(seed)
    blocks, seconds = [], {}

    def add(work, span, needs=()):
        name = f"b{len(blocks)}"
        blocks.append(a_block(name, work, needs=needs, variant=name))
        seconds[name] = chance.uniform(*span)
        return name

    code = [add(Work.COMPILE, compile_s) for _ in range(compiled)]
    while len(blocks) < CELLS:
        if chance.random() < timed:
            needs = (chance.choice(code),) if code and chance.random() < 0.7 else ()
            add(Work.LATENCY, timed_s, needs)
        else:
            add(chance.choice(SHARED), shared_s)
    chance.shuffle(blocks)
    return blocks, seconds


@pytest.fixture(scope="module")
def park():
    return Park(a_plan(a_block("any")).devices, places(MACHINES, GPUS))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_makespan(benchmark, park, mix):
    """Within 10 % of what no schedule beats, a timed block's whole machine counted; made within 2 s."""
    seeds = iter(range(100))

    def played():
        blocks, seconds = drawn(next(seeds), **MIXES[mix])
        began = time.perf_counter()
        found = forecast(blocks, park, seconds)
        return found, time.perf_counter() - began

    ran = []
    benchmark.pedantic(lambda: ran.append(played()), rounds=3)
    above = [found.seconds / found.lower_bound_s for found, _ in ran]
    took = [seconds for _, seconds in ran]
    print(
        f"{mix}: {CELLS} cells on {MACHINES} machines of {GPUS} GPUs: {max(above):.3f} of the lower bound, "
        f"scheduled in {statistics.median(took):.2f} s, at most {max(took):.2f} (n={len(ran)})"
    )
    assert all(len(found.steps) == CELLS for found, _ in ran)
    assert max(above) <= MOST_ABOVE
    assert statistics.median(took) <= MOST_PLANNING_S


@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_times_that_are_not_what_was_expected(benchmark, park, tmp_path):
    """The driver itself, on the usual mix: times half to twice the expected, and times that nobody knows."""
    blocks, real = drawn(1, **MIXES["usual"])
    bound = lower_bound_s(blocks, park, real)
    chance = random.Random(1)
    cases = {
        "known": real,
        "half to twice": {name: each * 2 ** chance.uniform(-1, 1) for name, each in real.items()},
        "unknown": dict.fromkeys(real, 3600.0),
    }

    def driven():
        for name, expected in cases.items():
            engine = Scripted(places(MACHINES, GPUS), lambda order, slot: Does(real.get(order.block, 45.0)))
            run = Drive(a_plan(*blocks), tmp_path / name, engine)
            began = time.perf_counter()
            run(seconds=expected)
            took = time.perf_counter() - began
            above = max(span.ends_s for span in engine.spans) / bound
            print(f"times {name}: {above:.3f} of the lower bound, driven in {took:.1f} s (n=1)")
            yield name, above

    found = benchmark.pedantic(lambda: dict(driven()), rounds=1)
    assert found["known"] <= MOST_ABOVE
    assert found["half to twice"] <= MOST_ABOVE


@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_reading_a_ledger(benchmark, tmp_path):
    """Ten thousand cells, a block and two lines each, within 2 s."""
    now = "2026-05-01T10:00:00+00:00"
    plan = a_plan(a_block("any"))
    where = {"machine": "gpu-node-17", "slot": "gpu-node-17:3", "uuid": "GPU-8f1c9e52", "began": now}
    files = {"results.jsonl": "ab" * 32, "junit.xml": "cd" * 32, "output.txt": "ef" * 32}
    with Ledger.open(tmp_path, plan) as ledger:
        ledger.add(Begun(block="0" * 64, number=1, **where))
        attempt = Attempt(
            block="0" * 64, number=1, ended=now, seconds=123.456, placed_s=0.789, ending=Ending.PASSED,
            exit_code=0, files=files, clock_ahead_s=0.0, free_bytes=1 << 40, **where,
        )  # fmt: skip
        ledger.add(attempt)
    file = tmp_path / "ledger.jsonl"
    header, *lines = file.read_bytes().splitlines(keepends=True)
    copies = [line.replace(b"0" * 64, b"%064d" % i) for i in range(LEDGER_CELLS) for line in lines]
    file.write_bytes(header + b"".join(copies))
    account = benchmark.pedantic(lambda: read_account(tmp_path), rounds=3)
    took = benchmark.stats.stats.data
    size = file.stat().st_size / 1e6
    print(f"{len(account.attempts)} cells ({size:.1f} MB): {statistics.median(took):.2f} s (n=3)")
    assert len(account.attempts) == LEDGER_CELLS
    assert statistics.median(took) <= MOST_READING_S
