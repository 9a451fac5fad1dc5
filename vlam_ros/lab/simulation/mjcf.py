"""The MuJoCo model of the world: floor, walls, places for objects, and the robot's base.

Poses, sizes, kinds and colours of objects are placeholders that `World.load` overwrites.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.scene import CONE_SIZES, CUP_SIZES, FLOORS, CameraSpec, SceneSpec
from vlam_ros.types import Camera, optical_rotation

MAX_OBJECTS = 12
RING = 32
"""Vertices around a mesh of revolution."""

# The frame of the body is base_link. Cameras do not draw group 3, but rays hit it: the robot is
# seen by its LiDAR, and not by its camera, as images were taken before it had a body.
_BASE = """<body name="base">
      <freejoint name="base"/>
      <camera name="camera" pos="0 0 1"/>
      <site name="imu" group="3"/>
      <geom name="chassis" type="cylinder" group="3" size=".18 .115" pos="0 0 .135"/>
      <geom name="mast" type="cylinder" group="3" size=".012 .15" pos="-.15 0 .4"/>
    </body>"""


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
    return revolve(
        [
            (eps, low),
            (foot, low),
            (foot, low + eps),
            (radius, top - eps),
            (radius, top),
            (radius * inner, top),
            (radius * inner, top - eps),
            (foot * inner, floor),
            (eps, floor),
        ]
    )


def _cone(radius: float, height: float) -> str:
    eps = 1e-4
    low, top = -height / 2, height / 2
    return revolve([(eps, low), (radius, low), (radius - eps, low + eps), (eps, top)])


PATTERNS = (
    'builtin="flat" rgb1="1 1 1"',
    'builtin="flat" rgb1=".9 .9 .9" mark="random" markrgb=".7 .7 .7" random=".02"',
    'builtin="flat" rgb1=".8 .8 .8" mark="random" markrgb="1 1 1" random=".1"',
    'builtin="checker" rgb1="1 1 1" rgb2=".8 .8 .8"',
    'builtin="checker" rgb1="1 .95 .9" rgb2=".7 .65 .6" mark="edge" markrgb=".5 .5 .5"',
    'builtin="flat" rgb1="1 1 1" mark="edge" markrgb=".6 .6 .6"',
    'builtin="flat" rgb1=".85 .65 .45" mark="random" markrgb=".7 .5 .35" random=".15"',
    'builtin="flat" rgb1=".75 .6 .5" mark="edge" markrgb=".55 .45 .35"',
)
assert len(PATTERNS) == FLOORS

LIGHT = '<light name="light" pos="0 0 3" dir="0 0 -1" directional="true" castshadow="true"/>'


def assets_xml() -> str:
    """The meshes "cup0", "cone0", … and the materials "floor0", …."""
    meshes = [f'<mesh name="cup{i}" {_cup(*s)}/>' for i, s in enumerate(CUP_SIZES)]
    meshes += [f'<mesh name="cone{i}" {_cone(*s)}/>' for i, s in enumerate(CONE_SIZES)]
    textures = [
        f'<texture name="floor{i}" type="2d" width="256" height="256" {pattern}/>'
        f'<material name="floor{i}" texture="floor{i}" texrepeat="{2 + i % 3} {2 + i % 3}" '
        f'texuniform="true" specular="0.1" shininess="0.1"/>'
        for i, pattern in enumerate(PATTERNS)
    ]
    return f"<asset>{''.join(meshes)}{''.join(textures)}</asset>"


def visual_xml(width: int, height: int) -> str:
    """How images of up to this size in pixels are drawn."""
    return f"""<visual>
    <global offwidth="{width}" offheight="{height}"/>
    <quality shadowsize="1024" offsamples="4"/>
    <map znear="0.01" zfar="50" shadowclip="1"/>
  </visual>
  <statistic extent="3" center="1 0 0"/>"""


def floor_xml(attributes: str = "") -> str:
    """The floor, with further attributes of its geom."""
    return f'<geom name="floor" type="plane" size="15 15 0.1" {attributes}/>'


def wall_xml(i: int, distance: float = 0.0, attributes: str = "") -> str:
    """Wall `i` of `appearance.WALL_SIDES`, 4 cm thick, 6 m high, `distance` m from the origin."""
    size = "0.02 12 3" if i in (0, 3) else "12 0.02 3"
    x, y = (side * distance for side in WALL_SIDES[i])
    return f'<geom name="wall{i}" type="box" size="{size}" pos="{x} {y} 3" {attributes}/>'


def model_xml(width: int, height: int, assets: str = "") -> str:
    """The world's model, for images of this size in pixels, with further assets."""
    walls = [wall_xml(i) for i in range(3)]
    # A slot of each kind cannot be compiled without data, so all start as spheres.
    slots = [f'<geom name="object{i}" type="sphere" size=".05"/>' for i in range(MAX_OBJECTS)]
    return f"""
<mujoco model="vlam_world">
  <option><flag contact="disable"/></option>
  {visual_xml(width, height)}
  {assets_xml()}
  <asset>{assets}</asset>
  <worldbody>
    {LIGHT}
    {_BASE}
    {floor_xml()}
    {"".join(walls)}{"".join(slots)}
  </worldbody>
  <sensor><gyro name="gyro" site="imu"/><accelerometer name="accelerometer" site="imu"/></sensor>
</mujoco>"""


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
