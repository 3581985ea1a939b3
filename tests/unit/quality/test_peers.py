"""The gates of other projects pass and fail where their own code does."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from perfsuite.quality.peers import PEERS, Case

Picture = NDArray[np.float32]
GATES = {peer.name: peer.passes for peer in PEERS}


def of_pictures(*pairs: tuple[Picture, Picture]) -> Case:
    """A case of pairs (picture, reference), without latents."""
    return Case(tuple(p for p, _ in pairs), tuple(r for _, r in pairs), [], [], [])


def of_latents(latents: torch.Tensor, eager: torch.Tensor, exact: torch.Tensor) -> Case:
    """A case of one prompt's latents, without pictures."""
    return Case((), (), [latents], [eager], [exact])


@pytest.fixture
def exact() -> torch.Tensor:
    """float64 latents of unit variance."""
    return torch.randn(1, 4, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def off(exact: torch.Tensor, error: float, seed: int = 1) -> torch.Tensor:
    """The latents in float32 with an error of this root mean square."""
    noise = torch.randn(exact.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (exact + error * noise / noise.square().mean().sqrt()).float()


def test_names_are_unique() -> None:
    """One row a gate."""
    assert len(GATES) == len(PEERS)


@pytest.mark.parametrize("name", [name for name in GATES if not name.startswith("torch")])
def test_equal_pictures_pass(name: str, picture: Picture) -> None:
    """Every gate passes what is the same to the bit."""
    assert GATES[name](of_pictures((picture, picture.copy())))


def blurred(picture: Picture, share: float) -> Picture:
    """The picture mixed with itself, upside down: SSIM falls steadily with the share."""
    return ((1 - share) * picture + share * picture[::-1]).astype(np.float32)


@pytest.mark.parametrize(("name", "least"), [("ssim-0.95", 0.95), ("sglang", 0.95), ("vllm-omni", 0.97)])
def test_ssim_decides(name: str, least: float) -> None:
    """Low contrast, so that PSNR is far above: the verdict is that of SSIM at the threshold."""
    from perfsuite.quality.metrics import psnr, ssim

    rng = np.random.default_rng(3)
    texture = (0.5 + 0.05 * rng.standard_normal((64, 64, 3))).astype(np.float32)
    verdicts = set()
    for share in np.linspace(0.0, 0.3, 61):
        other = blurred(texture, share)
        similarity = ssim(other, texture)
        assert psnr(other, texture) > 30.0
        if abs(similarity - least) > 0.002:  # encoding in 8 bits moves it
            verdicts.add(similarity > least)
            assert GATES[name](of_pictures((other, texture))) == (similarity > least)
    assert verdicts == {True, False}


@pytest.mark.parametrize(("name", "decibels"), [("sglang", 28.0), ("vllm-omni", 30.0)])
def test_psnr_decides(name: str, decibels: float, picture: Picture) -> None:
    """Lighter towards one edge: SSIM and the mean difference hardly mind, the verdict is that of PSNR."""
    darker = (0.1 + 0.7 * picture).astype(np.float32)
    ramp = 7**0.5 * np.linspace(0.0, 1.0, 40, dtype=np.float32)[:, None] ** 3  # mean square 1, mean 0.66
    for more in (0.7, -0.7):
        case = of_pictures((darker + 10 ** (-(decibels + more) / 20) * ramp, darker))
        assert GATES["ssim-0.95"](case)
        assert GATES[name](case) == (more > 0)


def test_mean_difference_decides() -> None:
    """SGLang's third figure: 8 of 255 levels."""
    from perfsuite.quality.peers import _pictures_similar

    grey = np.full((32, 32, 3), 0.25, dtype=np.float32)
    for levels in (7, 9):
        case = of_pictures((grey + levels / 255, grey))
        assert _pictures_similar(case, least_ssim=-1.0, most_mean_levels=8.0) == (levels < 8)


def test_differences_within_a_level_are_gone_in_a_file(picture: Picture) -> None:
    """Gates on files do not see them; diffusers compares the arrays themselves."""
    case = of_pictures((picture + np.float32(1.5e-3), picture))
    assert GATES["vllm-omni"](case)
    assert not GATES["diffusers"](case)


@pytest.mark.parametrize(("difference", "passes"), [(0.9e-3, True), (1.1e-3, False)])
def test_diffusers_looks_at_the_greatest_difference(
    difference: float, passes: bool, picture: Picture
) -> None:
    """One value of one pixel decides."""
    other = picture.copy()
    other[5, 6, 1] += difference
    assert GATES["diffusers"](of_pictures((other, picture))) == passes


@pytest.mark.parametrize("name", [name for name in GATES if not name.startswith("torch")])
@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_black_and_nan_pictures_fail(name: str, value: float, picture: Picture) -> None:
    """Wholly NaN or black, beside a good one: no warning, no score, no pass; the order is of no matter."""
    good, bad = (picture, picture), (np.full_like(picture, value), picture)
    assert not GATES[name](of_pictures(good, bad))
    assert not GATES[name](of_pictures(bad, good))


def test_a_single_nan_passes_gates_on_files(picture: Picture) -> None:
    """In a PNG it is one dark dot, which a mean over the picture hardly sees; diffusers does see it."""
    tall = np.concatenate([picture] * 8)
    other = tall.copy()
    other[100, 20, 1] = np.nan
    case = of_pictures((other, tall))
    assert GATES["ssim-0.95"](case)
    assert not GATES["diffusers"](case)


@pytest.mark.parametrize("name", GATES)
def test_every_prompt_has_its_pair(name: str, picture: Picture, exact: torch.Tensor) -> None:
    """A prompt that is missing on one side, or nothing at all, must not pass unseen."""
    latents = off(exact, 0.01)
    for count in (1, 0):
        case = Case(
            (picture,) * count, (picture,) * 2 * count, [latents] * count, [latents] * 2 * count, [exact]
        )
        with pytest.raises(ValueError, match=r"zip\(\) argument|nothing to compare"):
            GATES[name](case)


@pytest.mark.parametrize(("times", "passes"), [(0.0, True), (1.9, True), (2.2, False), (4.0, False)])
def test_torch_allows_twice_the_eager_error(times: float, passes: bool, exact: torch.Tensor) -> None:
    """In float32: the root mean square against float64, where values are not equal within 1e-3 anyway."""
    eager = off(exact, 1e-2)
    assert GATES["torch-rmse"](of_latents(off(exact, times * 1e-2, seed=2), eager, exact)) == passes


@pytest.mark.parametrize(("times", "passes"), [(2.8, True), (3.3, False)])
def test_torch_allows_three_times_the_error_in_bfloat16(
    times: float, passes: bool, exact: torch.Tensor
) -> None:
    """And more than that fails."""
    eager, latents = off(exact, 0.05).bfloat16(), off(exact, times * 0.05, seed=2).bfloat16()
    assert GATES["torch-rmse"](of_latents(latents, eager, exact)) == passes


def test_torch_passes_equal_values_first(exact: torch.Tensor) -> None:
    """Within 1e-3 of an eager run, whatever the error of either."""
    eager = off(exact, 0.5)
    assert GATES["torch-rmse"](of_latents(eager + 5e-4, eager, exact))
    # Where the eager run is exact, its error allows none beside the tolerance.
    assert GATES["torch-rmse"](of_latents(exact.float() + 5e-4, exact.float(), exact))
    assert not GATES["torch-rmse"](of_latents(off(exact, 2e-3), exact.float(), exact))


@pytest.mark.parametrize(("error", "passes"), [(0.1, True), (0.2, False)])
def test_torch_cosine(error: float, passes: bool, exact: torch.Tensor) -> None:
    """Noise of a tenth keeps the angle below 0.99, noise of a fifth does not."""
    assert GATES["torch-cosine"](of_latents(off(exact, error), exact.float(), exact)) == passes


def test_torch_cosine_ignores_a_gain(exact: torch.Tensor) -> None:
    """Latents of half the size point the same way."""
    assert GATES["torch-cosine"](of_latents(0.5 * exact.float(), exact.float(), exact))


@pytest.mark.parametrize("name", ["torch-cosine", "torch-rmse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_torch_fails_nan_latents(name: str, dtype: torch.dtype, exact: torch.Tensor) -> None:
    """One NaN that the eager run has not."""
    eager = off(exact, 0.05).to(dtype)
    latents = eager.clone()
    latents[0, 0, 0, 0] = torch.nan
    assert not GATES[name](of_latents(latents, eager, exact))
    assert GATES[name](of_latents(eager.clone(), eager, exact))


@pytest.mark.parametrize(("dtype", "passes"), [(torch.float32, False), (torch.bfloat16, True)])
def test_torch_lets_nan_equal_nan_below_float32(
    dtype: torch.dtype, passes: bool, exact: torch.Tensor
) -> None:
    """As the benchmarks do: both runs wholly NaN is a pass in bfloat16, not in float32."""
    nothing = torch.full_like(exact, torch.nan).to(dtype)
    assert GATES["torch-rmse"](of_latents(nothing, nothing.clone(), exact)) == passes


def test_torch_wants_the_same_dtype(exact: torch.Tensor) -> None:
    """bfloat16 latents are not float32's, however near."""
    assert not GATES["torch-rmse"](of_latents(exact.bfloat16().float(), exact.bfloat16(), exact))


def test_torch_wants_every_prompt(exact: torch.Tensor) -> None:
    """One bad prompt of two fails."""
    eager, bad = off(exact, 0.01), off(exact, 0.5, seed=2)
    for name in ("torch-cosine", "torch-rmse"):
        assert not GATES[name](Case((), (), [eager, bad], [eager, eager], [exact, exact]))
