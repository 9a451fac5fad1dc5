"""Adapters: small files that change what a CLIPSeg finds, put on the base they were trained on.

Tuning is in `vlam_ros.lab.training`; this is what a robot needs of it.
"""

from vlam_ros.perception.clipseg.adapters.attach import Adaptation, attach
from vlam_ros.perception.clipseg.adapters.file import (
    FILE_NAME,
    AdapterFile,
    fill,
    load_adapter,
    read_adapter,
    require_base,
    save_adapter,
)
from vlam_ros.perception.clipseg.adapters.methods import (
    METHODS,
    Adapter,
    BitFit,
    FullFineTuning,
    LoRA,
    Method,
    PrefixTuning,
    PromptTuning,
    method_named,
)

__all__ = [
    "FILE_NAME",
    "METHODS",
    "Adaptation",
    "Adapter",
    "AdapterFile",
    "BitFit",
    "FullFineTuning",
    "LoRA",
    "Method",
    "PrefixTuning",
    "PromptTuning",
    "attach",
    "fill",
    "load_adapter",
    "method_named",
    "read_adapter",
    "require_base",
    "save_adapter",
]
