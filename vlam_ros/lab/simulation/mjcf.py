"""What MuJoCo models of scenes have in common: meshes, floor, walls, and how a scene looks in them.

Every model that shows a scene is dressed here, so that all images of it are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.scene import CONE_SIZES, CUP_SIZES, CameraSpec, SceneSpec
from vlam_ros.types import Camera, Uint8Array, optical_rotation

RING = 32
"""Vertices around a mesh of revolution."""


def revolve(profile: list[tuple[float, float]]) -> str:
    """Vertex and face attributes of the surface that a (radius, z) profile sweeps around z."""
    angles = 2 * math.pi * np.arange(RING) / RING
    vertices = [(r * math.cos(a), r * math.sin(a), z) for r, z in profile for a in angles]
    faces = []
    for ring in range(len(profile) - 1):
        for i in range(RING):
            a, b = ring * RING + i, ring * RING + (i + 1) % RING
            faces += [(a, b, b + RING), (a, b + RING, a + RING)]
    return mesh_attributes(vertices, faces)


def mesh_attributes(
    vertices: Sequence[tuple[float, float, float]], faces: Sequence[tuple[int, int, int]]
) -> str:
    """Attributes of a mesh with these vertices (m) and faces, counter-clockwise from outside."""
    flat = " ".join(f"{v:.5f}" for vertex in vertices for v in vertex)
    indices = " ".join(str(i) for face in faces for i in face)
    return f'vertex="{flat}" face="{indices}" inertia="shell"'


def _cup(radius: float, height: float) -> str:
    """A cup with a wall and an open inside, origin at its centre."""
    low, top, foot, inner = -height / 2, height / 2, 0.75 * radius, 0.88
    floor = low + 0.1 * height
    eps = 1e-4
    outside = [(eps, low), (foot, low), (foot, low + eps), (radius, top - eps), (radius, top)]
    inside = [(radius, top), (radius, top - eps), (foot, floor)]
    return revolve([*outside, *((r * inner, z) for r, z in inside), (eps, floor)])


def _cone(radius: float, height: float) -> str:
    eps = 1e-4
    low, top = -height / 2, height / 2
    return revolve([(eps, low), (radius, low), (radius - eps, low + eps), (eps, top)])


def compiled(xml: str) -> Any:
    """The model of an MJCF text, which may include the files of this package."""
    files = {path.name: path.read_bytes() for path in Path(__file__).parent.glob("*.xml")}
    return mujoco.MjModel.from_xml_string(xml, files)


def meshes_xml() -> str:
    """The meshes "cup0", "cone0", …."""
    meshes = [f'<mesh name="cup{i}" {_cup(*s)}/>' for i, s in enumerate(CUP_SIZES)]
    meshes += [f'<mesh name="cone{i}" {_cone(*s)}/>' for i, s in enumerate(CONE_SIZES)]
    return "".join(meshes)


def floor_xml(attributes: str = "") -> str:
    """The floor, with further attributes of its geom."""
    return f'<geom name="floor" type="plane" size="15 15 0.1" {attributes}/>'


def wall_xml(i: int, distance: float = 0.0, attributes: str = "") -> str:
    """Wall `i` of WALL_SIDES, 4 cm thick, 6 m high, `distance` m from the origin."""
    size = "0.02 12 3" if i in (0, 3) else "12 0.02 3"
    x, y = (side * distance for side in WALL_SIDES[i])
    return f'<geom name="wall{i}" type="box" size="{size}" pos="{x} {y} 3" {attributes}/>'


WALL_SIDES = ((1, 0), (0, 1), (0, -1), (-1, 0))
"""In which direction each wall stands; a model may have the first few only."""


def dress(model: Any, spec: SceneSpec) -> None:
    """Give a model with a camera, scenery, floor and walls those of the scene."""
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


def place_mesh(model: Any, geom: int, mesh: int) -> None:
    """Make a geom show this mesh, its own origin where the geom stands, and turned as it is.

    The compiler has moved the mesh to its centre of mass; that is undone.
    """
    offset, turn, upright = np.zeros(3), np.zeros(4), model.geom_quat[geom].copy()
    mujoco.mju_rotVecQuat(offset, model.mesh_pos[mesh], upright)
    mujoco.mju_mulQuat(turn, upright, model.mesh_quat[mesh])
    model.geom_type[geom], model.geom_dataid[geom] = mujoco.mjtGeom.mjGEOM_MESH, mesh
    model.geom_pos[geom] += offset
    model.geom_quat[geom] = turn


def rendered(renderer: Any, data: Any, camera: str, option: Any = None) -> Uint8Array:
    """What a camera sees: uint8[H,W,3] RGB."""
    renderer.update_scene(data, camera=camera, scene_option=option)
    return np.array(renderer.render())


def segmented(renderer: Any, data: Any, camera: str, option: Any = None) -> npt.NDArray[np.int32]:
    """The ids int32[H,W] of the geoms that a camera sees, -1 for none."""
    renderer.enable_segmentation_rendering()
    segments = rendered(renderer, data, camera, option)
    renderer.disable_segmentation_rendering()
    return segments[..., 0].astype(np.int32)


def calibrated(spec: CameraSpec, width: int, height: int) -> Camera:
    """Intrinsics of images of this size (pixels), and pose of the camera in `base_link`."""
    focal = height / 2 / math.tan(spec.fovy / 2)
    rotation = optical_rotation(spec.tilt, 0.0, spec.roll)
    return Camera.ideal(width, height, focal, rotation, np.array([spec.x, 0.0, spec.height]))
