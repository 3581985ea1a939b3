"""What the hub would give, asked beside the other checks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from perfsuite.pipelines import models
from perfsuite.pipelines.models import WeightsError
from perfsuite.pipelines.models.sources import PROBE_S

if TYPE_CHECKING:
    from perfsuite.pipelines.models.sources import Weights

FIRST = "sdxl-base"
PATIENCE_S = PROBE_S + 3.0
"""Beyond the hub's own limit, for names that are slow to resolve."""


class HubProbe:
    """Asks the hub what ``auto`` would take, beside the other checks: it may take seconds to answer."""

    def __init__(self, model: str) -> None:
        """Of the first of the hub's models, and of `model`; each answer may take seconds."""
        self.models = tuple(dict.fromkeys((FIRST, *([model] if models.source_of(model).hub else []))))
        # Here, not in the thread: two imports at a time wait for each other.
        from huggingface_hub import get_hf_file_metadata  # noqa: F401

        self._answers: dict[str, Weights | WeightsError] = {}
        # A daemon: a name that does not resolve must not hold up the end of the program.
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def begin(self) -> None:
        """Start asking; once."""
        self._thread.start()

    def _ask(self) -> None:
        for model in self.models:
            try:
                self._answers[model] = models.resolve(model, "auto")
            except WeightsError as error:
                self._answers[model] = error

    def answer(self, model: str) -> Weights | None:
        """What ``auto`` takes for the model; None if there was no answer in time.

        Raises:
            WeightsError: what `perfsuite.pipelines.models.resolve` raised.
        """
        self._thread.join(PATIENCE_S)
        found = self._answers.get(model)
        if isinstance(found, WeightsError):
            raise found
        return found
