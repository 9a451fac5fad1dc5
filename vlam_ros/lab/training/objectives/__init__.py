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
from vlam_ros.lab.training.objectives.combined import (
    Cosine,
    Linear,
    Schedule,
    Stepwise,
    combined_loss,
)
from vlam_ros.lab.training.objectives.contrastive import (
    clip_loss,
    image_to_text_losses,
    info_nce,
    logit_scale,
    rejection_loss,
    same_label,
    symmetric_unicl_loss,
    text_to_image_losses,
    unicl_loss,
)
from vlam_ros.lab.training.objectives.distillation import (
    feature_distillation,
    logit_distillation,
    mask_distillation,
)
from vlam_ros.lab.training.objectives.generative import (
    itg_loss,
    mcm_loss,
    mim_loss,
    mlm_loss,
    patch_pixels,
)
from vlam_ros.lab.training.objectives.masking import mask_patches, mask_tokens
from vlam_ros.lab.training.objectives.physics import (
    curvature_excess,
    unicycle_residual,
    waypoint_losses,
)

__all__ = [
    "IGNORE",
    "Cosine",
    "Linear",
    "Schedule",
    "Stepwise",
    "clip_loss",
    "combined_loss",
    "curvature_excess",
    "draw_hard_negatives",
    "feature_distillation",
    "image_to_text_losses",
    "info_nce",
    "itg_loss",
    "itm_loss",
    "logit_distillation",
    "logit_scale",
    "mask_distillation",
    "mask_patches",
    "mask_tokens",
    "mcm_loss",
    "mim_loss",
    "mlm_loss",
    "patch_pixels",
    "region_word_loss",
    "rejection_loss",
    "rwm_loss",
    "same_label",
    "symmetric_unicl_loss",
    "text_to_image_losses",
    "unicl_loss",
    "unicycle_residual",
    "waypoint_losses",
]
