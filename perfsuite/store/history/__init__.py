"""The history of nights: runs, series of figures, and what became of their changes, in a database.

SQLite in a file, or PostgreSQL. Importing this imports SQLAlchemy, so commands and hooks do so where they
need it.
"""

from perfsuite.store.history.adding import Added
from perfsuite.store.history.address import shown
from perfsuite.store.history.connecting import check_address
from perfsuite.store.history.history import History
from perfsuite.store.history.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Added", "History", "check_address", "shown"]
