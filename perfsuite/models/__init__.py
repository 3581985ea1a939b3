"""The models that the workloads run, and where their weights come from."""

from perfsuite.models.sources import SOURCES, WeightsError, digest, load

__all__ = ["SOURCES", "WeightsError", "digest", "load"]
