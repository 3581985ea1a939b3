"""Load a model's pipeline: shipped weights, a folder or file, the hub, or none at all.

Safetensors only, no remote code.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.device.memory import free_bytes
from perfsuite.pipelines.families import SDXL
from perfsuite.pipelines.models import checks, functions, identity, sdxl
from perfsuite.pipelines.models.checks import WeightsError
from perfsuite.pipelines.models.origins import source_of
from perfsuite.pipelines.schedules import least_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.models.origins import Source
    from perfsuite.records import Device, Workload


WEIGHTS_HELP = (
    "auto (shipped, else the hub's cache, else the hub, else random), hub, hub:fp16, random, "
    "a folder in diffusers' layout, or a .safetensors file"
)
PROBE_S = 5.0
"""Longest wait for the hub's answer, when nothing is cached."""


@dataclass(frozen=True)
class Weights:
    """Where a model's weights are taken from, settled."""

    kind: str
    """``shipped``, ``folder``, ``file``, ``hub``, ``function`` or ``random``."""
    spec: str
    """As ``--perf-weights`` takes it, so that another process takes the same."""
    place: str = ""
    """Folder, file or repository; of a function its identity."""
    variant: str | None = None
    """``fp16`` for files of that variant."""
    cached: bool = False
    """True if the hub's files are on this machine: no network is used."""
    reason: str = ""
    """Why ``auto`` came here."""

    @property
    def said(self) -> str:
        """One line for a person: what was taken."""
        what = {
            "shipped": "weights: shipped with the package",
            "folder": f"weights: folder {self.place}",
            "file": f"weights: file {self.place}",
            "hub": f"weights: {self.place} {'from the cache' if self.cached else 'from the hub'}",
            "function": f"weights: a function's, {self.place}",
            "random": "weights: random, of the true architecture; the tokenizer's ids are not CLIP's",
        }[self.kind]
        if self.kind == "file" and not _has_tokenizers(Path(self.place).parent):
            what += " without tokenizers beside it: ids are not CLIP's, so prompts mean nothing"
        if self.variant and self.kind != "random":
            what += f", {self.variant} files"
        return what + (f" ({self.reason})" if self.reason else "")


@cache
def resolve(model: str, weights: str = "auto") -> Weights:
    """Settle where a model's weights come from; once a process for each pair.

    ``auto`` takes what ships, else what the hub's cache holds, else the hub if it answers within
    `PROBE_S` seconds, else random weights. ``HF_HUB_OFFLINE=1`` keeps it off the network.

    Raises `WeightsError` with the place that was tried and the remedy.
    """
    source = source_of(model)
    if source.load is not None:
        return _from_function(model, source, weights)
    if weights == "auto" and source.origin:
        wanted = "a folder in diffusers' layout, or a .safetensors file"
        assert source.local is not None
        asked = f"model {model!r}, registered {source.origin}"
        return _from_place(source.local, source, "auto", asked, wanted)
    if weights == "random":
        return Weights("random", "random", str(source.configs))
    if weights in ("auto", "hub", "hub:fp16"):
        if weights == "auto" and source.local is not None:
            return Weights("shipped", "auto", str(source.local))
        return _from_hub(model, source, weights)
    if weights.startswith("hub:"):
        raise WeightsError(f"--perf-weights={weights}: the hub has no such variant; hub or hub:fp16")
    return _from_place(Path(weights), source, weights, f"--perf-weights={weights}")


def _from_place(path: Path, source: Source, spec: str, asked: str, wanted: str = WEIGHTS_HELP) -> Weights:
    if path.is_file():
        checks.check_file(path, source.family, source.parameters, source.title)
        return Weights("file", spec, str(path))
    if not (path / "model_index.json").is_file():
        there = "there" if spec == str(path) else f"in {path}"
        raise WeightsError(f"{asked}: no model_index.json {there}; wanted {wanted}")
    variant = checks.check_folder(path, source.family, source.parameters, source.title)
    return Weights("folder", spec, str(path), variant)


def _from_function(model: str, source: Source, weights: str) -> Weights:
    asked = f"model {model!r}, registered {source.origin}"
    if weights != "auto":
        raise WeightsError(f"--perf-weights={weights}: {asked}, takes its weights itself; leave it at auto")
    if isinstance(source.identity, str):
        return Weights("function", "auto", source.identity)
    if not source.identity.exists():
        raise WeightsError(
            f"{asked}: its identity {source.identity} is not there; name the files that it reads"
        )
    return Weights("function", "auto", identity.of_files(str(source.identity)))


def _from_hub(model: str, source: Source, weights: str) -> Weights:
    if source.hub is None and weights == "auto":
        return Weights("random", "random", str(source.configs))  # nobody has trained it
    if source.hub is None:
        raise WeightsError(f"model {model!r} is not on the hub; use --perf-weights=auto")
    wanted = {"auto": (None, "fp16"), "hub": (None,), "hub:fp16": ("fp16",)}[weights]
    for variant in wanted:
        if _is_cached(source.hub, source.family, variant):
            spec = "hub:fp16" if variant else "hub"
            return Weights("hub", spec, source.hub, variant, cached=True)
    reason = _unreachable(source.hub)
    if reason is None:
        return Weights("hub", "hub" if weights == "auto" else weights, source.hub, wanted[0])
    if weights == "auto":
        return Weights(
            "random", "random", str(source.configs), reason=f"not in the hub's cache, and {reason}"
        )
    raise WeightsError(
        f"--perf-weights={weights}: {source.hub} is not in the hub's cache, and {reason}; "
        "connect once, or give a folder, a .safetensors file or --perf-weights=random"
    )


def _snapshot(hub: str) -> Path | None:
    """The cached files of a repository's main revision, None if there are none."""
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"models--{hub.replace('/', '--')}"
    revision = repository / "refs" / "main"
    if not revision.is_file():
        return None
    return repository / "snapshots" / revision.read_text().strip()


def _is_cached(hub: str, family: Family, variant: str | None) -> bool:
    folder = _snapshot(hub)
    if folder is None or not (folder / "model_index.json").is_file():
        return False
    return all(checks.weight_files(folder / component, variant) for component in family.components)


def _unreachable(hub: str) -> str | None:
    """Why nothing can be downloaded, None if the hub answers. One request, no retries."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    try:
        get_hf_file_metadata(hf_hub_url(hub, "model_index.json"), timeout=PROBE_S)
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        return f"the hub cannot be reached ({type(error).__name__})"
    except Exception as error:
        # Its HTTP library has errors of its own, and has changed.
        if not type(error).__module__.startswith(("http", "requests")):
            raise
        return f"the hub cannot be reached ({type(error).__name__})"
    return None


SMALL_BYTES = 64 << 20
"""Files up to this size are hashed by content, larger ones by size and time of change."""


def digest(workload: Workload, weights: str = "auto") -> str:
    """What tells these weights from others: a hash of the files, or hub id and revision.

    Of random weights a hash of their configuration and of the code that makes them.
    """
    taken = resolve(workload.model, weights)
    if taken.kind == "hub":
        folder = _snapshot(taken.place)
        revision = folder.name if folder is not None else "unknown"
        return f"{taken.place}@{revision}" + (f" {taken.variant}" if taken.variant else "")
    if taken.kind == "function":
        return f"{workload.model} {taken.place}"
    found = hashlib.sha256(taken.kind.encode() if taken.kind == "random" else b"")
    place = Path(taken.place)
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    if taken.kind == "random":
        files = [p for p in files if p.suffix == ".json"]
        for code in _fillers(source_of(workload.model).family):
            found.update(Path(str(code.__file__)).read_bytes())
        found.update(repr(workload.prompts).encode())  # the tokenizer knows their words
    for path in files:
        status = path.stat()
        found.update(f"{path.relative_to(place)} {status.st_size}\n".encode())
        if status.st_size <= SMALL_BYTES:
            found.update(path.read_bytes())
        else:
            found.update(f"{status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _fillers(family: Family) -> tuple[Any, ...]:
    """The modules that random weights are made by."""
    from perfsuite.pipelines.models import assembly, initial, initial_transformers

    return (initial,) if family is SDXL else (initial, initial_transformers, assembly)


def protocol(workload: Workload, weights: str = "auto") -> str:
    """What must be equal for two latencies to be comparable, weights included, as one line."""
    taken = resolve(workload.model, weights)
    said = {
        "shipped": "", "hub": f" weights {taken.spec}", "random": " weights random",
        "function": f" weights function {taken.place}",
    }.get(taken.kind)  # fmt: skip
    if said is None:
        said = f" weights {taken.kind} {_identity(taken)}"
    return workload.protocol + said


def _identity(taken: Weights) -> str:
    """Of a single file with the tokenizers beside it, which it is read with."""
    place = Path(taken.place)
    beside = [place.parent / name for name in TOKENIZERS] if taken.kind == "file" else []
    files = [str(place), *(str(folder) for folder in beside if (folder / "vocab.json").is_file())]
    return "+".join(identity.of_files(file) for file in files)


def reference_folder(workload: Workload, weights: str = "auto") -> str:
    """Name of the folder of golden pictures and thresholds: random weights have one of their own."""
    random = resolve(workload.model, weights).kind == "random"
    return f"{workload.name}-random" if random else workload.name


BLIND = (
    "random weights: what the likeness of their pictures is worth was not measured, so SSIM is shown and not "
    "judged (components, modules and loop are)"
)


def blind(workload: Workload, weights: str = "auto") -> str | None:
    """Why pictures of these weights cannot be judged by their likeness; None if they can."""
    return BLIND if resolve(workload.model, weights).kind == "random" else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars of the loaders are noise between the suite's own lines."""
    import diffusers.utils.logging as diffusers_logging
    import transformers.utils.logging as transformers_logging

    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.enable_progress_bar()
        transformers_logging.enable_progress_bar()
        diffusers_logging.set_verbosity(levels[0])
        transformers_logging.set_verbosity(levels[1])


def load(workload: Workload, device: Device, dtype: Any, weights: str = "auto") -> Any:
    """A pipeline of the workload's model in `dtype` on the device.

    Raises `WeightsError` naming the place that was tried and the remedy; too little memory, another
    model and pickled weights are refused before anything is loaded. Raises `ScheduleError` for a scheduler
    that cannot be used.
    """
    pipe = _pipeline(workload, device, dtype, weights)
    least_steps(pipe.scheduler)  # asked here, so that no call that is counted or timed has to
    return pipe


def _pipeline(workload: Workload, device: Device, dtype: Any, weights: str) -> Any:
    import diffusers

    source, taken = source_of(workload.model), resolve(workload.model, weights)
    if source.load is not None:
        with _quiet():
            who = f"model {workload.model!r}, registered {source.origin}"
            return functions.call(source.load, device.kind, dtype, who, source.family)
    wanted = source.parameters
    if wanted is not None:
        count = sum(wanted.values())
        if device.kind != "cpu":
            checks.check_memory(count, dtype.itemsize, free_bytes(device.kind), "the CUDA device")
        if device.kind == "cpu" or taken.kind != "random":  # files are read into RAM first
            checks.check_memory(count, dtype.itemsize, free_bytes("cpu"), "this machine")
    try:
        with _quiet():
            pipe = _loaded(workload, taken, device, dtype)
    except (OSError, ValueError) as error:
        remedy = (
            "connect to the hub once, or give --perf-weights=FOLDER"
            if taken.kind == "hub"
            else f"give a folder saved by {source.family.pipeline}.save_pretrained"
        )
        raise WeightsError(f"cannot load {workload.model} from {taken.place}: {error}; {remedy}") from error
    if not isinstance(pipe, getattr(diffusers, source.family.pipeline)):
        raise WeightsError(f"{taken.place} holds a {type(pipe).__name__}, not a {source.family.pipeline}")
    for component in source.family.components if wanted is not None else ():
        count = sum(p.numel() for p in getattr(pipe, component).parameters())
        checks.check_count(taken.place, component, count, wanted or {}, source.title)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device.kind)


def _loaded(workload: Workload, taken: Weights, device: Device, dtype: Any) -> Any:
    import diffusers

    from perfsuite.pipelines.models import assembly, initial

    family = source_of(workload.model).family
    pipeline = getattr(diffusers, family.pipeline)
    if taken.kind == "random" and family is not SDXL:
        return assembly.make(Path(taken.place), family, workload.prompts, dtype, device.kind)
    if taken.kind == "random":
        tokenizers = _tokenizers(source_of(workload.model).configs, workload)
        return initial.make(Path(taken.place), tokenizers, dtype, device.kind)
    if taken.kind == "file":
        # Tokenizers are in no such file: those beside it, else without CLIP's vocabulary.
        return pipeline.from_single_file(
            taken.place, config=str(sdxl.CONFIGS), local_files_only=True, dtype=dtype,
            **family.construction, **_tokenizers(Path(taken.place).parent, workload),
        )  # fmt: skip
    return pipeline.from_pretrained(
        taken.place, dtype=dtype, use_safetensors=True, variant=taken.variant,
        local_files_only=taken.kind != "hub" or taken.cached,
        **family.construction, **dict.fromkeys(family.others),
    )  # fmt: skip


TOKENIZERS = ("tokenizer", "tokenizer_2")


def _has_tokenizers(folder: Path) -> bool:
    return all((folder / name / "vocab.json").is_file() for name in TOKENIZERS)


def _tokenizers(folder: Path, workload: Workload) -> dict[str, Any]:
    """Those in the folder, else `sdxl.tokenizers` with the words of the workload's prompts."""
    from transformers import CLIPTokenizer

    if _has_tokenizers(folder):
        return {name: CLIPTokenizer.from_pretrained(os.fspath(folder / name)) for name in TOKENIZERS}
    return sdxl.tokenizers(sdxl.words_of(workload.prompts))
