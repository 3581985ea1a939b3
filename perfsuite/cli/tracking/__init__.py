"""``perfsuite track``: figures from night to night, one module a subject.

Importing a module here registers its subcommands, in this order.
"""

# ruff: noqa: I001 -- the order of the help text
from perfsuite.cli.tracking.app import track
from perfsuite.cli.tracking import adding, looking, confirming, reporting

__all__ = ["adding", "confirming", "looking", "reporting", "track"]
