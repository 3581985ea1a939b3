"""README and guide: short enough, complete, with links, names and Python that exist."""

import ast
import configparser
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from documents import DOCUMENTS, GUIDE, ROOT, anchors, blocks, links, prose, spans

from perfsuite.guide import TOPICS, page
from perfsuite.settings import OPTIONS

EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
_FILE = re.compile(r"(?:perfsuite|tests|baselines|\.ci|\.github)/[\w./-]*")


def test_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text()) <= 12_000


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_begins_with_what_one_wants(topic: str) -> None:
    """One question a page, at most 15,000 characters: what you want, how, and why last."""
    text = page(topic)
    assert len(text) <= 15_000
    first, _, rest = text.partition("\n\n")
    assert first.startswith("# ")
    assert "\n" not in first
    assert rest.startswith("You ")
    headings = re.findall(r"^## (.+)$", prose(text), re.MULTILINE)
    assert len(headings) >= 2
    assert headings[-1].startswith("Why")


def test_every_page_is_a_topic_and_in_the_readme() -> None:
    assert {path.stem for path in GUIDE.glob("*.md")} == set(TOPICS)
    assert set(links((ROOT / "README.md").read_text())) >= {f"perfsuite/guide/{topic}.md" for topic in TOPICS}


def test_pages_are_in_the_package() -> None:
    """They lie in the package itself, all of which the wheel takes."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["perfsuite"]}
    for topic in TOPICS:
        assert (resources.files("perfsuite") / "guide" / f"{topic}.md").is_file()


@EACH
def test_links_lead_somewhere(path: Path) -> None:
    """To a file, and to a heading of it. A page of the guide links to pages alone: the wheel has them."""
    for target in links(path.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.is_file(), target
        assert path.parent != GUIDE or file.parent == GUIDE, target
        assert not anchor or anchor in anchors(file.read_text()), target


@EACH
def test_files_that_are_named_exist(path: Path) -> None:
    for code in spans(path.read_text()):
        assert not _FILE.fullmatch(code) or (ROOT / code).exists(), code


def imported(tree: ast.AST) -> dict[str, Any]:
    """What the imports of a block bring."""
    names: dict[str, Any] = {}
    lines = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec("\n".join(lines), names)
    return {name: found for name, found in names.items() if name != "__builtins__"}


@EACH
def test_python_is_of_this_package(path: Path) -> None:
    """Every block compiles, and what it imports and takes of our modules is there."""
    for body in blocks(path.read_text(), "python"):
        tree = ast.parse(body)
        names = imported(tree)
        assert names or "def test_" in body
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id not in names or hasattr(names[node.value.id], node.attr), node.attr


def test_ini_of_the_guide_is_known() -> None:
    for path in DOCUMENTS:
        for body in blocks(path.read_text(), "ini"):
            found = configparser.ConfigParser()
            found.read_string(body)
            assert set(found["pytest"]) <= {option.ini for option in OPTIONS}


def test_table_of_options() -> None:
    """Every option with its metavar and its help, word for word."""
    rows = re.findall(r"^\| `(--perf-[^`]+)` \| (.+?) \| (.+) \|$", page("options"), re.MULTILINE)
    wanted = [(f"{o.flag_name} {o.metavar}".strip(), o.help) for o in OPTIONS]
    assert [(flag, said) for flag, _, said in rows] == wanted
    defaults = {flag.split()[0]: default for flag, default, _ in rows}
    shown = {o.flag_name: f"`{o.default}`" for o in OPTIONS}
    # Of these three the guide says in words what the default means.
    said = {
        "--perf-variant": "the ladder",
        "--perf-strict": "off",
        "--perf-reference-cache": "the user's cache folder",
    }
    assert defaults == shown | said


def rooms(text: str, heading: str) -> list[list[str]]:
    """The names in each row of the table with this heading."""
    rows = text.partition(heading)[2].partition("\n\n")[0].splitlines()[2:]
    return [re.findall(r"`(\w+)`", row) for row in rows]


def test_rooms_are_those_of_the_contract() -> None:
    """README has the floors, the guide each room, both from the top."""
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    # The contract's brackets are of rooms that need not be there.
    floors = [set(re.findall(r"[\w.]+", floor.replace("perfsuite.", ""))) for floor in layers["layers"]]
    readme = rooms((ROOT / "README.md").read_text(), "| floor, from the top | rooms |")
    assert [set(row) for row in readme] == floors
    described = [row[0] for row in rooms(page("extending"), "| room | what is in it |")]
    assert sorted(described) == sorted(set().union(*floors))
    assert [next(i for i, f in enumerate(floors) if name in f) for name in described] == sorted(
        next(i for i, f in enumerate(floors) if name in f) for name in described
    )


def test_messages_name_pages_that_are_there() -> None:
    """Whatever part of the package sends its reader to a page."""
    sends = re.compile(r'(?:perfsuite guide |\bsee\("|_lines\(steps, ")([a-z][a-z-]*)')
    named = {t for path in (ROOT / "perfsuite").rglob("*.py") for t in sends.findall(path.read_text())}
    assert named <= set(TOPICS)
    assert named >= {"verdicts", "pictures", "structure", "doctor", "gpu"}
