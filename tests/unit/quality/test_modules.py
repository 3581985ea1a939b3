"""Modules are recorded as they were called, read back to the bit, and a fault shows at its own module."""

import json
from collections import OrderedDict, namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.quality import modules
from perfsuite.quality.generation import COMPONENTS, Trace
from perfsuite.quality.modules import ModuleRecord, measure_modules, read_record, record_modules
from perfsuite.quality.relative_errors import Place, QualityError
from perfsuite.records import Device

INF = float("inf")
CPU = Device("cpu", "Example CPU", "cpu-example-1t", 1, 2**30)
Encoded = namedtuple("Encoded", ["first", "hidden_states"])


class Block(torch.nn.Module):  # type: ignore[misc]
    """Takes nested arguments and gives nested outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(6)
        self.linear = torch.nn.Linear(6, 6)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, sample: Any, *conditions: Any, mask: Any = None, options: Any = None) -> Any:
        """A tuple of the output and a further one."""
        hidden = self.dropout(self.linear(self.norm(sample)))
        for embeds, scale in conditions:
            hidden = hidden + scale * embeds.mean(1, keepdim=True)
        if options is not None and options["add"]:
            hidden = hidden + options["values"][0]
        if mask is not None:
            hidden = hidden + torch.softmax(mask + hidden, -1)
        return hidden, {"extra": [hidden * 2]}


class Strange(torch.nn.Module):  # type: ignore[misc]
    """Is called with what no file holds; what is inside it can be judged all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(6, 6)

    def forward(self, sample: Any, *, how: Any) -> Any:
        """`how` is a function."""
        return how(self.inner(sample))


class Unet(torch.nn.Module):  # type: ignore[misc]
    """Called as the pipeline calls its UNet."""

    def __init__(self) -> None:
        super().__init__()
        self.time = torch.nn.Linear(1, 6)
        self.block = Block()
        self.strange = Strange()
        self.twice = torch.nn.Linear(6, 6)
        self.unused = torch.nn.Linear(6, 6)

    def forward(
        self, sample: Any, timestep: Any, *, encoder_hidden_states: Any, added_cond_kwargs: Any, **rest: Any
    ) -> Any:
        """The output in a tuple."""
        hidden = sample.flatten(1)[:, None, :6] + self.time(timestep.to(sample.dtype).reshape(1, 1))
        mask = torch.zeros(1, 6, dtype=torch.float32)
        mask[0, 1] = torch.finfo(torch.float32).min
        hidden, _ = self.block(
            hidden,
            (encoder_hidden_states, 0.5),
            mask=mask.to(sample.dtype).clamp(min=torch.finfo(sample.dtype).min),
            options={"add": True, "values": [added_cond_kwargs["text_embeds"][:, None, :6]]},
        )
        hidden = self.strange(hidden, how=torch.tanh)
        return (self.twice(self.twice(hidden)),)


class Encoder(torch.nn.Module):  # type: ignore[misc]
    """Called as the pipeline calls its text encoders."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 6)
        self.layer = torch.nn.Linear(6, 6)

    def forward(self, tokens: Any, *, output_hidden_states: bool) -> Encoded:
        """First output and hidden states."""
        hidden = self.embedding(tokens)
        return Encoded(self.layer(hidden).mean(1), [hidden, self.layer(hidden), hidden])


class Vae(torch.nn.Module):  # type: ignore[misc]
    """Decodes as the pipeline's VAE does."""

    config = SimpleNamespace(force_upcast=False)

    def __init__(self) -> None:
        super().__init__()
        self.decoder = torch.nn.Conv2d(1, 3, 1)

    @property
    def dtype(self) -> Any:
        """Of the weights."""
        return self.decoder.weight.dtype

    def decode(self, latents: Any, return_dict: bool = True) -> Any:
        """The picture in a tuple."""
        return (self.decoder(latents),)


def make_pipe(dtype: torch.dtype = torch.float32) -> Any:
    """Equal weights whenever it is called."""
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "text_encoder": Encoder(),
        "text_encoder_2": Encoder(),
        "unet": Unet(),
        "vae": Vae(),
    }
    return SimpleNamespace(**{name: model.eval().to(dtype) for name, model in parts.items()})


def make_context(variant: str = "fp32") -> Context:
    return Context(workloads.SHAPES, variants.get(variant), CPU)


def make_trace(steps: int = 12) -> Trace:
    generator = torch.Generator().manual_seed(1)
    sizes = {
        "samples": (steps, 2, 1, 2, 3), "noise": (steps, 2, 1, 6), "embeds": (2, 4, 6), "pooled": (2, 8),
        "time_ids": (2, 6), "decoder_input": (1, 1, 2, 3),
    }  # fmt: skip
    tensors = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    tensors["timesteps"] = torch.linspace(0.9, 0.1, steps)
    for name in ("text_encoder", "text_encoder_2"):
        tensors[f"{name}.tokens"] = torch.tensor([[1, 2, 3]])
    return Trace(tensors, np.zeros((2, 3, 3), dtype=np.float32))


def record_all(folder: Path, traces: list[Trace], **options: Any) -> list[ModuleRecord]:
    with torch.no_grad():
        return record_modules(make_pipe(), make_context(), traces, folder, **options)


def names(records: list[ModuleRecord], component: str = "unet") -> list[str]:
    return [r.place.part for r in records if r.place.component == component]


def there_and_back(tree: Any) -> Any:
    """Through JSON, as in a file."""
    tensors: list[Any] = []
    packed = json.loads(json.dumps(modules._pack(tree, tensors)))
    return modules._unpack(packed, {f"input.{i}": t for i, t in enumerate(tensors)})


# -- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tree",
    [
        None, True, False, 0, 1, -3, 0.1, 1e-300, INF, "", "text", (), [], {}, (1,), [1], ((), [], {}),
        {"args": (1, [2.5, None]), "kwargs": {"a": {"b": ("c",)}, "return_dict": False}},
        {"tensor": 1, "value": {"dict": []}, "tuple": (), "list": {"input.0": 2}},
    ],
    ids=repr,
)  # fmt: skip
def test_arguments_come_back(tree: Any) -> None:
    """Equal, and of equal types: True is not 1, and a list is no tuple."""
    found = there_and_back(tree)
    assert repr(found) == repr(tree)


def test_tensors_come_back_at_their_places() -> None:
    """Several in every container, the same one twice, integers too."""
    a, b, tokens = torch.ones(2), torch.zeros(3, 1), torch.tensor([1])
    found = there_and_back([a, (b, {"x": tokens, "again": a}), None])
    assert found[0] is a
    assert found[1][0] is b
    assert found[1][1]["x"] is tokens
    assert found[1][1]["again"] is a
    assert (type(found[1]), type(found[1][1])) == (tuple, dict)


@pytest.mark.parametrize(
    "leaf",
    [torch.tanh, torch.float32, {1, 2}, np.zeros(2), b"bytes", 1j, OrderedDict(a=1), Encoded(1, 2),
     torch.ones(2, 3).shape, {1: "a"}, object],
    ids=lambda leaf: type(leaf).__name__,
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda leaf: leaf, lambda leaf: {"a": (1, [leaf])}], ids=["bare", "deep"])
def test_other_types_are_unknown(leaf: Any, wrap: Any) -> None:
    """Better not recorded than called with something else: also where it is a kind of tuple or dict."""
    with pytest.raises(modules._Unknown):
        modules._pack(wrap(leaf), [])


# -- which calls and modules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "prompts", "unet"),
    [
        (30, 4, [(0, 5), (3, 24)]),
        (30, 1, [(0, 5), (0, 24)]),
        (1, 1, [(0, 0)]),
        (1, 2, [(0, 0), (1, 0)]),
        (2, 1, [(0, 0), (0, 1)]),
    ],
)
def test_recorded_calls(steps: int, prompts: int, unet: list[tuple[int, int]]) -> None:
    """In the order of a generation: an early step of the first prompt, a late one of the last, none twice."""
    calls = modules.recorded_calls([make_trace(steps)] * prompts)
    assert [(c.prompt, c.step) for c in calls if c.component == "unet"] == unet
    assert list(dict.fromkeys(c.component for c in calls)) == list(COMPONENTS)
    assert [(c.prompt, c.step) for c in calls if c.component != "unet"] == [(0, None)] * 3


def hooks(model: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in model.modules())


def test_first_call_of_every_submodule_is_told() -> None:
    """As they complete, so inner ones first; the model itself, and what does nothing, are not told."""
    block, told = Block().eval(), []
    sample, embeds = torch.ones(1, 2, 6), torch.ones(1, 3, 6)
    model = torch.nn.ModuleDict({"block": block, "identity": torch.nn.Identity()})

    def run() -> None:
        block(model["identity"](sample), (embeds, 0.5), mask=None)
        block(2 * sample)

    modules._hooked(model, lambda *heard: told.append(heard), run)
    assert [name for name, *_ in told] == ["block.norm", "block.linear", "block"]
    _, args, kwargs, output = told[-1]
    assert args[0] is sample
    assert args[1] == (embeds, 0.5)
    assert kwargs == {"mask": None}
    assert torch.equal(output[0], block(sample, (embeds, 0.5))[0])
    assert hooks(model) == 0


def test_no_hook_stays_after_an_error() -> None:
    """The next run of the pipeline must not be listened to."""
    model = make_pipe().unet
    with pytest.raises(TypeError):
        modules._hooked(model, lambda *heard: None, model)
    assert hooks(model) == 0


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (100, ["a", "b", "a.x", "a.y", "b.x", "a.x.deep"]),
        (99, ["a", "b", "a.x", "a.y", "b.x"]),
        (79, ["a", "b", "a.x", "a.y"]),
        (50, ["b", "a.x", "a.y", "b.x"]),
        (35, ["b", "a.x", "a.y"]),
        (0, []),
    ],
)
def test_outer_modules_are_kept(limit: int, kept: list[str]) -> None:
    """Depth by depth while they fit three quarters; what is too large leaves its room to what it holds."""
    sizes = {"a.x.deep": 20, "a.x": 10, "a.y": 10, "a": 40, "b.x": 10, "b": 10}
    assert modules._affordable(sizes, limit, dict.fromkeys(sizes, "Linear")) == set(kept)


def test_of_each_class_some_are_kept() -> None:
    """Where the outer modules fill their share, the smallest of every class come in turn."""
    classes = {"a": "Block", "a.n1": "Norm", "a.n2": "Norm", "a.n3": "Norm", "a.f": "Linear", "a.g": "Linear"}
    sizes = {"a": 60, "a.n1": 8, "a.n2": 7, "a.n3": 7, "a.f": 9, "a.g": 30}
    assert modules._affordable(sizes, 80, classes) == {"a", "a.n2", "a.f"}


def test_sizes_count_inputs_and_outputs() -> None:
    """In bytes of their precision, and only of modules that ran."""
    model = torch.nn.ModuleDict({"ran": torch.nn.Linear(4, 2).bfloat16(), "idle": torch.nn.Linear(1, 1)})
    found = modules._sizes(model, lambda: model["ran"](torch.ones(3, 4, dtype=torch.bfloat16)))
    assert found == {"ran": 2 * (3 * 4 + 3 * 2)}


# -- files -------------------------------------------------------------------------------------------


def store(folder: Path, *args: Any, output: Any = None, kept: str = "x", **kwargs: Any) -> list[ModuleRecord]:
    """What is recorded of one call of a module named ``x``."""
    records: list[ModuleRecord] = []
    output = torch.ones(2) if output is None else output
    modules._store(modules._Call("unet", 1, 5), {kept: "Linear"}, folder, records, "x", args, kwargs, output)
    return records


def test_stored_call_is_read_back(tmp_path: Path) -> None:
    """Arguments at their places and every output, to the bit and in their own precision."""
    generator = torch.Generator().manual_seed(3)
    wide, half = torch.randn(2, 3, generator=generator), torch.randn(4, generator=generator).half()
    (entry,) = store(
        tmp_path, wide.T, (half, True), mask=None, ids=torch.tensor([7]), output=(half, {"more": [wide]})
    )
    assert entry == ModuleRecord(Place("unet", "x", 1, 5), "00000.safetensors", "Linear")
    (packed, values), outputs = read_record(tmp_path, entry)
    found = modules._unpack(packed, values)
    assert torch.equal(found["args"][0], wide.T)
    assert (found["args"][1][0].dtype, found["args"][1][1]) == (torch.float16, True)
    assert found["kwargs"]["mask"] is None
    assert found["kwargs"]["ids"].tolist() == [7]
    assert [t.dtype for t in outputs] == [torch.float16, torch.float32]
    assert torch.equal(outputs[0], half)
    assert torch.equal(outputs[1], wide)


def test_shared_memory_can_be_stored(tmp_path: Path) -> None:
    """One tensor in two places, a view and an expanded one: safetensors refuses what shares memory."""
    base = torch.arange(12.0).reshape(3, 4)
    (entry,) = store(tmp_path, base, base, base[1:], base[:, :1].expand(3, 4), output=(base, base))
    (packed, values), outputs = read_record(tmp_path, entry)
    args = modules._unpack(packed, values)["args"]
    assert [torch.equal(a, b) for a, b in zip(args[:3], (base, base, base[1:]), strict=True)] == [True] * 3
    assert args[3].tolist() == [[0.0] * 4, [4.0] * 4, [8.0] * 4]
    assert len(outputs) == 2


def test_files_are_numbered(tmp_path: Path) -> None:
    """None is written over another."""
    records: list[ModuleRecord] = []
    for i in range(3):
        call = modules._Call("vae", 0, None)
        modules._store(
            call, {"x": "Linear"}, tmp_path, records, "x", (torch.full((1,), float(i)),), {}, torch.ones(1)
        )
    found = [float(read_record(tmp_path, entry)[0][1]["input.0"]) for entry in records]
    assert found == [0.0, 1.0, 2.0]


def test_what_cannot_be_judged_is_not_stored(tmp_path: Path) -> None:
    """Unknown arguments, no floating input or output, and what the disk has no room for."""
    assert store(tmp_path, torch.ones(1), how=torch.tanh) == []
    assert store(tmp_path, torch.tensor([1, 2])) == []
    assert store(tmp_path, torch.ones(1), output=(torch.tensor([1]), None)) == []
    assert store(tmp_path, torch.ones(1), kept="y") == []
    assert list(tmp_path.iterdir()) == []


def foreign(path: Path, tensors: dict[str, Any], metadata: dict[str, str] | None) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1"),
        lambda path: path.write_bytes(path.read_bytes()[:7]),
        lambda path: path.write_bytes(path.read_bytes()[:60]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: foreign(path, {"weight": torch.ones(2)}, None),
        lambda path: foreign(path, {"weight": torch.ones(2)}, {"format": "pt"}),
        lambda path: foreign(path, {"output.0": torch.ones(2)}, {"inputs": "{"}),
        lambda path: foreign(path, {"output.7": torch.ones(2)}, {"inputs": "{}"}),
    ],
    ids=["missing", "empty", "pointer", "cut-length", "cut-header", "cut-data", "no-metadata",
         "other-metadata", "no-json", "output-lost"],
)  # fmt: skip
def test_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    """With the folder to delete, which is that of the whole reference."""
    folder = tmp_path / "reference" / "modules"
    folder.mkdir(parents=True)
    (entry,) = store(folder, torch.ones(64))
    damage(folder / entry.file)
    with pytest.raises(QualityError, match="the recorded module is damaged") as caught:
        read_record(folder, entry)
    assert str(caught.value).startswith(f"{folder / entry.file}: ")
    assert str(caught.value).endswith(f"delete the folder {folder.parent} and run again")


# -- feeding -----------------------------------------------------------------------------------------


DTYPES = [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]


@pytest.mark.parametrize(("variant", "dtype"), DTYPES)
def test_inputs_in_the_variants_precision(variant: str, dtype: torch.dtype) -> None:
    """Activations are cast; timesteps and sizes (one dimension, or none) and whole numbers are not."""
    context = make_context(variant)
    activations = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    found = modules._fed(activations, None, context)
    assert found.dtype is dtype
    assert torch.equal(found, activations.to(dtype))
    for kept in (torch.tensor(999.3), torch.tensor([999.3, 1e6]), torch.tensor([[1, 2]]),
                 torch.tensor([[True, False]])):  # fmt: skip
        found = modules._fed(kept, None, context)
        assert found.dtype is kept.dtype
        assert torch.equal(found, kept)


@pytest.mark.parametrize("own", [torch.float32, torch.bfloat16, torch.float16])
def test_inputs_in_the_type_that_the_variant_gives_them(own: torch.dtype) -> None:
    """It knows best what is kept in float32, whatever its precision and the number of dimensions."""
    for shape in ((), (3,), (2, 3)):
        found = modules._fed(torch.full(shape, 999.3), own, make_context("bf16"))
        assert found.dtype is own
        assert torch.equal(found, torch.full(shape, 999.3).to(own))
    tokens = torch.tensor([[1, 2]])
    assert modules._fed(tokens, own, make_context("bf16")) is tokens


@pytest.mark.parametrize(("variant", "dtype"), DTYPES)
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("least", [torch.finfo(torch.float32).min, -INF])
def test_masks_stay_finite(variant: str, dtype: torch.dtype, given: bool, least: float) -> None:
    """The least float32 would be -inf in a narrower type, and a row of -inf is NaN after softmax."""
    mask = torch.tensor([[0.0, least], [least, least], [0.5, -1.0]])
    found = modules._fed(mask, dtype if given else None, make_context(variant))
    assert found.dtype is dtype
    assert found.min() == torch.finfo(dtype).min
    assert found[2].tolist() == [0.5, -1.0]
    assert torch.softmax(found, -1).isfinite().all()


def test_nan_is_fed_as_nan() -> None:
    """Clamping must not make a number of it."""
    assert modules._fed(torch.full((2, 2), float("nan")), None, make_context("bf16")).isnan().all()


def test_recorded_tensors_among_the_variants_own_values() -> None:
    """Float32's numbers in the variant's types; text, numbers and flags are the variant's."""
    ones, zeros = torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bfloat16)
    recorded = {"args": (ones, [ones, 1.0]), "kwargs": {"how": "plain", "same": None, "gone": ones}}
    own = {"args": (zeros, [zeros.float(), 2.0]), "kwargs": {"how": "fused", "same": None, "new": True}}
    found = modules._merged(recorded, own, make_context("bf16"))
    first, (second, scale) = found["args"]
    assert (first.dtype, second.dtype, scale) == (torch.bfloat16, torch.float32, 2.0)
    assert first.tolist() == second.tolist() == ones.tolist()
    assert found["kwargs"] == {"how": "fused", "same": None, "new": True}


def test_masks_that_one_implementation_only_is_given() -> None:
    """One makes itself what another is given: its own argument stays, also one of another shape."""
    mask = torch.ones(1, 1, 3, 3)
    context = make_context("bf16")
    assert modules._merged({"mask": mask}, {"mask": None}, context) == {"mask": None}
    own = torch.zeros(3, 3)
    assert modules._merged({"mask": None}, {"mask": own}, context)["mask"] is own
    assert modules._merged({"mask": mask}, {"mask": own}, context)["mask"] is own


def test_large_arguments_are_not_kept() -> None:
    """Their shape and type suffice: a copy of every module's input would not fit into memory."""
    large = torch.ones(modules.MOST_KEPT + 1, 1, dtype=torch.bfloat16)
    small = torch.ones(4)
    kept = modules._own({"args": (large, [small, "text"])})
    small += 1.0
    assert kept["args"][0] == modules._Shape((modules.MOST_KEPT + 1, 1), torch.bfloat16)
    assert kept["args"][1][0].tolist() == [1.0] * 4
    assert kept["args"][1][1] == "text"
    recorded = {"args": (torch.full((modules.MOST_KEPT + 1, 1), 0.3), [torch.zeros(4), "text"])}
    found, (values, _) = modules._merged(recorded, kept, make_context("bf16"))["args"]
    assert found.dtype is torch.bfloat16
    assert torch.equal(found, recorded["args"][0].bfloat16())
    assert values.tolist() == [0.0] * 4


# -- recording and measuring -------------------------------------------------------------------------


def test_every_module_is_recorded_once_a_call(tmp_path: Path) -> None:
    """As they complete; without dropout, what ran not, what takes a function, and embeddings of tokens."""
    records = record_all(tmp_path, [make_trace()])
    inside = ["time", "block.norm", "block.linear", "block", "strange.inner", "twice"]
    assert names(records) == inside * 2
    assert {r.place.step for r in records if r.place.component == "unet"} == {2, 9}
    assert names(records, "text_encoder") == names(records, "text_encoder_2") == ["layer"]
    assert names(records, "vae") == ["decoder"]
    assert list(dict.fromkeys(r.place.component for r in records)) == list(COMPONENTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(r.file for r in records)


def test_first_of_two_calls_is_recorded(tmp_path: Path) -> None:
    """What the second was given is what the first gave."""
    records = record_all(tmp_path, [make_trace()])
    entry = next(r for r in records if r.place.part == "twice")
    strange = next(r for r in records if r.place.part == "strange.inner")
    (_, values), _ = read_record(tmp_path, entry)
    _, (before,) = read_record(tmp_path, strange)
    assert torch.equal(values["input.0"], torch.tanh(before))


def test_limit_of_the_disk_leaves_out_inner_modules(tmp_path: Path) -> None:
    """The files hold no more than the limit, and the outer block is there where its parts are not."""
    # A fifth for each call. The UNet's outer modules take and give 628 bytes, each inner one 96.
    limit = 5 * 840
    records = record_all(tmp_path, [make_trace()], limit=limit)
    of_unet = names(records)
    assert [of_unet.count(name) for name in ("time", "block", "twice")] == [2, 2, 2]
    assert len(of_unet) == 2 * 5
    assert len(names(record_all(tmp_path / "all", [make_trace()]))) > 2 * 5
    size = 0
    for entry in records:
        (_, values), outputs = read_record(tmp_path, entry)
        size += sum(t.nbytes for t in values.values())
        assert outputs
    assert size <= limit


def measure(pipe: Any, folder: Path, records: list[ModuleRecord], variant: str = "fp32") -> dict[str, float]:
    """The larger error of each module of the UNet's calls."""
    found = measure_modules(pipe, make_context(variant), [make_trace()], folder, records)
    assert list(found) == [r.place for r in records if r.place in found]
    worst: dict[str, float] = {}
    for place, error in found.items():
        name = f"{place.component}.{place.part}"
        worst[name] = max(error, worst.get(name, 0.0))
    return worst


def test_the_same_weights_have_no_error(tmp_path: Path) -> None:
    """Nothing is lost between recording and feeding, and every record is judged."""
    records = record_all(tmp_path, [make_trace()])
    found = measure(make_pipe(), tmp_path, records)
    assert set(found) == {f"{r.place.component}.{r.place.part}" for r in records}
    assert set(found.values()) == {0.0}


def test_fault_shows_at_its_module_and_what_holds_it(tmp_path: Path) -> None:
    """And nowhere else: what comes after it in a generation is fed with float32."""
    records = record_all(tmp_path, [make_trace()])
    pipe = make_pipe()
    with torch.no_grad():
        pipe.unet.block.linear.weight *= 1.5
    found = measure(pipe, tmp_path, records)
    assert {name for name, error in found.items() if error > 0.0} == {"unet.block.linear", "unet.block"}
    assert found["unet.block.linear"] > found["unet.block"]


def test_every_output_of_a_module_counts(tmp_path: Path) -> None:
    """Also the further one of a nested result; and NaN is infinite."""
    records = record_all(tmp_path, [make_trace()])
    pipe = make_pipe()
    block = type(pipe.unet.block)

    class Faulty(block):  # type: ignore[misc, valid-type]
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            hidden, more = super().forward(*args, **kwargs)
            return hidden, {"extra": [torch.nan * more["extra"][0]]}

    pipe.unet.block.__class__ = Faulty
    found = measure(pipe, tmp_path, records)
    assert found.pop("unet.block") == INF
    assert set(found.values()) == {0.0}


def test_precision_shows_as_rounding(tmp_path: Path) -> None:
    """bfloat16 is about 2^-9 away, everywhere, and the mask did not become NaN."""
    records = record_all(tmp_path, [make_trace()])
    found = measure(make_pipe(torch.bfloat16), tmp_path, records, "bf16")
    assert len(found) == 9
    assert all(1e-5 < error < 3e-2 for error in found.values()), found


def test_modules_that_do_not_run_are_left_out(tmp_path: Path) -> None:
    """A projection that was fused is gone or idle; what holds it is judged."""
    records = record_all(tmp_path, [make_trace()])
    pipe = make_pipe()
    linear, pipe.unet.block.linear = pipe.unet.block.linear, torch.nn.Identity()
    pipe.unet.block.idle = linear
    del pipe.unet.strange.inner
    pipe.unet.strange.forward = lambda sample, how: how(sample)
    found = measure(pipe, tmp_path, records)
    assert not {"unet.block.linear", "unet.strange.inner"} & set(found)
    assert found["unet.block"] > 0.0
    assert found["unet.block.norm"] == 0.0


def test_compiled_pipeline_is_looked_at_in_its_eager_form(tmp_path: Path) -> None:
    """And is compiled again afterwards, as it was."""
    records = record_all(tmp_path, [make_trace()])
    pipe = make_pipe()
    compiled = SimpleNamespace(_orig_mod=pipe.unet)
    pipe.unet = compiled
    pipe.vae.__dict__["decode"] = decode = lambda *args, **kwargs: pytest.fail("ran compiled code")
    found = measure(pipe, tmp_path, records)
    assert set(found.values()) == {0.0}
    assert pipe.unet is compiled
    assert pipe.vae.__dict__["decode"] is decode


def test_damaged_record_ends_the_look(tmp_path: Path) -> None:
    """An error that names the file, not a verdict."""
    folder = tmp_path / "modules"
    records = record_all(folder, [make_trace()])
    (folder / records[3].file).write_bytes(b"")
    with pytest.raises(QualityError, match=records[3].file):
        measure(make_pipe(), folder, [replace(r) for r in records])
