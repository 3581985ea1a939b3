"""Whether the pictures are still right: scores and numbers against float32, budgets, golden pictures."""

from perfsuite.quality.assessing import assess
from perfsuite.quality.errors import QualityError
from perfsuite.quality.metrics import WrongPictureError, broken, flip, psnr, ssim
from perfsuite.quality.pictures import score
from perfsuite.quality.reference import Reference, WrongReferenceError, record_reference
from perfsuite.quality.trace import PromptError

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
