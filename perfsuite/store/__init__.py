"""Baselines and results on disk: validated when read, replaced in one step, locked, versioned.

Importing this costs nothing: pydantic and filelock are imported by the functions that need them.
"""

from perfsuite.store.baselines import MAX_SESSIONS, BaselineFile, Baselines, Change, Mode, parse_baselines
from perfsuite.store.counts import CountsEntry, CountsStore
from perfsuite.store.errors import StoreError
from perfsuite.store.results import ResultsWriter, merge_results, read_results
from perfsuite.store.runs import LAST, Runs, one_file, results_files, the_last
from perfsuite.store.shape import SHAPE_FILE, ShapeBound, load_shape
from perfsuite.store.sides import Evidence, Side, read_side
from perfsuite.store.thresholds import (
    PromptThreshold,
    Thresholds,
    load_thresholds,
    thresholds_path,
    write_thresholds,
)

__all__ = [
    "LAST",
    "MAX_SESSIONS",
    "SHAPE_FILE",
    "BaselineFile",
    "Baselines",
    "Change",
    "CountsEntry",
    "CountsStore",
    "Evidence",
    "Mode",
    "PromptThreshold",
    "ResultsWriter",
    "Runs",
    "ShapeBound",
    "Side",
    "StoreError",
    "Thresholds",
    "load_shape",
    "load_thresholds",
    "merge_results",
    "one_file",
    "parse_baselines",
    "read_results",
    "read_side",
    "results_files",
    "the_last",
    "thresholds_path",
    "write_thresholds",
]
