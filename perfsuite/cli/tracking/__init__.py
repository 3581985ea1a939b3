"""``perfsuite track``: figures from night to night, one module a subject.

Importing a module here registers its subcommands, in this order.
"""

from perfsuite.cli.tracking import adding, confirming
from perfsuite.cli.tracking.app import track

__all__ = ["adding", "confirming", "track"]
