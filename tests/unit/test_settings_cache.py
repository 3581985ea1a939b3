"""Where references and artifacts are kept: off, the user's cache, or a folder; below the project's root."""

from pathlib import Path

import pytest

from perfsuite.settings import OPTIONS, Settings, read

ROOT = Path("project")


def settle(
    name: str, command_line: str | None = None, ini_file: str | None = None, root: Path = ROOT
) -> Settings:
    """Read with one option given; pytest gives None for what is not."""
    return read(
        lambda option: command_line if option.name == name else None,
        lambda option: ini_file if option.name == name else None,
        root,
    )


def test_options_are_spelled_as_documented() -> None:
    """On the command line and in the ini file."""
    spelled = {option.flag_name: option.ini for option in OPTIONS}
    assert spelled["--perf-reference-cache"] == "perf_reference_cache"
    assert spelled["--perf-artifacts"] == "perf_artifacts"


@pytest.mark.parametrize(
    ("line", "ini"), [("off", None), (None, "off"), ("off", "auto"), ("off", "some/folder")]
)
def test_no_cache(line: str | None, ini: str | None) -> None:
    """Then every run records its references itself."""
    assert settle("reference-cache", line, ini).reference_cache is None


@pytest.mark.parametrize(("line", "ini"), [(None, None), ("auto", None), (None, "auto"), ("auto", "off")])
def test_cache_of_the_user(
    line: str | None, ini: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system keeps caches, shared by all projects, whatever the root."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    assert settle("reference-cache", line, ini).reference_cache == tmp_path / "perfsuite" / "references"


def test_cache_of_the_user_follows_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, and named after the suite; nothing is made by asking."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = settle("reference-cache").reference_cache
    assert found is not None
    assert found.is_absolute()
    assert "perfsuite" in found.parts
    assert found.name == "references"
    assert not found.exists()


@pytest.mark.parametrize(
    ("option", "field"), [("reference-cache", "reference_cache"), ("artifacts", "artifacts")]
)
def test_folder(option: str, field: str, tmp_path: Path) -> None:
    """Relative below the root, absolute as it is; the command line wins over the ini file."""
    assert getattr(settle(option, "some/folder"), field) == ROOT / "some" / "folder"
    assert getattr(settle(option, None, "some/folder"), field) == ROOT / "some" / "folder"
    assert getattr(settle(option, "here", "there"), field) == ROOT / "here"
    assert getattr(settle(option, str(tmp_path)), field) == tmp_path


def test_artifacts_by_default() -> None:
    """Beside the results, where a CI job collects them."""
    found = settle("artifacts")
    assert found.artifacts == ROOT / ".perfsuite" / "artifacts"
    assert found.artifacts.parent == found.runs.parent


def test_words_of_the_cache_are_folders_elsewhere() -> None:
    """Artifacts cannot be turned off by a word that means something for the cache only."""
    assert settle("artifacts", "off").artifacts == ROOT / "off"
    assert settle("artifacts", "auto").artifacts == ROOT / "auto"
