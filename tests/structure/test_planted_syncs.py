"""Planted synchronisations: each is found with its line, and the honest loop has none.

Without a GPU, with a pretended device; see `perfsuite.structure.places`.
"""

import pytest
from gates import finds, passes
from machine import here


@pytest.fixture
def honest(rung):
    """`bf16-sdpa`, in whose loop nothing waits."""
    return rung(here("bf16+sdpa"))


def wrap(owner, name, after):
    """Let a method call `after` with its result and arguments."""
    method = getattr(owner, name)

    def wrapped(*args, **options):
        result = method(*args, **options)
        after(result, *args)
        return result

    setattr(owner, name, wrapped)


def test_nothing_waits_in_the_honest_loop(honest):
    """As built; each test below plants one thing into the same."""
    assert passes("syncs", honest).startswith("0 in 3 steps")


def test_an_item_in_the_scheduler(honest):
    """A progress print of a scheduler: the value of the latents, in every step."""

    def step(result, *args):
        result[0].max().item()

    wrap(honest.pipe.scheduler, "step", step)
    said = finds("syncs", honest)
    assert "aten._local_scalar_dense in every step" in said
    assert "test_planted_syncs.py" in said
    assert "in step: result[0].max().item()" in said


def test_the_tutorials_index_trap(honest):
    """The scheduler looks its index up among the timesteps, which are on the device, in every step."""
    scheduler = honest.pipe.scheduler

    def step(result, *args):
        scheduler._step_index = None
        scheduler._begin_index = None

    wrap(scheduler, "step", step)
    said = finds("syncs", honest)
    assert "nonzero in step 1 and 2 of 3: schedulers/scheduling_euler_discrete.py" in said
    assert "in index_for_timestep: indices = (schedule_timesteps == timestep).nonzero()" in said
    assert "return indices[pos].item()" in said


def test_a_lookup_before_the_first_step_alone(honest):
    """What happens once is told from what happens in every step, and does not hide it."""
    honest.pipe.scheduler.set_begin_index = lambda index: None
    said = finds("syncs", honest)
    assert "nonzero in step 0 of 3" in said
    assert "in every step" not in said
    wrap(honest.pipe.scheduler, "step", lambda result, *args: result[0].sum().item())
    said = finds("syncs", honest)
    assert "nonzero in step 0 of 3" in said
    assert "_local_scalar_dense in every step" in said


def test_sigmas_on_the_device(honest):
    """The other half of the trap: the scheduler branches on a sigma that lies on the device."""
    scheduler = honest.pipe.scheduler

    def set_timesteps(result, *args):
        scheduler.sigmas = scheduler.sigmas.to(scheduler.timesteps.device)

    wrap(scheduler, "set_timesteps", set_timesteps)
    said = finds("syncs", honest)
    assert "_local_scalar_dense in every step" in said
    assert "if s_tmin <= sigma <= s_tmax" in said


def test_an_item_in_a_unet_block(honest):
    """Inside the UNet too."""
    block = honest.pipe.unet.mid_block.attentions[0].transformer_blocks[0]

    def forward(result, *args):
        if result.abs().max() > 1e6:
            raise ValueError("overflow")

    wrap(block, "forward", forward)
    said = finds("syncs", honest)
    assert "in every step" in said
    assert "if result.abs().max() > 1e6" in said


def test_a_callback_that_reads(honest):
    """Hidden where a user looks last: a callback after each step that keeps a preview."""
    kept = []

    class WithCallback(type(honest.pipe)):
        def __call__(self, *args, **options):
            def keep(pipe, index, timestep, tensors):
                kept.append(tensors["latents"].float().cpu())
                return {}

            return super().__call__(*args, callback_on_step_end=keep, **options)

    honest.pipe.__class__ = WithCallback
    said = finds("syncs", honest)
    assert "Tensor.cpu(): a copy to the host in every step" in said
    assert 'kept.append(tensors["latents"].float().cpu())' in said
    assert len(kept) == 3


def test_a_schedule_that_is_copied_in_every_step(honest):
    """From the host to the device: a number made a tensor, as in `unet(x, timestep=981)`."""
    import torch

    unet, forward = honest.pipe.unet, honest.pipe.unet.forward

    def with_a_number(sample, timestep, *args, **options):
        return forward(sample, torch.tensor([981], device=sample.device), *args, **options)

    unet.forward = with_a_number
    said = finds("syncs", honest)
    assert "torch.tensor(..., device): a copy from the host in every step" in said
    assert "in with_a_number" in said


@pytest.mark.parametrize("way", ["mask", "tolist", "array", "to", "where", "print", "equal"])
def test_other_ways_to_wait(honest, way):
    """All that needs a value or a shape on the host."""
    import numpy as np
    import torch

    ways = {
        "mask": lambda x: x[x > 0],
        "tolist": lambda x: x.flatten()[:3].tolist(),
        "array": lambda x: np.asarray(x.float()),
        "to": lambda x: x.to("cpu"),
        "where": lambda x: torch.where(x > 0),
        "print": lambda x: f"{x.float().mean():.3f}",
        "equal": lambda x: torch.equal(x, x + 1),
    }

    def step(result, *args):
        ways[way](result[0])

    wrap(honest.pipe.scheduler, "step", step)
    said = finds("syncs", honest)
    assert "in every step" in said
    assert f'"{way}": lambda x:' in said


def test_what_is_on_the_host_may_be_read(honest):
    """The scheduler's sigmas are: an honest scheduler branches on them."""
    scheduler = honest.pipe.scheduler
    wrap(scheduler, "step", lambda result, *args: float(scheduler.sigmas[scheduler.step_index]))
    passes("syncs", honest)


def test_the_pipeline_is_as_before(honest):
    """Its class, its bar and what it draws."""
    pipe, kind = honest.pipe, type(honest.pipe)
    before = honest.generate()
    passes("syncs", honest)
    assert type(pipe) is kind
    assert "progress_bar" not in vars(pipe)
    assert (honest.generate() == before).all()
