"""Fresh processes that measure: started, or forked from a server that has torch imported.

A session is a fresh process. `Server` makes them cheap, in any Python environment; `Worker` takes
commands. POSIX only.
"""

from perfsuite.workers.client import Server, Worker, WorkerError
from perfsuite.workers.sessions import measure_session

__all__ = ["Server", "Worker", "WorkerError", "measure_session"]
