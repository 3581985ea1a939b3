"""The models that the workloads run, and where their weights come from."""

from perfsuite.pipelines.models.checks import WeightsError
from perfsuite.pipelines.models.origins import SOURCES, family, known, source_of
from perfsuite.pipelines.models.protocols import loaded_in, others, weights_in, without_loaded
from perfsuite.pipelines.models.sources import (
    blind,
    digest,
    load,
    protocol,
    reference_folder,
    resolve,
)

__all__ = [
    "SOURCES",
    "WeightsError",
    "blind",
    "digest",
    "family",
    "known",
    "load",
    "loaded_in",
    "others",
    "protocol",
    "reference_folder",
    "resolve",
    "source_of",
    "weights_in",
    "without_loaded",
]
