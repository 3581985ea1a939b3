"""What others register: usable by name, and refused with who, where and what to do."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from perfsuite.pipelines import (
    Optimization,
    Parameter,
    RegistrationError,
    Registry,
    catalogue,
    models,
    optimizations,
    registering,
    variants,
    workloads,
)
from perfsuite.pipelines.registry import REGISTRY

HERE = Path(__file__).name
TRICK = Optimization("trick", "a trick", lambda pipe, context: None, lambda pipe, context: "done", phase=2)
OURS = replace(workloads.SHAPES, name="ours", prompts=("a red fox", "a blue hat"))


@pytest.fixture(autouse=True)
def registry():
    """The process's own, without what is installed here, and as it was before once the test is over."""
    REGISTRY.load()
    before = REGISTRY.take()
    REGISTRY.put(({}, [], [], []))
    models.resolve.cache_clear()
    yield REGISTRY
    REGISTRY.put(before)
    models.resolve.cache_clear()


@pytest.fixture
def installed(monkeypatch, tmp_path, registry):
    """Install packages, each a module of one function `register`; they load with the first name."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(**packages):
        for name, body in packages.items():
            (tmp_path / f"{name}.py").write_text(body)
            monkeypatch.delitem(sys.modules, name, raising=False)
        points = [EntryPoint(name, f"{name}:register", "perfsuite") for name in packages]
        monkeypatch.setattr(registering, "entry_points", lambda group: points)
        monkeypatch.setattr(registry, "_installed", False)

    yield install
    for name in ("one", "two", "broken", "trickery"):
        sys.modules.pop(name, None)


PACKAGE = """
from perfsuite.pipelines import Optimization
def register(registry):
    registry.optimization(Optimization("trick", "{0}", print, print, phase=2))
"""


def test_a_technique_goes_into_any_sum(registry):
    """Behind the suite's own in the name, and by its phase in the order of application."""
    registry.optimization(TRICK)
    made = variants.get("trick+bf16+sdpa+compile")
    assert made.name == "bf16-sdpa-compile-trick"
    assert [o.name for o in made.optimizations] == ["bf16", "sdpa", "trick", "compile"]


def test_names_do_not_depend_on_who_came_first(registry):
    """Two packages are loaded in any order: baselines keep their names."""
    registry.optimization(replace(TRICK, name="zeta"))
    registry.optimization(replace(TRICK, name="my-own-alpha"))
    assert variants.get("bf16+zeta+my-own-alpha").name == "bf16-my-own-alpha-zeta"
    assert variants.get("bf16-my-own-alpha-zeta") == variants.get("bf16+zeta+my-own-alpha")


def test_a_variant_has_one_name(registry):
    """The sum of a registered variant is that variant: one baseline, not two."""
    registry.optimization(TRICK)
    registry.variant("fast", "bf16+sdpa+trick")
    assert variants.get("fast").name == variants.get("sdpa+bf16+trick").name == "fast"
    assert "fast" in variants.known()
    assert variants.get("bf16+sdpa").name == "bf16-sdpa"


def test_a_workload_also_at_another_size(registry):
    """As the suite's own."""
    registry.workload(OURS)
    assert workloads.get("ours") == OURS
    assert workloads.get("ours@64x64").name == "ours@64x64"


def test_the_same_thing_again_is_no_clash(registry):
    """A package may be plugin and entry point."""
    registry.optimization(TRICK)
    registry.optimization(TRICK)
    catalogue.check()
    assert list(catalogue.registered()) == ["optimization trick"]


def optimization(**changed):
    return lambda registry: registry.optimization(replace(TRICK, **changed))


def workload(**changed):
    return lambda registry: registry.workload(replace(OURS, **changed))


def model(*given):
    return lambda registry: registry.model(*given)


def variant(*pairs):
    return lambda registry: [registry.variant(name, of) for name, of in pairs]


def twice(registry):
    registry.optimization(TRICK)
    registry.optimization(replace(TRICK, summary="another"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (optimization(verify=None), "'trick', registered at .* has no verify; give a function"),
        (optimization(apply=None), "has no apply; give"),
        (optimization(loads=(Path("a"),)), "has no loads; give a function of the model's name"),
        (optimization(phase=0), "has phase 0, which is the precisions' own; give 1 or more"),
        (optimization(name="A trick"), "a name is made of small letters"),
        (optimization(requires="sdpa"), "has a text in requires; give a tuple"),
        (optimization(requires=("spda",)), "requires names 'spda', which is no optimization"),
        (
            optimization(name="compile-qkv"),
            "the name spells other optimizations, as a sum does; choose another",
        ),
        (optimization(parameter=3), "parameter is 3; give a Parameter, as in"),
        (
            optimization(parameter=Parameter("interval", 1, 2, 9)),
            "trick:1: '1' is no interval; give a whole number from 2 to 9",
        ),
        (optimization(name="sdpa"), "'sdpa', .*: the suite has one of that name; choose another"),
        (twice, rf"'trick' is registered twice: at .*{HERE}:\d+, and at .*{HERE}:\d+; rename"),
        (variant(("fast", "bf16+sdpa")), "bf16.sdpa is bf16-sdpa already; use that name"),
        (variant(("a", "bf16+channels-last"), ("b", "channels-last+bf16")), "is a already, .*; use one name"),
        (variant(("bf16-qkv", "bf16+channels-last")), "the name spells other optimizations"),
        (variant(("fast", "bf16+tirck")), "'fast', registered at .*: unknown optimization 'tirck'"),
        (variant(("fast", "sdpa")), "name exactly one precision"),
        (workload(prompts=()), "'ours', registered at .*: it has no prompts; give at least one"),
        (workload(prompts="a fox"), "prompts is one text; give a tuple"),
        (workload(prompts=("a", " ")), r"prompts\[1\] is ' '; give a text"),
        (workload(prompts=("a", "a")), "a prompt is named twice"),
        (workload(steps=0), "steps is 0; give a whole number from 1 to 1000"),
        (workload(width=100), "width is 100; give a multiple of 8"),
        (workload(guidance=float("nan")), "guidance is nan"),
        (
            workload(model="theirs"),
            "no model 'theirs'; known: shapes, shapes-ssd, .*; add it with registry.model",
        ),
        (
            model("ours", Path("weights")),
            r"relative path 'weights'; give Path\(__file__\).parent / 'weights'",
        ),
        (model("ours", print), "is a function without an identity; give a text"),
        (model("ours", "weights"), "is no path and no function"),
        (model("ours", Path("/w"), "v1"), "is a path and has an identity"),
    ],
)
def test_what_cannot_be_used_is_refused(registry, wrong, said):
    """At once, or where all that was registered is looked at."""

    def both():
        wrong(registry)
        catalogue.check()

    with pytest.raises(RegistrationError, match=said):
        both()


def test_a_refused_name_is_no_name(registry):
    """Asking for anything says what is wrong with the registration, not that a name is unknown."""
    registry.workload(replace(OURS, prompts=()))
    with pytest.raises(RegistrationError, match="no prompts"):
        workloads.get("shapes")
    assert "ours" not in workloads.known()


def test_a_package_registers(installed):
    """Loaded when the first name is looked up; its entry point is named."""
    installed(trickery=PACKAGE.format("one"))
    assert optimizations.known()["trick"].summary == "one"
    who = catalogue.registered()["optimization trick"]
    assert "(entry point trickery = trickery:register) at " in who


WITHOUT_VERIFY = """
from perfsuite.pipelines import Optimization
def register(registry):
    Optimization(name='a', summary='b', apply=print)
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import not_there", "cannot be imported: ModuleNotFoundError: No module named 'not_there'; correct"),
        (
            "def register(registry):\n    1 / 0",
            "broken.py:2 with ZeroDivisionError: division by zero; correct",
        ),
        ("register = 3", "is no function; name one that takes a perfsuite.pipelines.Registry"),
        (WITHOUT_VERIFY, "broken.py:4 with TypeError: .*'verify'"),
    ],
)
def test_a_broken_package_is_named(installed, body, said):
    """The others stay; whoever asks for a name learns of it."""
    installed(broken=body, trickery=PACKAGE.format("one"))
    assert {"trick", "sdpa"} <= set(optimizations.known())
    (problem,) = catalogue.problems()
    assert "entry point broken = broken:register" in problem
    with pytest.raises(RegistrationError, match=said):
        variants.get("bf16")


def test_half_a_registration_is_none(installed):
    """What a function registered before it failed is taken back."""
    installed(broken=PACKAGE.format("one") + "    raise OSError('no')")
    assert "trick" not in optimizations.known()


def test_two_packages_with_one_name(installed):
    """Both are named."""
    installed(one=PACKAGE.format("one"), two=PACKAGE.format("two"))
    with pytest.raises(RegistrationError, match=r"twice: by .*one.py:4, and by .*two.py:4; rename"):
        variants.get("bf16")


REGISTERS = "def pytest_perfsuite_register(registry):\n    registry.variant('fast', 'bf16+channels-last')\n"


def test_files_are_handed_on(registry, tmp_path, monkeypatch):
    """A fresh process asks the same files, and finds what they import; another interpreter finds its own."""
    file = tmp_path / "conftest.py"
    file.write_text(REGISTERS)
    registry.add_file(file)
    given = registering.handed_on(registry.files, sys.executable)
    assert "fast" in variants.known()
    assert registry.files == (file,)

    registry.put(({}, [], [], []))
    assert "fast" not in variants.known()
    monkeypatch.setattr(registry, "_installed", False)
    monkeypatch.setattr(registering, "entry_points", lambda group: [])
    monkeypatch.setenv(*given.popitem())
    monkeypatch.setattr(sys, "path", sys.path[:1])
    assert "fast" in variants.known()
    assert len(sys.path) > 1
    assert '"path": []' in registering.handed_on(registry.files, "/usr/bin/other")[registering.HANDED_ON]


def test_a_file_in_a_package_imports_its_neighbours(registry, tmp_path, monkeypatch):
    """As pytest does: by the folder that holds the package."""
    package = tmp_path / "speed_tests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "names.py").write_text("NAME = 'quick'")
    imports = "from .names import NAME\n"
    (package / "conftest.py").write_text(imports + REGISTERS.replace("'fast'", "NAME"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    registry.add_file(package / "conftest.py")
    assert "quick" in variants.known()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not there; name a Python file"),
        ("", "has no function pytest_perfsuite_register"),
        ("import not_there", "registering failed at .*conftest.py:1 with ModuleNotFoundError"),
    ],
)
def test_a_file_that_does_not_register_is_named(registry, tmp_path, content, said):
    """Whoever asks for a name learns which file it was."""
    file = tmp_path / "conftest.py"
    if content is not None:
        file.write_text(content)
    registry.add_file(file)
    with pytest.raises(RegistrationError, match=said):
        variants.get("bf16")


def test_the_identity_of_a_function_is_in_the_protocol(registry, tmp_path):
    """The text, or the content of the files that it names."""
    (tmp_path / "a.bin").write_bytes(b"one")
    registry.model("by-text", print, identity="v1")
    registry.model("by-files", print, identity=tmp_path)
    assert models.protocol(replace(OURS, model="by-text")).endswith(" weights function v1")
    assert models.digest(replace(OURS, model="by-text")) == "by-text v1"

    before = models.protocol(replace(OURS, model="by-files"))
    models.resolve.cache_clear()
    models.identity.of_files.cache_clear()
    (tmp_path / "a.bin").write_bytes(b"two")
    assert models.protocol(replace(OURS, model="by-files")) != before


def test_a_registered_place_is_its_weights(registry, tmp_path):
    """Taken where nothing else is asked for, and part of the protocol; an empty one is named."""
    registry.model("copy", models.SOURCES["shapes"].local)
    taken = models.resolve("copy")
    assert (taken.kind, taken.spec) == ("folder", "auto")
    assert " weights folder " in models.protocol(replace(OURS, model="copy"))
    registry.model("gone", tmp_path)
    with pytest.raises(
        models.WeightsError, match=rf"'gone', registered at .*{HERE}.*: no model_index.json in"
    ):
        models.resolve("gone")


def test_weights_that_cannot_be(registry, tmp_path):
    """A function takes its own; its files must be there; a model must be known."""
    registry.model("made", print, identity="v1")
    registry.model("lost", print, identity=tmp_path / "none")
    with pytest.raises(
        models.WeightsError, match=r"--perf-weights=random: model 'made', .* leave it at auto"
    ):
        models.resolve("made", "random")
    with pytest.raises(models.WeightsError, match=r"'lost', .*: its identity .* is not there"):
        models.resolve("lost")
    with pytest.raises(
        models.WeightsError, match=r"no model 'nothing'; known: shapes, shapes-ssd, .*, lost, made"
    ):
        models.resolve("nothing")


def test_a_registry_of_ones_own():
    """The class is public: a package tests its function without the suite."""
    mine = Registry()
    mine.optimization(TRICK)
    assert [(r.kind, r.name) for r in mine.registered()] == [("optimization", "trick")]
