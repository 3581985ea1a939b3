"""Other pipelines' configurations: the published number of parameters, and a rule for each value."""

import pytest
import torch

from perfsuite.pipelines import models, workloads
from perfsuite.pipelines.models import architectures, assembly, initial, initial_transformers


@pytest.mark.parametrize("model", architectures.PARAMETERS)
def test_the_configs_build_the_published_model(model):
    """Counted without memory; every layer has a random value's rule, and none is at zero."""
    family, folder = models.family(model), architectures.configs(model)
    found = assembly.skeletons(folder, family)
    counted = {name: sum(p.numel() for p in m.parameters()) for name, m in found.items()}
    assert counted == architectures.PARAMETERS[model]
    for component, skeleton in found.items():
        for name, module in skeleton.named_modules():
            for kind, parameter in module.named_parameters(recurse=False):
                assert 0.0 < _deviation(skeleton, component, name, module, kind, parameter) < 3.0, name


def _deviation(model, component, name, module, kind, parameter):
    if initial_transformers.knows(model):
        branches = initial_transformers._branches(model)
        return initial_transformers._spread(component, name, module, kind, parameter, branches)[1]
    return initial._spread(model, component, name, module, kind, parameter)[1]


def test_every_model_that_is_listed_has_a_workload_and_sizes_that_fit():
    """What ``perfsuite list workloads`` names can be drawn."""
    for name in architectures.PARAMETERS:
        assert workloads.misfit(workloads.get(name)) is None


def test_branches_of_a_stream_are_counted():
    """What the last layers are scaled by: three a block where text is looked at apart, two jointly."""
    flux = assembly.skeletons(architectures.configs("tiny-flux"), models.family("tiny-flux"))
    assert initial_transformers._branches(flux["transformer"]) == 2 * 2 + 2
    assert initial_transformers._branches(flux["text_encoder_2"]) == 2 * 2
    pixart = assembly.skeletons(architectures.configs("tiny-pixart"), models.family("tiny-pixart"))
    assert initial_transformers._branches(pixart["transformer"]) == 3 * 2


def test_positions_are_those_of_diffusers():
    """The table that a model made without memory has lost."""
    from diffusers.models.embeddings import PatchEmbed

    for given in ({"interpolation_scale": 2}, {"pos_embed_max_size": 24}):
        own = PatchEmbed(height=16, width=16, patch_size=2, in_channels=4, embed_dim=48, **given)
        made = initial_transformers._positions(own, torch.empty_like(own.pos_embed))
        assert torch.allclose(made, own.pos_embed, atol=1e-6)


def test_a_word_of_the_prompts_is_one_token_of_t5():
    """Any other text is read by characters; nothing is downloaded."""
    tokenizer = assembly._t5_tokenizer(("A red fox", "a Fox"))
    assert len(tokenizer("A red fox").input_ids) == 4
    assert len(tokenizer("xyz").input_ids) > 3
    assert tokenizer("A red fox").input_ids != tokenizer("A red Fox").input_ids
    assert len(tokenizer) <= 32128
