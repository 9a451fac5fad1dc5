"""How long a learned policy takes to write a decision, beside what perception takes."""

from __future__ import annotations

import time

import numpy as np

from vlam_ros.configuration import Settings
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.task_runs import policy_settings
from vlam_ros.lab.simulation.scene import scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.language import parse_instruction
from vlam_ros.perception import perceived
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import Observation, Progress, Task

P50, P95 = 80.0, 120.0
"""Gates, in ms on two cores."""


def policy_rows(policy: str, scenes: int) -> list[Metric]:
    """Percentiles (ms) of decisions about the first object of test scenes, from what perception
    found on.

    Args:
        policy: its kind, or the folder of a transformer.
        scenes: that are decided on, after one that warms up.
    """
    pipeline = Pipeline.from_settings(Settings.load(**policy_settings(policy)))
    took = []
    with World() as world:
        for index in range(1 + scenes):
            spec = scene_of_seed("test", index)
            world.load(spec)
            image = world.render().image
            instruction = parse_instruction(f"go to the {spec.objects[0].phrase}", pipeline.lexicon)
            looking = Observation(index, index, image, world.camera)
            phrases = [spec.objects[0].phrase]
            calibration = pipeline.grounder.calibration
            scene = perceived(pipeline.perceiver, calibration, looking, phrases)
            begin = time.perf_counter()
            pipeline.policy.infer(looking, Task(instruction, "go_to", 1.0), scene, Progress())
            took.append(1e3 * (time.perf_counter() - begin))
    return [
        Metric(f"{policy}: a decision, {name} (ms)", value, scenes, gate, at_most=True)
        for name, value, gate in (
            ("p50", float(np.percentile(took[1:], 50)), P50),
            ("p95", float(np.percentile(took[1:], 95)), P95),
        )
    ]
