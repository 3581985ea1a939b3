"""A replay: the conftest.py of the runs that the plugin tests start. Nothing here is measured.

No model is run and no time passes, so that what the plugin says does not depend on the machine: the
pipelines are stand-ins that draw synthetic pictures and move a clock of their own by the latencies that
``replay.json`` tells for their variant. Replaced are the building of pipelines, the clock, the device and
the machine's state; sessions, pictures' scores, decisions, stores, reports and the plugin are the real ones.

``replay.json`` maps a variant to:

* ``latency_s``: seconds of its calls, repeated as often as needed;
* ``fresh_latency_s``: the calls of each fresh process that measures it again, repeated likewise;
* ``fresh_unfit``: why each of them has no weight, repeated likewise; empty: it has;
* ``fresh_error``: what a fresh process says instead;
* ``fresh_cut_off``: Ctrl-C comes instead;
* ``worker_noise``, ``worker_error``: of the pictures that a fresh process draws once CUDA is lost to this
  one, and what it says to that;
* ``noise``: standard deviation of the noise on its pictures;
* ``kept_bytes``: what each of its calls keeps; ``kept_files``, ``kept_threads``: likewise;
* ``build_s``, ``build_contended``, ``fixed_work_s``: seconds of its build, whether others took cores
  meanwhile, and the fixed work before and after it; ``fresh_build_s`` of a fresh process;
* ``stays``: its weights are held by somebody for ever; ``leaves_bytes``: what else its build keeps;
  ``own_bytes``: what it holds itself, as long as anybody holds it;
* ``build_error``: name of a built-in exception and its message, raised instead of building;
* ``draw_error``: likewise, raised by the first call, or by the one whose number is ``draw_error_at``;
* ``nan_prompts``: numbers of the prompts whose pictures hold a NaN;
* ``counts``: fields of `perfsuite.records.Counts` in place of the usual ones;
* ``count_error``: name of a built-in exception and its message, raised by counting;
* ``block_at_call``: the call that waits until there is a file ``go``, after it made ``blocked-<pid>``.

Beside the variants, ``environment`` changes what surrounds each session, ``bfloat16`` tells what the CPU
makes of it: ``native`` (without it) or ``emulated``, ``busy`` who takes its cores, and ``waited_s`` how long
it takes until they are free.

What is built and what becomes free is written to ``events.log``.
"""

import builtins
import json
import os
import sys
import time
import zlib
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest_plugins = ["perfsuite.plugin"]

HERE = Path(__file__).parent
SIDE = 32
"""Pixels of the synthetic pictures: their content is nobody's concern, their scores are real."""
LATENCY_S = [1.01, 0.99, 1.0, 1.03, 0.98, 1.0]
PATCH = pytest.MonkeyPatch()


def replayed():
    """What ``replay.json`` says."""
    return json.loads((HERE / "replay.json").read_text())


class Clock:
    """Stands in for the module `time` where perfsuite reads its clock."""

    seconds = 1000.0

    def perf_counter(self):
        return self.seconds

    monotonic = perf_counter


CLOCK = Clock()


def event(what):
    """Append a line to ``events.log``."""
    with (HERE / "events.log").open("a") as log:
        log.write(f"{what}\n")


def draw(prompt, noise=0.0):
    """A picture of waves that belongs to the prompt, with noise: float32 (height, width, 3) in [0, 1]."""
    rng = np.random.default_rng(zlib.crc32(prompt.encode()))
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    frequencies, phases = rng.uniform(3, 12, (2, 3)), rng.uniform(0, 6, 3)
    waves = np.sin(frequencies[0] * x[..., None] + frequencies[1] * y[..., None] + phases)
    picture = 0.5 + 0.35 * waves + noise * rng.standard_normal((SIDE, SIDE, 3))
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def fail(error):
    """Raise an exception given as name and message."""
    name, message = error
    raise getattr(builtins, name)(message)


class Vae:
    """Takes a tenth of a call."""

    def decode(self, seconds):
        CLOCK.seconds += 0.1 * seconds


STAYING = []
"""Weights that somebody holds."""


class Weight:
    """A MiB that is not there."""

    def numel(self):
        return 2**20

    def element_size(self):
        return 1


class Part:
    """A component with one weight."""

    def __init__(self):
        self.weight = Weight()

    def parameters(self):
        return [self.weight]

    def buffers(self):
        return []


class Pipeline:
    """As much of an SDXL pipeline as a session and a picture gate touch."""

    def __init__(self, name, workload, script):
        self.name, self.workload, self.script = name, workload, script
        self.vae = Vae()
        self.scheduler = SimpleNamespace(_perfsuite_least_steps=1)
        self.components = {"unet": Part()}
        if script.get("stays"):
            STAYING.append(self.components["unet"].weight)
        self.latency_s = cycle(script.get("latency_s", LATENCY_S))
        self.calls = 0
        self.itself = self  # compiled models hold themselves too; only the garbage collector frees them

    def __del__(self):
        HELD.bytes -= self.script.get("own_bytes", 0)
        if not sys.is_finalizing():
            event(f"free {self.name}")

    def encode_prompt(self, seconds):
        CLOCK.seconds += 0.1 * seconds

    def __call__(self, *, prompt, num_inference_steps, callback_on_step_end=None, **options):
        self.calls += 1
        HELD.bytes += self.script.get("kept_bytes", 0)
        HELD.files += self.script.get("kept_files", 0)
        HELD.threads += self.script.get("kept_threads", 0)
        if "draw_error" in self.script and self.calls == self.script.get("draw_error_at", self.calls):
            fail(self.script["draw_error"])
        if self.calls == self.script.get("block_at_call"):
            block()
        seconds = next(self.latency_s)
        self.encode_prompt(seconds)
        for step in range(num_inference_steps):
            CLOCK.seconds += 0.8 * seconds / num_inference_steps
            if callback_on_step_end is not None:
                callback_on_step_end(self, step, 0, {})
        self.vae.decode(seconds)
        picture = draw(prompt, self.script.get("noise", 0.0))
        if self.workload.prompts.index(prompt) in self.script.get("nan_prompts", ()):
            picture[0, 0, 0] = np.nan
        return [[picture]]


def block():
    """Say that this process has come here, and wait to be let on, or killed."""
    (HERE / f"blocked-{os.getpid()}").touch()
    give_up = time.monotonic() + 60
    while not (HERE / "go").exists():
        assert time.monotonic() < give_up, "nobody let this process go on"
        time.sleep(0.01)


def prepare(workload, variant, device="auto", weights="auto"):
    """In place of `perfsuite.pipelines.prepare`."""
    from perfsuite.device import Snapshot
    from perfsuite.device.load import Stretch
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Context

    class ReplayContext(Context):
        def latents(self, pipe, prompt=0):
            return None

        def _noise(self, prompt):
            return None

        def first_call(self, pipe):
            """Nothing is compiled, and torch, which could tell what was, takes seconds to load."""
            if self.first_call_s is None:
                start = CLOCK.monotonic()
                self.generate(pipe)
                self.first_call_s = CLOCK.monotonic() - start
            return self.first_call_s

    script = replayed().get(variant.name, {})
    event(f"build {variant.name}")
    HELD.bytes += script.get("leaves_bytes", 0) + script.get("own_bytes", 0)
    pipe = Pipeline(variant.name, workload, script)
    if "build_error" in script:
        fail(script["build_error"])
    evidence = (f"replayed {variant.name}",)
    work_s = tuple(script.get("fixed_work_s", (0.0, 0.0)))
    building = Stretch(script.get("build_s", 0.5), script.get("build_contended", False), work_s)
    return Prepared(
        pipe, ReplayContext(workload, variant, device), evidence, building, Snapshot({}),
        base_bytes=2**20, first=script.get("first", True),
    )  # fmt: skip


class HELD:
    """Bytes that the process holds, and files and threads."""

    bytes = 2**29
    files = 9
    threads = 3


def release(pipe, *, forget=True):
    """In place of `perfsuite.pipelines.release`."""
    event(f"release {pipe.name}")
    return {}


def fingerprint(choice="auto"):
    """In place of `perfsuite.device.fingerprint`: a machine without CUDA, the same everywhere."""
    from perfsuite.device import NoDeviceError
    from perfsuite.records import Device

    if choice.startswith("cuda"):
        raise NoDeviceError("no CUDA device: this is a replay; use --perf-device=cpu")
    bfloat16 = replayed().get("bfloat16", "native")
    around = environment()
    threads = int(around["threads"])
    details = {"bfloat16": bfloat16, "instruction_set": around["instruction_set"]}
    return Device("cpu", "Replayed CPU", f"cpu-replayed-{threads}t", threads, 8 * 2**30, details)


def environment(device=None):
    """In place of `perfsuite.device.environment.environment`, which imports torch."""
    usual = {"instruction_set": "AVX512", "threads": "2", "cores": "0-1", "allocator": "glibc"}
    return {**usual, **replayed().get("environment", {})}


class PeakMemory:
    """In place of `perfsuite.device.memory.PeakMemory`."""

    def __init__(self, kind):
        pass

    def bytes(self):
        return HELD.bytes


class Imports:
    """In place of `perfsuite.device.imports.IMPORTS`: nothing is imported."""

    contended = False

    def bring(self, *modules):
        pass

    def take(self):
        return None


class Conditions:
    """In place of `perfsuite.device.Conditions`, which imports torch."""

    def __init__(self, kind):
        self.kind = kind

    def mark(self):
        pass

    pause = mark

    def throttled(self):
        return []

    contended = throttled

    def finish(self):
        return {"threads": 2.0}


def wait_until_quiet(threads, limit_s):
    """In place of `perfsuite.device.load.wait_until_quiet`: nobody waits."""
    event(f"wait {limit_s}")
    waited_s = replayed().get("waited_s", 0.0)
    return waited_s <= limit_s, min(waited_s, limit_s)


def hot():
    """In place of `perfsuite.measuring.profiling.hot`."""
    from perfsuite.records import Hot

    return {"aten::mm": Hot(10, 0.5)}


def count(prepared):
    """In place of `perfsuite.structure.counting.count`: what ``counts`` of the script changes."""
    from perfsuite.records import Counts

    usual = {
        "versions": {"torch": "2.13.0"},
        "code_for": "AVX512, 2 threads",
        "operators": {"aten.addmm in BasicTransformerBlock": 120, "aten.convolution in ResnetBlock2D": 60},
        "flop": {"unet": 10**9},
        "weights_bytes": {"unet": 2**20},
        "kernels": None,
        "peak_bytes": {"denoising": 2**21},
        "code_bytes": None,
    }
    if "count_error" in prepared.pipe.script:
        fail(prepared.pipe.script["count_error"])
    return Counts(**{**usual, **prepared.pipe.script.get("counts", {})})


FRESH = {}
UNFIT = {}
FRESH_IDS = []
"""One for each fresh session: stores know sessions by their ids."""


def fresh_session(bench, workload, variant, budget_s=None):
    """In place of `Latency._fresh_session`: no process is started, only written down."""
    from perfsuite.records import Session
    from perfsuite.workers import WorkerError

    event(f"fresh {variant.name}")
    CLOCK.seconds += 12.0
    script = replayed().get(variant.name, {})
    if "fresh_cut_off" in script:
        raise KeyboardInterrupt
    if "fresh_error" in script:
        raise WorkerError(script["fresh_error"])
    FRESH_IDS.append(variant.name)
    latency_s = next(FRESH.setdefault(variant.name, cycle(script["fresh_latency_s"])))
    unfit = next(UNFIT.setdefault(variant.name, cycle(script.get("fresh_unfit", [""]))))
    return Session(
        f"fresh-{len(FRESH_IDS)}",
        "2025-01-02T03:04:05+00:00",
        tuple(latency_s),
        1,
        1.0,
        None,
        (1.0,),
        True,
        None,
        {},
        {},
        9.0,
        unfit=unfit,
    )


class Server:
    """In place of `perfsuite.workers.Server`: its processes answer from the replay."""

    def __init__(self, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def worker(self):
        return Worker()

    def close(self):
        pass


class Worker:
    """A fresh process that builds one variant."""

    script: dict
    workload: str

    def ask(self, command, **arguments):
        from perfsuite.workers import WorkerError

        name = arguments["variant"]
        event(f"worker {command} {name}")
        if command == "prepare":
            self.script = replayed().get(name, {})
            self.workload = arguments["workload"]
            return {"evidence": [f"replayed {name} in a worker"]}
        if "worker_error" in self.script:
            raise WorkerError(self.script["worker_error"])
        return getattr(self, f"do_{command}")(**arguments)

    def do_session(self, variant, plan, relative_s):
        return {
            "id": "worker", "date": "2025-01-02T03:04:05+00:00",
            "latency_s": self.script.get("latency_s", LATENCY_S), "peak_memory_bytes": 1,
            "first_call_s": 1.0, "compile_s": None, "warmup_s": [1.0], "warmup_steady": True,
            "stages": None, "versions": {}, "conditions": {}, "wall_s": 9.0,
            "start": {"build_s": self.script.get("fresh_build_s", 0.5), "first": True},
        }  # fmt: skip

    def do_pictures(self, workload, variant, file, count):
        from safetensors.numpy import save_file

        from perfsuite.pipelines import workloads

        prompts = workloads.get(workload).prompts[:count]
        noise = self.script.get("worker_noise", 0.0)
        save_file({f"{i:03d}": draw(p, noise) for i, p in enumerate(prompts)}, file)
        return len(prompts)

    def close(self):
        event("worker closed")


def abandon(pipe):
    """In place of `perfsuite.pipelines.abandon`."""
    event(f"abandon {pipe.name}")
    return {}


def pytest_configure(config):
    from perfsuite.pipelines.optimizations.compilation import supports_compiling
    from perfsuite.report.progress import Progress, SlowPhases

    for kind in (Progress, SlowPhases):
        PATCH.setitem(kind.__init__.__kwdefaults__, "clock", CLOCK.monotonic)
    # Nothing is compiled here, and asking torch for its compiler takes seconds. Techniques hold the function.
    PATCH.setattr(supports_compiling, "__code__", (lambda device: None).__code__)
    for name, replacement in {
        "perfsuite.device.fingerprint": fingerprint,
        "perfsuite.pipelines.prepare": prepare,
        "perfsuite.pipelines.release": release,
        "perfsuite.pipelines.abandon": abandon,
        "perfsuite.bench.hand.Server": Server,
        "perfsuite.quality.reference.prepare": prepare,
        "perfsuite.quality.reference.release": release,
        "perfsuite.bench.workbench.fingerprint": fingerprint,
        "perfsuite.bench.latency.Latency._fresh_session": fresh_session,
        "perfsuite.measuring.session.Conditions": Conditions,
        "perfsuite.measuring.session.wait_until_quiet": wait_until_quiet,
        "perfsuite.device.load.look": lambda threads: replayed().get("busy", ""),
        "perfsuite.device.clock.time": CLOCK,
        "perfsuite.measuring.session.control_s": lambda kind: 0.05,
        "perfsuite.measuring.session.limits": lambda prepared: None,
        "perfsuite.measuring.session.hot": lambda prepared: hot(),
        "perfsuite.measuring.session.settings_apart": lambda: {"torch.num_threads": "2"},
        "perfsuite.measuring.session.environment": environment,
        "perfsuite.measuring.session.PeakMemory": PeakMemory,
        "perfsuite.device.held.held_bytes": lambda: HELD.bytes,
        "perfsuite.device.held.is_exact": lambda: True,
        "perfsuite.device.held.resident_bytes": lambda: HELD.bytes,
        "perfsuite.device.held.files": lambda: HELD.files,
        "perfsuite.device.held.threads": lambda: HELD.threads,
        "perfsuite.device.imports.IMPORTS": Imports(),
        "perfsuite.measuring.session.IMPORTS": Imports(),
        "perfsuite.bench.worse.Server": Server,
        "perfsuite.bench.counts.count": count,
        "perfsuite.measuring.session.time": CLOCK,
        "perfsuite.measuring.stages.time": CLOCK,
    }.items():
        PATCH.setattr(name, replacement)


def pytest_unconfigure(config):
    PATCH.undo()
