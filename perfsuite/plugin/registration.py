"""What a project's ``conftest.py`` and other plugins register, from the begin of a run to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.pipelines import catalogue, models
from perfsuite.pipelines.registering import FUNCTION, RegistrationError
from perfsuite.pipelines.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEFORE: pytest.StashKey[tuple[Any, ...]] = pytest.StashKey()
_CALLED: pytest.StashKey[list[Path]] = pytest.StashKey()


def register(config: pytest.Config) -> None:
    """Let everybody register, and remember which files did: fresh processes call them too.

    Raises:
        RegistrationError: something that was registered cannot be used.
    """
    REGISTRY.load()
    config.stash[_BEFORE] = REGISTRY.take()
    files = list(_files(config))
    REGISTRY.register(lambda registry: config.hook.pytest_perfsuite_register(registry=registry))
    config.stash[_CALLED] = files
    for file in files:
        REGISTRY.hand_on(file)
    catalogue.check()


def forget(config: pytest.Config) -> None:
    """Forget what this run's files registered: another run in this process has others."""
    if _BEFORE in config.stash:
        REGISTRY.put(config.stash[_BEFORE])
        models.resolve.cache_clear()


def check_late(config: pytest.Config) -> None:
    """Refuse a ``conftest.py`` that was found only while tests were collected, too late to be asked.

    Raises:
        pytest.UsageError: there is one.
    """
    late = [file for file in _files(config) if file not in config.stash[_CALLED]]
    if late:
        raise pytest.UsageError(
            f"perfsuite: {late[-1]} registers too late: pytest finds it only while it collects tests; move "
            f"{FUNCTION} to the conftest.py beside the ini file, or name its folder on the command line"
        )


def _files(config: pytest.Config) -> Iterator[Path]:
    """The files whose hook registers, in the order in which pytest found them."""
    for implementation in config.hook.pytest_perfsuite_register.get_hookimpls():
        file = getattr(implementation.plugin, "__file__", None)
        if file is None:
            raise RegistrationError(
                f"{implementation.plugin_name} registers from an object, which fresh processes cannot "
                f"import; write {FUNCTION} in a conftest.py or a module"
            )
        yield Path(file)
