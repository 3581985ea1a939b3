"""What every page is made with: templates that escape, and the policy that keeps everything else out."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_UNIT = re.compile(r"(\d) (%|ms|s|MiB|GiB|sessions?|variants?)(?!\w)")


@cache
def environment(*folders: Path) -> Environment:
    """The templates of these folders, and those that all pages share."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["together"] = _together
    return found


def frame(style: str, script: str) -> dict[str, str]:
    """What `base.html.j2` wants: the style behind that of all pages, the script, and the policy."""
    style = (TEMPLATES / "base.css").read_text(encoding="utf-8") + style
    return {"style": style, "script": script, "policy": policy(script, style)}


def policy(script: str, style: str) -> str:
    """The Content-Security-Policy: nothing but this script, this style, and pictures inside the page."""
    return (
        f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _together(text: str) -> str:
    """A figure stays with its unit at the end of a line."""
    return _UNIT.sub("\\1\N{NO-BREAK SPACE}\\2", text)
