"""What is stored of latencies: described, compared with other files, and pruned of what nothing uses."""

from perfsuite.inventory.describing import Described, DeviceBaselines, age_days, describe, find, load_all
from perfsuite.inventory.differing import Difference, NothingToCompareError, differences, read_side
from perfsuite.inventory.pruning import Pruned, Rule, prune

__all__ = [
    "Described",
    "DeviceBaselines",
    "Difference",
    "NothingToCompareError",
    "Pruned",
    "Rule",
    "age_days",
    "describe",
    "differences",
    "find",
    "load_all",
    "prune",
    "read_side",
]
