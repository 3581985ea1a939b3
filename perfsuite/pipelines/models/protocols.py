"""What a stored line of `protocol` says of the weights, and of the files that techniques loaded."""

from __future__ import annotations

import re

_PROTOCOL = re.compile(
    r"""(?s).* prompt (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""(?: weights (?P<weights>.+?))?(?: loads (?P<loaded>.+ [0-9a-f]{12}))?"""
)


def weights_in(protocol: str) -> str | None:
    """What a line of `protocol` says of the weights: ``shipped``, ``hub``, ``random`` and so on; None for a
    line of another form."""
    found = _PROTOCOL.fullmatch(protocol)
    return None if found is None else found["weights"] or "shipped"


def loaded_in(protocol: str) -> str:
    """What a line of `protocol` says of the files that techniques load; empty where it says nothing."""
    found = _PROTOCOL.fullmatch(protocol)
    return "" if found is None else found["loaded"] or ""


def without_loaded(protocol: str) -> str:
    """A line of `protocol` as it is of all variants of a workload."""
    loaded = loaded_in(protocol)
    return protocol.removesuffix(f" loads {loaded}") if loaded else protocol


def others(protocol: str, stored: str) -> bool:
    """Whether two protocols are of weights from different places."""
    weights, then = weights_in(protocol), weights_in(stored)
    return weights is not None and then is not None and weights != then
