"""Whether the pictures are still right: scores against float32, thresholds, golden pictures."""

from perfsuite.quality.metrics import WrongPictureError, broken, psnr, ssim
from perfsuite.quality.pictures import Reference, assess, record_reference, score

__all__ = [
    "Reference",
    "WrongPictureError",
    "assess",
    "broken",
    "psnr",
    "record_reference",
    "score",
    "ssim",
]
