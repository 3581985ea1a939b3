"""What is stored of latencies: described, compared with other files, and pruned of what nothing uses."""

from perfsuite.store.inventory.checking import Oddity, check
from perfsuite.store.inventory.describing import (
    Described,
    DeviceBaselines,
    age_days,
    describe,
    find,
    load_all,
)
from perfsuite.store.inventory.differing import (
    Difference,
    NothingToCompareError,
    Outcome,
    differences,
    outcome,
    read_side,
)
from perfsuite.store.inventory.pruning import Pruned, Rule, prune

__all__ = [
    "Described",
    "DeviceBaselines",
    "Difference",
    "NothingToCompareError",
    "Oddity",
    "Outcome",
    "Pruned",
    "Rule",
    "age_days",
    "check",
    "describe",
    "differences",
    "find",
    "load_all",
    "outcome",
    "prune",
    "read_side",
]
