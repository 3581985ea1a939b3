"""Components are replaced for a moment only, and what stands in for them answers as they do."""

from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.quality.taps import listening, replaced


class Vae:
    """Decodes by a method of its class, as diffusers' does."""

    def decode(self, latents: int) -> int:
        """Something that tells itself from what replaces it."""
        return 2 * latents


class Pipe:
    """Keeps components in its own dictionary and, like a diffusers pipeline, minds their being set."""

    def __init__(self) -> None:
        self.__dict__.update(unet=make_unet(), text_encoder=make_unet(), vae=Vae())

    def __setattr__(self, name: str, value: Any) -> None:
        pytest.fail(f"{name} was set, which would change the config")


def make_unet() -> Any:
    """A component with a config and a value to change."""
    return SimpleNamespace(config=SimpleNamespace(in_channels=4), scale=1.0)


@pytest.fixture
def pipe() -> Any:
    """Fresh for each test."""
    return Pipe()


def test_calls_go_to_the_function(pipe: Any) -> None:
    """With their arguments; components that were not named stay."""
    encoder = pipe.text_encoder
    with replaced(pipe, unet=lambda *args, **kwargs: (args, kwargs)):
        assert pipe.unet(1, 2, three=3) == ((1, 2), {"three": 3})
        assert pipe.text_encoder is encoder
        assert pipe.vae.decode(21) == 42


def test_decode_stands_for_the_method(pipe: Any) -> None:
    """The VAE itself stays, with all else that it can do."""
    vae = pipe.vae
    with replaced(pipe, decode=lambda latents, return_dict=True: ("forced", latents, return_dict)):
        assert pipe.vae is vae
        assert pipe.vae.decode(3, return_dict=False) == ("forced", 3, False)
    assert pipe.vae.decode(21) == 42


@pytest.mark.parametrize("error", [None, RuntimeError("in the middle"), KeyboardInterrupt()], ids=repr)
def test_what_was_there_is_put_back(pipe: Any, error: BaseException | None) -> None:
    """The same objects, also after an error and Ctrl-C, and no key is left that was not there."""
    before, of_vae = dict(pipe.__dict__), dict(pipe.vae.__dict__)

    def use() -> None:
        with replaced(pipe, unet=print, text_encoder=print, decode=print):
            assert pipe.unet is not before["unet"]
            if error is not None:
                raise error

    if error is None:
        use()
    else:
        with pytest.raises(type(error)):
            use()
    assert pipe.__dict__ == before
    assert all(pipe.__dict__[name] is component for name, component in before.items())
    assert pipe.vae.__dict__ == of_vae == {}


@pytest.mark.parametrize("fails", [False, True])
def test_a_decode_of_the_instance_is_put_back(pipe: Any, fails: bool) -> None:
    """As a compiled one is: it must not be lost to the class's method."""

    def compiled(latents: int) -> str:
        return "compiled"

    pipe.vae.decode = compiled
    try:
        with replaced(pipe, decode=lambda latents: "forced"):
            assert pipe.vae.decode(1) == "forced"
            if fails:
                raise LookupError
    except LookupError:
        assert fails
    assert pipe.vae.__dict__ == {"decode": compiled}


def test_a_decode_of_the_instance_stays_where_none_is_given(pipe: Any) -> None:
    """Replacing the UNet is no reason to touch the VAE."""
    pipe.vae.decode = len
    with replaced(pipe, unet=print):
        assert pipe.vae.__dict__ == {"decode": len}
    assert pipe.vae.__dict__ == {"decode": len}


def test_attributes_are_the_components(pipe: Any) -> None:
    """Read, written and missed: whoever asks the stand-in asks the component."""
    unet = pipe.unet
    with replaced(pipe, unet=print):
        assert pipe.unet.config is unet.config
        pipe.unet.scale = 2.0
        pipe.unet.added = "new"
        assert (unet.scale, unet.added) == (2.0, "new")
        with pytest.raises(AttributeError, match="no_such_thing"):
            pipe.unet.no_such_thing  # noqa: B018
    assert (pipe.unet.scale, pipe.unet.added) == (2.0, "new")


def test_inner_replacement_ends_first(pipe: Any) -> None:
    """One inside the other: each end brings back what the beginning found."""
    unet = pipe.unet
    with replaced(pipe, unet=lambda: "outer", decode=lambda: "outer"):
        with replaced(pipe, unet=lambda: "inner", decode=lambda: "inner"):
            assert (pipe.unet(), pipe.vae.decode()) == ("inner", "inner")
            assert pipe.unet.config is unet.config
        assert (pipe.unet(), pipe.vae.decode()) == ("outer", "outer")
    assert pipe.unet is unet


def test_unknown_component_changes_nothing(pipe: Any) -> None:
    """A name that the pipeline does not have."""
    before = dict(pipe.__dict__)
    with pytest.raises(KeyError, match="transformer"), replaced(pipe, unet=print, transformer=print):
        pytest.fail("entered")
    assert pipe.__dict__ == before


def test_listening_tells_arguments_and_result() -> None:
    """After the call, and hands the result on as it is."""
    told: list[Any] = []

    def call(value: list[int], *, more: int) -> list[int]:
        assert told == []
        return [*value, more]

    listen = listening(call, lambda args, kwargs, result: told.append((args, kwargs, result)))
    result = listen([1], more=2)
    assert told == [(([1],), {"more": 2}, [1, 2])]
    assert told[0][2] is result


def test_listening_through_a_replacement(pipe: Any) -> None:
    """What the pipeline does with its component is what it did without a listener."""
    pipe.__dict__["unet"] = abs
    told: list[Any] = []

    def heard(args: Any, kwargs: Any, result: int) -> None:
        told.append(result)

    with replaced(pipe, unet=listening(pipe.unet, heard), decode=listening(pipe.vae.decode, heard)):
        assert (pipe.unet(-3), pipe.vae.decode(21)) == (3, 42)
    assert told == [3, 42]


def test_a_call_that_fails_is_not_told() -> None:
    """There is no result to tell of; the error goes on."""
    told: list[Any] = []
    listen = listening(lambda: 1 // 0, lambda *heard: told.append(heard))
    with pytest.raises(ZeroDivisionError):
        listen()
    assert told == []
