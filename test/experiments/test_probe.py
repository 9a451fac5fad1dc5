"""A linear probe names what is linearly there, and nothing else."""

from __future__ import annotations

import numpy as np
import probe as module
import pytest

from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES

SHAPES = len(EXTRA_SHAPES)


@pytest.mark.parametrize(("told_apart", "least", "most"), [(True, 0.99, 1.0), (False, 0.0, 0.35)])
def test_a_probe_names_what_the_states_tell_apart(
    told_apart: bool, least: float, most: float
) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(SHAPES), 60)
    centres = rng.normal(0, 1, (SHAPES, 40)) * told_apart
    states = (centres[labels] + rng.normal(0, 0.3, (len(labels), 40))).astype(np.float32)
    learned = np.arange(len(labels)) % 6 == 0
    assert least <= module._right(states, labels, learned, module.RIDGE) <= most


def test_the_tower_is_probed_with_crops_of_every_new_shape() -> None:
    shown = list(module.crops("validation", 2))
    assert sorted(shape for _, shape in shown) == sorted([*range(SHAPES)] * 2)
    assert all(crop.shape[0] == crop.shape[1] for crop, _ in shown)
    assert 0.1 < module.probe("embedded", "validation", each=2) < 1
