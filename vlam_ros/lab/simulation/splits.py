"""Which scenes a model learns from, is tuned on and is tested on: ranges of seeds."""

from __future__ import annotations

import numpy as np

from vlam_ros.lab.simulation.scene import SceneSpec, random_scene

SPLIT_SEEDS = {
    "train": 0,
    "validation": 10_000_000,
    "test": 40_000_000,
    "composition": 50_000_000,
}
"""First seed of each split; "composition" is a test on colour-shape pairs never trained.

Test scenes that were looked at before a decision are given up, and others take their place.
"""


def scene_of_seed(split: str, index: int) -> SceneSpec:
    """The scene with this index in a split."""
    rng = np.random.default_rng(SPLIT_SEEDS[split] + index)
    return random_scene(rng, held_out=split == "composition")
