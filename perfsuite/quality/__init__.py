"""Whether the pictures are still right: scores and numbers against float32, budgets, golden pictures."""

from perfsuite.quality.assessing import assess
from perfsuite.quality.generation import PromptError
from perfsuite.quality.metrics import WrongPictureError, broken, flip, psnr, ssim
from perfsuite.quality.pictures import score
from perfsuite.quality.reference import Reference, record_reference
from perfsuite.quality.reference_files import WrongReferenceError
from perfsuite.quality.relative_errors import QualityError

__all__ = [
    "PromptError",
    "QualityError",
    "Reference",
    "WrongPictureError",
    "WrongReferenceError",
    "assess",
    "broken",
    "flip",
    "psnr",
    "record_reference",
    "score",
    "ssim",
]
