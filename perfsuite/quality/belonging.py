"""Whether a pipeline is of the model, the weights and the workload that a reference was recorded with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import models, prepared_of, variants
from perfsuite.pipelines.families import family_of
from perfsuite.quality.reference import base_of, structure_of
from perfsuite.quality.reference_files import WrongReferenceError

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.reference import Reference
    from perfsuite.records import Workload


def check_belongs(
    pipe: Any, reference: Reference, workload: Workload | None, variant: Variant = variants.REFERENCE
) -> None:
    """Raise `WrongReferenceError` if the pipeline is of another architecture or workload, or if the variant
    is compared with another run than what was recorded."""
    if base_of(variant) != reference.base:
        raise WrongReferenceError(
            f"{variant.name} is compared with {base_of(variant).name}, the reference is a run of "
            f"{reference.base.name}; record it with base=variants.twin_of({variant.name!r})"
        )
    if workload is not None:
        ours = asdict(reference.workload)
        for name, value in asdict(variant.drawn(workload)).items():
            if name != "name" and value != ours[name]:
                raise WrongReferenceError(
                    f"the pipeline was built for {name} {value!r}, the reference recorded with "
                    f"{ours[name]!r}; record the reference of this workload"
                )
    prepared = prepared_of(pipe)
    if prepared is not None and prepared.weights != reference.weights:
        digests = {models.digest(reference.workload, w) for w in (reference.weights, prepared.weights)}
        if len(digests) > 1:
            raise WrongReferenceError(
                f"the pipeline's weights are those of {prepared.weights!r}, the reference's those of "
                f"{reference.weights!r}; record the reference of the same weights"
            )
    family = family_of(pipe)
    missing = [name for name in family.components if getattr(pipe, name, None) is None]
    if missing:
        raise WrongReferenceError(f"the pipeline has no {', '.join(missing)}; give a whole {family.pipeline}")
    found = structure_of(pipe)
    for component, wanted in reference.structure.items():
        for name, value in wanted.items():
            other = found.get(component, {}).get(name)
            if other != value:
                raise WrongReferenceError(
                    f"the pipeline is of another architecture: {component}.config.{name} is {other!r}, "
                    f"in the reference {value!r}; record a reference of this model"
                )
