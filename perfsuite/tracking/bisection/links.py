"""Where the commits between two states of a package can be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

REPOSITORIES = {
    "torch": "https://github.com/pytorch/pytorch",
    "torchao": "https://github.com/pytorch/ao",
    "torchvision": "https://github.com/pytorch/vision",
    "diffusers": "https://github.com/huggingface/diffusers",
    "transformers": "https://github.com/huggingface/transformers",
    "accelerate": "https://github.com/huggingface/accelerate",
    "triton": "https://github.com/triton-lang/triton",
    "pytorch-triton": "https://github.com/triton-lang/triton",
}
_LIKELY = ("repository", "source", "source code", "github", "code", "homepage")


def compare_link(
    package: str,
    versions: tuple[str, str],
    git: tuple[str | None, str | None],
    links: Iterable[str] = (),
) -> str | None:
    """The page that lists the commits between; None where the repository is not known.

    Args:
        package: its name on the index.
        versions: good and bad; their tags stand in where hashes are not known.
        git: hashes.
        links: ``Label, URL`` of the package's metadata.
    """
    repository = REPOSITORIES.get(package) or _of_metadata(links)
    if repository is None:
        return None
    if all(git):
        ends = [commit for commit in git if commit and re.fullmatch("[0-9a-f]{7,40}", commit)]
    else:
        ends = [f"v{version}" for version in versions if re.fullmatch(r"\d+(\.\d+)*((a|b|rc)\d+)?", version)]
    return f"{repository}/compare/{ends[0]}...{ends[1]}" if len(ends) == 2 else repository


def _of_metadata(links: Iterable[str]) -> str | None:
    """The repository on a forge that compares by this address; https alone."""
    labelled = {
        label.strip().lower(): url.strip() for label, _, url in (link.partition(",") for link in links)
    }
    for label in _LIKELY:
        parts = urlsplit(labelled.get(label, ""))
        path = re.fullmatch(r"/([\w.-]+)/([\w.-]+?)(\.git)?/?", parts.path)
        if parts.scheme == "https" and parts.netloc == "github.com" and path:
            return f"https://github.com/{quote(path[1])}/{quote(path[2])}"
    return None
