"""How well objects of simulated scenes are placed, with which sensors.

Masks are the simulator's own, at the resolution of the model's: what is measured is the way from a
mask to a position, not the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.evaluation.drive import SensedDrive, feed
from vlam_ros.lab.evaluation.grounding import MIN_PIXELS
from vlam_ros.lab.simulation.motion import BasePose, Drive, Motion, Standing
from vlam_ros.lab.simulation.scene import SceneSpec, scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.scenes import resample
from vlam_ros.perception import locate
from vlam_ros.types import (
    Attitude,
    BoolArray,
    Camera,
    DepthImage,
    FloorPlane,
    Missing,
    PositionSource,
)

MASK_SIZE = (160, 160)
NEAR, FAR = 0.5, 3.0
"""Metres from the robot within which objects count."""
SLOPE = math.radians(5)
DRIVEN = 3.0
"""Seconds from the start of a drive to the image: it turns and leans by then."""
UNDER_WAY = 0.04
"""Seconds from the start of the image's sweep to the image."""


@dataclass(frozen=True)
class Sight:
    """An object in an image: its mask, and where its centre really is in `base_link`."""

    mask: BoolArray
    truth: npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """An image's camera, what fusion knows of it, and the objects in it."""

    camera: Camera
    depth: DepthImage | Missing
    attitude: Attitude | Missing
    floor: FloorPlane | Missing
    sights: tuple[Sight, ...]


NOTHING = Missing("not used")


def views(motion_of: str, scenes: int, sweep: bool = True) -> Iterator[View]:
    """The first scenes of the test split, seen by a robot in motion, with a LiDAR if it has a
    `sweep`.

    `motion_of` is "drive"; "pitched": standing, its chassis 5° nose up or down on a level floor; or
    "ramp": standing level on a floor that rises or falls by 5°.
    """
    settings = FusionNodeSettings.load()
    with World() as world:
        for index in tqdm(range(scenes), desc=motion_of):
            rng = np.random.default_rng([7, index])
            scene = scene_of_seed("test", index)
            world.load(scene)
            slope = SLOPE if index % 2 else -SLOPE
            motion: Motion = Standing(BasePose(pitch=slope if motion_of == "pitched" else 0.0))
            gravity = (0.0, 0.0, -9.81)
            if motion_of == "drive":
                motion = Drive.random(rng, rest=1.0)
            elif motion_of == "ramp":
                gravity = (9.81 * math.sin(slope), 0.0, -9.81 * math.cos(slope))
            world.gravity = gravity
            fusion = SensorFusion(settings.sensors, settings.fusion)
            first_sweep = DRIVEN - UNDER_WAY if sweep else math.inf
            drive = SensedDrive(world, motion, rng)
            for arrival in drive.arrivals(0.0, DRIVEN + 0.1, first_sweep):
                feed(fusion, arrival)
            yield _view(world, scene, motion.pose(DRIVEN), fusion)


def _view(world: World, scene: SceneSpec, pose: BasePose, fusion: SensorFusion) -> View:
    world.move(pose)
    labels, camera, stamp = world.render().labels, world.camera, round(DRIVEN * 1e9)
    sights = []
    for i, thing in enumerate(scene.objects):
        mask = resample(labels == i + 1, MASK_SIZE)
        truth = pose.to_base(np.array([thing.position]))[0]
        if mask.sum() > MIN_PIXELS and NEAR <= math.hypot(truth[0], truth[1]) <= FAR:
            sights.append(Sight(mask, truth))
    return View(
        camera,
        fusion.depth(stamp, camera),
        fusion.attitude(stamp),
        fusion.floor(stamp),
        tuple(sights),
    )


def errors(view: View, source: PositionSource) -> list[tuple[float, float]]:
    """(error, spread) in m along the floor of the objects that get a position from `source`."""
    found = []
    for sight in view.sights:
        position = locate(sight.mask, view.camera, view.depth, view.attitude, view.floor)
        if position is not None and position.source is source:
            off = np.array(position.point) - sight.truth
            found.append((float(math.hypot(off[0], off[1])), position.spread))
    return found


def without(view: View, *sensors: str) -> View:
    return replace(view, **dict.fromkeys(sensors, NOTHING))  # type: ignore[arg-type]
