"""The MuJoCo model of household images: a room, tables, and LIBERO's objects to be put in it.

All images share one model. What an image lacks is hidden, because a compilation takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vlam_ros.lab.generators.household.arrangement import Rest
from vlam_ros.lab.generators.household.assets import Asset, AssetReader, textures
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.mjcf import WALL_SIDES, floor_xml
from vlam_ros.types import FloatArray

SHOWN, ALONE, HIDDEN = 0, 4, 5
"""Groups of geoms; MuJoCo draws the first of these only."""
TABLE = ("top", "leg0", "leg1", "leg2", "leg3")
BOXES = ("box0", "box1", "box2")
"""Nameless furniture."""
PLAIN = (
    'builtin="flat" rgb1="1 1 1"',
    'builtin="flat" rgb1=".9 .9 .9" mark="random" markrgb=".6 .6 .6" random=".05"',
    'builtin="checker" rgb1="1 1 1" rgb2=".6 .6 .6"',
    'builtin="checker" rgb1="1 1 1" rgb2=".85 .85 .85" mark="edge" markrgb=".4 .4 .4"',
)
"""Textures in shades of white, which take any colour; their materials are the model's first."""
DRAWER = 0.06
"""How far drawers and doors stick out of what an object covers, in m."""
ROOM = 0.35
"""Radius of what may stand in or on an object, for each metre that the object is wide."""
_UP = {"x": (0.0, -math.pi / 2, 0.0), "y": (math.pi / 2, 0.0, 0.0), "z": (0.0, 0.0, 0.0)}


def compiled_model(assets: Mapping[str, Asset]) -> tuple[Any, int]:
    """The model, and its number of surface materials, which are its first ones.

    Bodies are called by their assets and a number from 0.
    """
    reader = AssetReader()
    drawn = [f'type="2d" width="128" height="128" {built}' for built in PLAIN]
    drawn += [f'type="2d" file="{reader.texture(p)}"' for p in sorted(textures().glob("*.png"))]
    surfaces = "".join(
        f'<texture name="surface{i}" {texture}/>'
        f'<material name="surface{i}" texture="surface{i}" texuniform="true" specular="0.15"/>'
        for i, texture in enumerate(drawn)
    )
    objects = [reader.object_xml(asset) for asset in assets.values()]
    # Planes, because a flat texture is smeared over the upright sides of a box.
    walls = "".join(
        f'<geom name="wall{i}" type="plane" size="9 9 .1" zaxis="{-x} {-y} 0"/>'
        for i, (x, y) in enumerate(WALL_SIDES)
    )
    boxes = "".join(
        f'<geom name="{name}" type="box" size=".1 .1 .1"/>' for name in (*TABLE, *BOXES)
    )
    model = mujoco.MjModel.from_xml_string(
        f"""
<mujoco model="household">
  <compiler angle="radian"/>
  <option><flag contact="disable"/></option>
  <visual>
    <quality shadowsize="1024" offsamples="0"/>
    <map znear="0.02" zfar="20" shadowclip="1.5"/>
  </visual>
  <statistic extent="1.5" center="0 0 0.7"/>
  <asset>{surfaces}{"".join(made for made, _ in objects)}</asset>
  <worldbody>
    <camera name="camera" pos="0 0 1"/>
    <light type="directional"/>
    <light type="spot" cutoff="75" exponent="1"/>
    <light type="spot" cutoff="75" exponent="1"/>
    {floor_xml()}{walls}{boxes}{"".join(bodies for _, bodies in objects)}
  </worldbody>
</mujoco>""",
        reader.files,
    )
    # Compiled at the origin, they would share the world's frame and never move.
    model.geom_sameframe[model.geom_bodyid == 0] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
    return model, len(drawn)


def geoms_of(model: Any, assets: Mapping[str, Asset]) -> dict[str, list[Any]]:
    """The ids int[N] of the geoms of each copy of each asset."""
    roots = model.body_rootid[model.geom_bodyid]
    return {
        name: [np.flatnonzero(roots == model.body(f"{name}{i}").id) for i in range(asset.copies)]
        for name, asset in assets.items()
    }


def rests_of(
    model: Any, data: Any, assets: Mapping[str, Asset], geoms: Mapping[str, list[Any]]
) -> dict[tuple[str, str], Rest]:
    """How each asset rests with each of its axes that may point up."""
    mujoco.mj_kinematics(model, data)
    return {
        (name, axis): _rest(model, data, geoms[name][0], rotation(_UP[axis]))
        for name, asset in assets.items()
        for axis in sorted(set(asset.up))
    }


def _rest(model: Any, data: Any, geoms: Any, turn: FloatArray) -> Rest:
    surface = np.vstack([_surface_points(model, data, geom) for geom in geoms])
    points = surface.astype(np.float64) @ turn.T
    low, high = points.min(axis=0), points.max(axis=0)
    foot = np.array([*(low + high)[:2] / 2, low[2]])
    radius = float(np.hypot(*(points - foot)[:, :2].T).max())
    if model.body_jntnum[model.geom_bodyid[geoms]].any():
        radius += DRAWER
    return Rest(
        turn=turn,
        origin=-foot,
        radius=radius,
        height=float(high[2] - low[2]),
        inside=_inside(model, data, geoms, turn, foot),
        room=ROOM * float((high - low)[:2].min()),
    )


def _inside(model: Any, data: Any, geoms: Any, turn: FloatArray, foot: FloatArray) -> float:
    """How high the surface is around the middle of an object, seen from above; 0 for a hole."""
    model.geom_group[geoms] = ALONE
    group = np.array([g == ALONE for g in range(6)], np.uint8)
    above, hit = 1.0, np.full(1, -1, np.int32)
    heights = [0.0]
    for x, y in ((0, 0), (0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02)):
        start = turn.T @ np.add(foot, (x, y, above))
        far = mujoco.mj_ray(model, data, start, -turn[2], group, 1, -1, hit)
        if far >= 0:
            heights.append(above - far)
    model.geom_group[geoms] = HIDDEN
    return max(heights)


def _surface_points(model: Any, data: Any, geom: int) -> FloatArray:
    """Vertices float[N,3] of a mesh, or corners of the box around another geom."""
    mesh = model.geom_dataid[geom]
    if mesh >= 0:
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        points = model.mesh_vert[first : first + count]
    else:
        signs = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T
        points = model.geom_aabb[geom, :3] + signs * model.geom_aabb[geom, 3:]
    placed: FloatArray = points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
    return placed


def rotation(vector: tuple[float, float, float]) -> FloatArray:
    """The matrix float64[3,3] of a rotation vector (rad)."""
    quaternion, turn, angle = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(9), math.hypot(*vector)
    if angle:
        mujoco.mju_axisAngle2Quat(quaternion, np.array(vector) / angle, angle)
    mujoco.mju_quat2Mat(turn, quaternion)
    return turn.reshape(3, 3)
