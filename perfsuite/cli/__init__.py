"""The command line, one module a subject: ``list``, ``doctor``, ``calibrate``, ``evaluate`` and so on.

Importing a module here registers its subcommands, in this order.
"""

# ruff: noqa: I001 -- the order of the help text
from perfsuite.cli.app import app, main
from perfsuite.cli import (
    listing,
    diagnosing,
    baselining,
    calibrating,
    planting,
    evaluating,
    ab as comparing,
)
from perfsuite.cli import (
    planning,
    running,
    joining,
    trying,
    explaining,
    reporting,
    exporting,
    tracking,
    bisecting,
    guiding,
)

__all__ = [
    "app",
    "baselining",
    "bisecting",
    "calibrating",
    "comparing",
    "diagnosing",
    "evaluating",
    "explaining",
    "exporting",
    "guiding",
    "joining",
    "listing",
    "main",
    "planning",
    "planting",
    "reporting",
    "running",
    "tracking",
    "trying",
]
