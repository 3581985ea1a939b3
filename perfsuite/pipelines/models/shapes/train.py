"""Train the small SDXL: ``python -m perfsuite.pipelines.models.shapes.train --work DIR``.

Four stages, each seeded and resumable; a batch is a function of (seed, stage, step) alone, so an
interrupted run continues with the batches that it would have seen:

1. ``autoencoder``: encoder and decoder on crops, L1 and gradient loss with a small KL term.
2. ``latents``: the frozen encoder's latents of every picture, cached.
3. ``unet``: UNet and both text encoders on the latents; epsilon prediction, min-SNR weights
   (Hang et al. 2023, gamma 5), 10 % empty prompts as zeros, exponential moving average.
4. ``layout``: the same models, half of a batch from an empty canvas, so that the caption decides the
   place; then a cosine decay.
5. ``decoder``: the decoder alone, on whole pictures with the encoder frozen (independent of stages 3
   and 4: they can run in two processes at once).
6. ``export``: float16 safetensors in the layout that diffusers loads.

Checkpoints are safetensors: weights, optimizer moments and the step, written to a temporary file
and renamed.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from perfsuite.pipelines.models.shapes import architecture, drawing
from perfsuite.pipelines.models.shapes.trainer import Trainer, write

if TYPE_CHECKING:
    from collections.abc import Iterable

STAGES = ("autoencoder", "latents", "unet", "decoder", "export", "layout")


@dataclass(frozen=True)
class Plan:
    """How long and on how much to train; the defaults made the weights that ship."""

    seed: int = 20
    pictures: int = 16384
    autoencoder_steps: int = 5000
    autoencoder_batch: int = 12
    decoder_steps: int = 4500
    decoder_batch: int = 3
    unet_steps: int = 5000
    unet_stop: int = 4000
    """Step of the schedule at which the UNet's stage ends and the layout's begins."""
    unet_batch: int = 32
    unet_rate: float = 1.5e-3
    layout_steps: int = 4500
    layout_hold: int = 2000
    """Step up to which the rate is constant and half of a batch starts from an empty canvas."""
    layout_rate: float = 1e-3


def _generator(seed: int, stage: str, step: int) -> np.random.Generator:
    return np.random.default_rng([seed, STAGES.index(stage), step])


def pictures(plan: Plan, work: Path) -> tuple[np.ndarray, list[str]]:
    """Training pictures, uint8 (n, 128, 128, 3), drawn once and memory-mapped, with captions."""
    rng = _generator(plan.seed, "latents", 0)
    every = [s for s in drawing.scenes() if not s.held_out]
    chosen = [every[i] for i in rng.choice(len(every), plan.pictures, replace=plan.pictures > len(every))]
    path = work / f"pictures-{plan.seed}-{plan.pictures}.npy"
    if not path.exists():
        print(f"drawing {plan.pictures} pictures", flush=True)
        canvas = np.stack([drawing.draw(scene, rng) for scene in chosen])
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, canvas)
        os.replace(temporary, path)
    return np.load(path, mmap_mode="r"), [scene.caption for scene in chosen]


def as_tensor(batch: np.ndarray) -> torch.Tensor:
    """Pictures, uint8 (n, height, width, 3), as the autoencoder takes them: -1 to 1, channels first."""
    return torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def reconstruction(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 of the values and of their horizontal and vertical differences: blur costs twice."""
    loss = functional.l1_loss(output, target)
    for axis in (-1, -2):
        loss = loss + functional.l1_loss(output.diff(dim=axis), target.diff(dim=axis))
    return loss


def train_autoencoder(plan: Plan, work: Path) -> Any:
    torch.manual_seed(plan.seed)
    vae = architecture.vae()
    trainer = Trainer("autoencoder", {"vae": vae}, work, plan.autoencoder_steps, 2e-3, 0.995)
    if trainer.step < trainer.steps:
        data, _ = pictures(plan, work)

        def loss_of(step: int) -> torch.Tensor:
            rng = _generator(plan.seed, "autoencoder", step)
            crops = []
            for i in rng.integers(len(data), size=plan.autoencoder_batch):
                top, left = rng.integers(0, drawing.SIZE - 63, size=2)
                crops.append(data[i, top : top + 64, left : left + 64])
            target = as_tensor(np.stack(crops))
            posterior = vae.encode(target).latent_dist
            noise = torch.from_numpy(rng.standard_normal(posterior.mean.shape, dtype=np.float32))
            output = vae.decode(posterior.mean + posterior.std * noise).sample
            kl = posterior.kl().sum() / posterior.mean.numel()
            return reconstruction(output, target) + 3e-4 * kl

        trainer.run(loss_of)
    trainer.take_average()
    return vae


def cache_latents(plan: Plan, work: Path, vae: Any) -> tuple[torch.Tensor, float]:
    """Latents (n, 4, 16, 16) of the frozen encoder, scaled to unit variance, and the factor."""
    path = work / f"latents-{plan.seed}-{plan.pictures}.safetensors"
    if not path.exists():
        data, _ = pictures(plan, work)
        means = []
        with torch.no_grad():
            for start in range(0, len(data), 16):
                means.append(vae.encode(as_tensor(data[start : start + 16])).latent_dist.mean)
        latents = torch.cat(means)
        write(path, {"latents": latents, "factor": 1.0 / latents.std()})
    stored = load_file(path)
    factor = round(float(stored["factor"]), 5)
    return stored["latents"] * factor, factor


def train_decoder(plan: Plan, work: Path, vae: Any) -> None:
    """Sharpen the decoder on whole pictures; the encoder, and so the latents, stay as they are."""
    vae.requires_grad_(False)
    for module in (vae.decoder, vae.post_quant_conv):
        module.requires_grad_(True)
    trainer = Trainer("decoder", {"vae": vae}, work, plan.decoder_steps, 1e-3, 0.998)
    if trainer.step < trainer.steps:
        data, _ = pictures(plan, work)
        latents, factor = cache_latents(plan, work, vae)
        latents = latents / factor

        def loss_of(step: int) -> torch.Tensor:
            rng = _generator(plan.seed, "decoder", step)
            chosen = np.sort(rng.choice(len(data), size=plan.decoder_batch, replace=False))
            latent = latents[torch.from_numpy(chosen)]
            # What the denoiser leaves is not quite what the encoder gave.
            noise = torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32))
            output = vae.decode(latent + 0.05 / factor * noise).sample
            return reconstruction(output, as_tensor(data[chosen]))

        trainer.run(loss_of)
    trainer.take_average()


def encode_prompts(tokens: torch.Tensor, first: Any, second: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """As `StableDiffusionXLPipeline.encode_prompt`: penultimate states of both, pooled of the second.

    `tokens`: (n, 77) ids. Returns (n, 77, 128) and (n, 64).
    """
    one = first(tokens, output_hidden_states=True)
    two = second(tokens, output_hidden_states=True)
    return torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1), two[0]


def _noised(
    clean: torch.Tensor, timesteps: np.ndarray, alphas: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy latents, the noise, the timesteps as a tensor, and their signal-to-noise ratios."""
    noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
    steps = torch.from_numpy(timesteps.astype(np.int64))
    alpha = alphas[steps][:, None, None, None]
    return (
        alpha.sqrt() * clean + (1 - alpha).sqrt() * noise,
        noise,
        steps,
        alphas[steps] / (1 - alphas[steps]),
    )


class _Denoiser:
    """UNet and text encoders with the captions' tokens: predicts noise for pictures by index."""

    def __init__(self, modules: dict[str, Any], captions: list[str]) -> None:
        self.modules = modules
        self.tokens = architecture.tokenizer()(
            captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        size = drawing.SIZE
        self.time_ids = torch.tensor([[size, size, 0, 0, size, size]])

    def __call__(
        self, noisy: torch.Tensor, steps: torch.Tensor, index: torch.Tensor, rng: np.random.Generator
    ) -> torch.Tensor:
        """Predicted noise; one caption in ten is empty, as zeros."""
        n = len(index)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states, pooled = encode_prompts(
                self.tokens[index], self.modules["text_encoder"], self.modules["text_encoder_2"]
            )
            keep = torch.from_numpy((rng.uniform(size=n) >= 0.1).astype(np.float32))
            conditions = {
                "text_embeds": pooled * keep[:, None],
                "time_ids": self.time_ids.expand(n, -1),
            }
            predicted = self.modules["unet"](
                noisy, steps, states * keep[:, None, None], added_cond_kwargs=conditions
            ).sample
        return predicted.float()


def _spread(n: int, low: int, high: int, rng: np.random.Generator) -> np.ndarray:
    """Stratified timesteps in [low, high): one from each n-th lowers the loss's variance."""
    return low + (rng.permutation(n) + rng.uniform(size=n)) / n * (high - low)


def train_unet(plan: Plan, work: Path, latents: torch.Tensor, captions: list[str]) -> dict[str, Any]:
    torch.manual_seed(plan.seed + 1)
    modules = {
        "unet": architecture.unet(),
        "text_encoder": architecture.text_encoder(projection=False),
        "text_encoder_2": architecture.text_encoder(projection=True),
    }
    trainer = Trainer("unet", modules, work, plan.unet_steps, plan.unet_rate)
    denoise, alphas = _Denoiser(modules, captions), architecture.alphas_cumprod()

    def loss_of(step: int) -> torch.Tensor:
        rng = _generator(plan.seed, "unet", step)
        index = torch.from_numpy(rng.integers(len(latents), size=plan.unet_batch))
        timesteps = _spread(plan.unet_batch, 0, len(alphas), rng)
        noisy, noise, steps, ratio = _noised(latents[index], timesteps, alphas, rng)
        weight = ratio.clamp(max=5.0) / ratio
        error = (denoise(noisy, steps, index, rng) - noise).square().mean(dim=(1, 2, 3))
        return (error * weight).sum() / weight.sum()

    trainer.run(loss_of, until=plan.unet_stop)
    trainer.take_average()
    return modules


def train_layout(
    plan: Plan, work: Path, modules: dict[str, Any], latents: torch.Tensor, captions: list[str]
) -> None:
    """Teach the first steps to trust the caption.

    Noisy latents give the shape's place away up to very high noise, so the text's word on it hardly
    lowers the loss in noise, and generation then takes the place from the random first latents.
    Therefore part of a batch shows no trace of its picture: an empty canvas, faint noise, or, as in
    the sampler's first call, nothing but noise, at timesteps above 900; its loss is the error of the
    picture (noise error over signal-to-noise ratio). From nothing but noise alone the place is not
    found in thousands of steps, from the empty canvas in some hundred.
    """
    trainer = Trainer(
        "layout", modules, work, plan.layout_steps, plan.layout_rate, 0.998, hold=plan.layout_hold
    )
    denoise, alphas = _Denoiser(modules, captions), architecture.alphas_cumprod()

    def loss_of(step: int) -> torch.Tensor:
        rng = _generator(plan.seed, "layout", step)
        n = plan.unet_batch
        blank = n // 2 if step < plan.layout_hold else n // 4
        index = torch.from_numpy(rng.integers(len(latents), size=n))
        timesteps = np.concatenate([_spread(blank, 900, 1000, rng), _spread(n - blank, 0, 1000, rng)])
        noisy, noise, steps, ratio = _noised(latents[index], timesteps, alphas, rng)
        share = np.ones(blank)
        if step < plan.layout_hold:
            share = np.where(np.arange(blank) < blank // 2, 0.0, rng.uniform(size=blank))
        canvas = torch.from_numpy(share.astype(np.float32))[:, None, None, None] * noise[:blank]
        alpha = alphas[steps][:blank, None, None, None]
        wanted = (canvas - alpha.sqrt() * latents[index][:blank]) / (1 - alpha).sqrt()
        predicted = denoise(torch.cat([canvas, noisy[blank:]]), steps, index, rng)
        error = (predicted - torch.cat([wanted, noise[blank:]])).square().mean(dim=(1, 2, 3))
        layout = (error / ratio)[:blank].mean()
        weight = (ratio.clamp(max=5.0) / ratio)[blank:]
        return 0.1 * layout + (error[blank:] * weight).sum() / weight.sum()

    trainer.run(loss_of)
    trainer.take_average()


def run(plan: Plan, work: Path, stages: Iterable[str], out: Path | None) -> None:
    """Run the named stages in order; finished ones are read from `work`."""
    stages = list(stages)
    work.mkdir(parents=True, exist_ok=True)
    vae = train_autoencoder(plan, work).requires_grad_(False)
    if stages == ["autoencoder"]:
        return
    latents, factor = cache_latents(plan, work, vae)
    print(f"latents: {tuple(latents.shape)}, scaling factor {factor}", flush=True)
    modules: dict[str, Any] = {}
    if {"unet", "layout", "export"} & set(stages):
        _, captions = pictures(plan, work)
        modules = train_unet(plan, work, latents, captions)
    if {"layout", "export"} & set(stages):
        train_layout(plan, work, modules, latents, captions)
    if {"decoder", "export"} & set(stages):
        train_decoder(plan, work, vae)
    if "export" in stages:
        vae.register_to_config(scaling_factor=factor)
        target = out or work / "weights"
        architecture.save(target, {"vae": vae, **modules})
        (work / "plan.json").write_text(json.dumps(asdict(plan), indent=2) + "\n")
        print(f"wrote {target}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and caches")
    parser.add_argument("--out", type=Path, help="where to export (default: WORK/weights)")
    parser.add_argument("--stage", action="append", choices=STAGES, help="default: all")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's)")
    for name, default in asdict(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = vars(parser.parse_args())
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    plan = Plan(**{name: options[name] for name in asdict(Plan())})
    run(plan, options["work"], options["stage"] or STAGES, options["out"])


if __name__ == "__main__":
    main()
