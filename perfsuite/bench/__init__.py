"""One run of the suite: what it holds in memory, measures, judges and records. It knows nothing of pytest.

`perfsuite.bench.workbench.Workbench` is its face.
"""
