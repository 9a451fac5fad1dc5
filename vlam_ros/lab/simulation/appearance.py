"""How a scene looks: its camera, floor, walls and light, set in a compiled model.

Every model that shows a scene is dressed here, so that all images of it are the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.scene import CameraSpec, SceneSpec
from vlam_ros.types import Camera, optical_rotation

WALL_SIDES = ((1, 0), (0, 1), (0, -1), (-1, 0))
"""In which direction each wall stands; a model may have the first few only."""


def dress(model: Any, spec: SceneSpec) -> None:
    """Give the model the camera, floor, walls and light of the scene.

    Args:
        model: with the floor, light and camera of `mjcf`, and geoms "wall0", "wall1", ….
        spec: the scene; its objects are not looked at.
    """
    camera, mount = model.camera("camera").id, spec.camera
    model.cam_pos[camera] = (mount.x, 0.0, mount.height)
    # MuJoCo's camera looks along its -z with +y up; the optical frame has z forward, y down.
    matrix = optical_rotation(mount.tilt, 0.0, mount.roll) @ np.diag([1.0, -1.0, -1.0])
    mujoco.mju_mat2Quat(model.cam_quat[camera], matrix.ravel())
    model.cam_fovy[camera] = math.degrees(mount.fovy)
    floor = model.geom("floor").id
    model.geom_matid[floor] = model.material(f"floor{spec.floor}").id
    model.geom_rgba[floor, :3] = spec.floor_rgb
    model.mat_rgba[model.geom_matid[floor], :3] = spec.floor_rgb
    for i, side in enumerate(WALL_SIDES):
        wall = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"wall{i}")
        if wall >= 0:
            model.geom_rgba[wall, :3] = spec.wall_rgb
            model.geom_pos[wall, :2] = np.multiply(side, spec.wall_distance)
    model.light_pos[0] = spec.light_position
    aim = np.array([1.0, 0.0, 0.0]) - spec.light_position
    model.light_dir[0] = aim / np.linalg.norm(aim)
    model.light_diffuse[0] = spec.light
    model.vis.headlight.ambient[:] = spec.ambient
    model.vis.headlight.diffuse[:] = 0.25


def calibrated(spec: CameraSpec, width: int, height: int) -> Camera:
    """Intrinsics of images of this size (pixels), and pose of the camera in `base_link`."""
    focal = height / 2 / math.tan(spec.fovy / 2)
    rotation = optical_rotation(spec.tilt, 0.0, spec.roll)
    return Camera.ideal(width, height, focal, rotation, np.array([spec.x, 0.0, spec.height]))
