"""Modules are fed with what float32 was fed, in the variant's type; a fault shows at its own module."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_pipeline import INF, make_context, make_pipe, make_trace, names, record_all

from perfsuite.pipelines.families import SDXL
from perfsuite.quality import modules
from perfsuite.quality.modules import ModuleRecord, measure_modules, read_record
from perfsuite.quality.relative_errors import QualityError

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
    assert list(dict.fromkeys(r.place.component for r in records)) == list(SDXL.components)
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


def test_where_guidance_has_ended_modules_are_fed_as_in_that_call(tmp_path: Path) -> None:
    """It has fewer rows than the call before: its small arguments are not another call's."""
    trace = make_trace()
    trace.tensors["rows"][5:] = 1
    records = record_all(tmp_path, [trace])
    assert {int(trace["rows"][r.place.step]) for r in records if r.place.component == "unet"} == {1, 2}
    found = measure_modules(make_pipe(), make_context(), [trace], tmp_path, records)
    assert list(found) == [r.place for r in records]
    assert set(found.values()) == {0.0}


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
    decode: Any = lambda *args, **kwargs: pytest.fail("ran compiled code")  # noqa: E731
    decode._torchdynamo_orig_callable = pipe.vae.decode
    pipe.vae.__dict__["decode"] = decode
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
