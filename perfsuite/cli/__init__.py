"""The command line, one module a subject: ``list``, ``calibrate``, ``faults``, ``evaluate`` and so on.

Importing a module here registers its subcommands, in this order.
"""

# ruff: noqa: I001 -- the order of the help text
from perfsuite.cli.app import app, main
from perfsuite.cli import listing, calibrating, planting, evaluating, comparing
from perfsuite.cli import exporting

__all__ = ["app", "calibrating", "comparing", "evaluating", "exporting", "listing", "main", "planting"]
