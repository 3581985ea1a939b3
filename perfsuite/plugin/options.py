"""The options: declared, read once, and repeated where a message says how to run again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perfsuite.pipelines import RegistrationError, variants, workloads
from perfsuite.pipelines.promises import ContradictionError
from perfsuite.plugin import hookspecs, nightly, registration
from perfsuite.plugin.stash import BENCH, CLOSING, SETTINGS, TALLY
from perfsuite.plugin.tally import Tally
from perfsuite.settings import OPTIONS, Option, Settings, SettingsError, read
from perfsuite.store import StoreError


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("perfsuite", "performance and quality of image generation")
    for option in OPTIONS:
        if option.flag:
            group.addoption(option.flag_name, action="store_true", default=None, help=option.help)
        else:
            action = "append" if option.several else "store"
            group.addoption(option.flag_name, action=action, metavar=option.metavar, help=option.help)
        # No default: what is there and empty is an error, what is not there is none.
        parser.addini(option.ini, f"{option.help} ({option.flag_name})", default=None)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


def pytest_unconfigure(config: pytest.Config) -> None:
    bench = config.stash.get(BENCH, None)
    if bench is not None:
        bench.ledger.close()
    registration.forget(config)


def pytest_configure(config: pytest.Config) -> None:
    def given(option: Option) -> Any:
        return config.getoption(option.flag_name.lstrip("-").replace("-", "_"))

    def from_ini(option: Option) -> Any:
        return config.getini(option.ini)

    try:
        registration.register(config)
        settings = read(given, from_ini, config.rootpath)
        nightly.check(settings.history)
        for name in settings.workloads:
            workloads.get(name)
        for name in settings.variants:
            variants.get(name)
    except (
        RegistrationError, SettingsError, workloads.SizeError, variants.UnknownNameError, ContradictionError,
        StoreError,
    ) as error:  # fmt: skip
        raise pytest.UsageError(f"perfsuite: {error}") from error
    config.stash[SETTINGS] = _of_worker(settings, config)
    config.stash[TALLY], config.stash[CLOSING] = Tally(), []
    config.pluginmanager.register(config.stash[TALLY], "perfsuite.tally")
    config.addinivalue_line(
        "markers",
        "structure(gate): deterministic gates of what a pipeline does; "
        "a gate that is named is not collected for variants of which it has nothing to say",
    )
    config.addinivalue_line(
        "markers", "compiled: looks into compiled code, so it is not collected for variants without any"
    )
    config.addinivalue_line(
        "markers",
        "task: draws captions with and without a variant's techniques, so it is not collected for "
        "variants in which all are exact",
    )
    # A session that fails or is interrupted before its timed rounds leaves `benchmark` unused. That is
    # no second error; raised at the end of an interrupted run it would even break pytest.
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used at all")


def _of_worker(settings: Settings, config: pytest.Config) -> Settings:
    """In a worker of pytest-xdist, a results file of its own: each has a part of the run."""
    worker = getattr(config, "workerinput", {}).get("workerid")
    if worker is None or settings.results is None:
        return settings
    path = settings.results
    return replace(settings, results=path.with_name(f"{path.stem}-{worker}{path.suffix}"))


def repeated(config: pytest.Config) -> list[str]:
    """Options of this command line without which a repeat would measure, or store, something else."""
    given = {name: config.getoption(f"perf_{name}") for name in ("device", "weights", "baselines")}
    return [f"--perf-{name}={value}" for name, value in given.items() if value is not None]
