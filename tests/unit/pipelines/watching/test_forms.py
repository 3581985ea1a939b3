"""What of a pipeline is compiled, and how it is compiled once more."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.pipelines.optimizations.packaged import Packaged
from perfsuite.pipelines.watching.forms import UnknownFormError, forms_of, instead


class Decoder(torch.nn.Module):
    """A VAE's face."""

    def __init__(self) -> None:
        super().__init__()
        self.block = torch.nn.Linear(2, 2)

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x)


def pipeline() -> Any:
    unet = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    return SimpleNamespace(unet=unet, vae=Decoder(), text_encoder=torch.nn.Linear(2, 2), text_encoder_2=None)


def whole(pipe: Any, **how: Any) -> None:
    pipe.unet = torch.compile(pipe.unet, **how)
    pipe.vae.decode = torch.compile(pipe.vae.decode, **how)


def in_place(pipe: Any, **how: Any) -> None:
    for block in pipe.unet:
        block.compile(**how)


def test_a_package_is_not_compiled_once_more() -> None:
    """It is no function of torch's, and is refused as what hides its backend is."""
    pipe = pipeline()
    pipe.unet.forward = Packaged(pipe.unet.forward, pipe.unet.forward, "0123", {})
    (form,) = forms_of(pipe)
    with pytest.raises(UnknownFormError, match="does not tell how it was compiled"):
        form.again(lambda own: own)


def test_an_eager_pipeline_has_none() -> None:
    """Nothing to look into."""
    assert forms_of(pipeline()) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [(whole, ["unet", "vae"]), (in_place, ["unet.0", "unet.1"])],
    ids=["whole", "in place"],
)
def test_every_form_is_found_and_compiled_again_by_what_it_was_compiled_with(
    change: Any, names: list[str]
) -> None:
    """Mode and dynamic shapes are the own backend's."""
    pipe, given = pipeline(), []
    change(pipe, mode="max-autotune-no-cudagraphs", dynamic=False)
    forms = forms_of(pipe)
    assert [form.name for form in forms] == names

    def backend_of(own: Any) -> Any:
        given.append((own.config["max_autotune"], own.dynamic))
        return lambda module, inputs: module.forward

    for form in forms:
        other = form.again(backend_of)
        with instead(form, other):
            assert forms_of(pipe)[forms.index(form)].compiled is other
        assert forms_of(pipe) == forms
    assert given == [(True, False)] * 2


def test_what_a_backend_of_ones_own_made_is_compiled_by_it_again() -> None:
    """Whatever was passed to `torch.compile`."""

    compiled: list[Any] = []

    def own(module: Any, inputs: Any) -> Any:
        compiled.append(module)
        return module.forward

    pipe = pipeline()
    whole(pipe, backend=own)
    for form in forms_of(pipe):
        form.again(lambda found: found)(torch.ones(1, 2))
    torch._dynamo.reset()
    assert len(compiled) == 2


def test_static_shapes_stay_static() -> None:
    """A second size is compiled for itself, and makes no code for all sizes."""
    pipe, compiled = pipeline(), []

    def counting(module: Any, inputs: Any) -> Any:
        compiled.append(module)
        return module.forward

    whole(pipe, dynamic=False)
    other = forms_of(pipe)[0].again(lambda own: counting)
    for rows in (2, 3, 4):
        other(torch.ones(rows, 2))
    torch._dynamo.reset()
    assert len(compiled) == 3


def test_eager_code_stands_in_for_every_form() -> None:
    """Nothing compiled is left meanwhile, and all of it is there again afterwards."""
    pipe = pipeline()
    whole(pipe)
    pipe.text_encoder.compile()
    forms = forms_of(pipe)
    with eager(pipe):
        assert forms_of(pipe) == []
        assert not hasattr(pipe.vae.decode, "_torchdynamo_orig_callable")
        assert pipe.vae.decode(torch.ones(1, 2)).shape == (1, 2)
    assert [form.name for form in forms] == ["text_encoder", "unet", "vae"]
    assert forms_of(pipe) == forms


def test_a_form_whose_making_is_hidden_is_an_error_that_names_it() -> None:
    """The look is then not judged, with this reason."""
    pipe = pipeline()

    def decode(x: torch.Tensor) -> torch.Tensor:
        return x

    decode._torchdynamo_orig_callable = pipe.vae.decode  # type: ignore[attr-defined]
    pipe.vae.decode = decode
    (form,) = forms_of(pipe)
    with pytest.raises(UnknownFormError, match="vae: this torch does not tell how it was compiled"):
        form.again(lambda own: own)
