"""The command with plugins: known where they are named, and harmless where they are broken."""

import json

import pytest
from typer.testing import CliRunner

from perfsuite.cli import app
from perfsuite.pipelines.registry import REGISTRY

HOOK = "def pytest_perfsuite_register(registry):\n    {0}\n"


@pytest.fixture
def plugin(tmp_path):
    """A file that registers."""

    def write(body):
        path = tmp_path / "conftest.py"
        path.write_text(HOOK.format(body))
        return str(path)

    REGISTRY.load()
    before = REGISTRY.take()
    yield write
    REGISTRY.put(before)


def test_a_plugin_is_known(plugin):
    """To the command that it is named to."""
    file = plugin("registry.variant('ours', 'bf16+channels-last')")
    done = CliRunner().invoke(app, ["--plugin", file, "list", "variants", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["beside"]["ours"] == ["bf16", "no-sdpa", "channels-last"]


def test_the_environment_names_one_too(plugin):
    """For the shell's completion, and for a project's scripts."""
    file = plugin("registry.variant('ours', 'bf16+channels-last')")
    done = CliRunner(env={"PERFSUITE_PLUGIN": file}).invoke(app, ["list", "registered"])
    assert "variant ours" in done.stdout


def test_a_broken_plugin_is_named_by_the_list(plugin):
    """What there is is listed, then what is wrong; exit code 2."""
    done = CliRunner().invoke(app, ["--plugin", plugin("1 / 0"), "list", "variants"])
    assert done.exit_code == 2
    assert "bf16-sdpa" in done.stdout
    assert "conftest.py:2 with ZeroDivisionError" in done.stderr


def test_a_broken_plugin_is_no_traceback(plugin):
    """Other commands say it in one line; the help does not even ask."""
    file = plugin("1 / 0")
    done = CliRunner().invoke(
        app, ["--plugin", file, "ab", "--base", "x", "--head", "y", "--variant", "bf16"]
    )
    assert done.exit_code == 3
    assert done.stderr.startswith("perfsuite: registering failed at ")
    assert CliRunner().invoke(app, ["--plugin", file, "--help"]).exit_code == 0
