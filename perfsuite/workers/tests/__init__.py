"""The suite's gates as tests that are installed with it, for pytest's ``--pyargs``: no checkout is needed.

Whoever runs a fresh pytest names them by these modules, which every interpreter finds for itself.
"""

LATENCY = f"{__name__}.test_latency"
MEMORY = f"{__name__}.test_memory"
START = f"{__name__}.test_start"
STRUCTURE = f"{__name__}.test_structure"
COUNTS = f"{__name__}.test_counts"
QUALITY = f"{__name__}.test_quality"
