"""Training objectives of vision-language learning, as pure functions on tensors.

All are computed in float32 at least, whatever comes in, also inside `torch.autocast`, and return a
scalar to be minimised unless they say otherwise. What is not finite comes out as it is, so that a
trainer can leave the step out; wrong shapes and labels raise LearningError.
"""

from vlam_ros.lab.training.objectives.alignment import (
    draw_hard_negatives,
    itm_loss,
    region_word_loss,
    rwm_loss,
)
from vlam_ros.lab.training.objectives.checks import IGNORE
from vlam_ros.lab.training.objectives.contrastive import (
    logit_scale,
    rejection_loss,
    unicl_loss,
)
from vlam_ros.lab.training.objectives.distillation import (
    feature_distillation,
    logit_distillation,
    mask_distillation,
)
from vlam_ros.lab.training.objectives.generative import (
    itg_loss,
    mim_loss,
    mlm_loss,
    patch_pixels,
)
from vlam_ros.lab.training.objectives.masking import mask_patches, mask_tokens

__all__ = [
    "IGNORE",
    "draw_hard_negatives",
    "feature_distillation",
    "itg_loss",
    "itm_loss",
    "logit_distillation",
    "logit_scale",
    "mask_distillation",
    "mask_patches",
    "mask_tokens",
    "mim_loss",
    "mlm_loss",
    "patch_pixels",
    "region_word_loss",
    "rejection_loss",
    "rwm_loss",
    "unicl_loss",
]
