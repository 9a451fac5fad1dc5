"""Household objects of LIBERO on tables, counters and floors of a room."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

import numpy as np
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators.generator import UNDECIDED, LabelledImage, Thing
from vlam_ros.lab.generators.household_arrangement import (
    Placed,
    Rest,
    View,
    arranged,
    chosen,
    random_view,
)
from vlam_ros.lab.generators.household_assets import (
    SCENES_TRAINED,
    SCENES_VALIDATION,
    AssetReader,
    household_assets,
    scene_objects,
    textures,
)
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.mjcf import WALL_SIDES, floor_xml, rendered, segmented, wall_xml
from vlam_ros.types import FloatArray

SIZES = ((256, 256), (320, 240), (480, 360), (640, 480))
"""Widths and heights of the images, in pixels."""
SMALLEST = 24
"""Pixels below which nothing is said of a thing: nobody could tell what it is."""
SCENES = {"train": SCENES_TRAINED, "validation": SCENES_VALIDATION}
SEED = 9_000_000
SHOWN, ALONE, HIDDEN = 0, 4, 5
"""Groups of geoms; MuJoCo draws the first of these only."""
BOXES = 3
"""Pieces of nameless furniture along the walls."""
LEGS = 4
AXES = {"x": (0.0, -math.pi / 2, 0.0), "y": (math.pi / 2, 0.0, 0.0), "z": (0.0, 0.0, 0.0)}
"""The rotation vector that turns an axis up."""


class Household:
    """Half of its training images hold the objects of a scene of libero_90, the other half any of
    them; those for validation hold the objects of three other scenes.

    One compiled model serves all images. SimulationError if LIBERO's assets are missing.
    """

    def __init__(self) -> None:
        self._assets = household_assets()
        self._scenes = {
            split: [scene_objects(scene) for scene in scenes] for split, scenes in SCENES.items()
        }
        reader = AssetReader()
        self._surfaces = len(sorted(textures().glob("*.png"))) + len(_BUILTIN)
        self._model = mujoco.MjModel.from_xml_string(_model_xml(reader, self._assets), reader.files)
        self._data = mujoco.MjData(self._model)
        self._renderers: dict[tuple[int, int], Any] = {}
        model = self._model
        roots = model.body_rootid[model.geom_bodyid]
        self._geoms = {
            name: [np.flatnonzero(roots == model.body(f"{name}{i}").id) for i in range(a.copies)]
            for name, a in self._assets.items()
        }
        mujoco.mj_kinematics(model, self._data)
        self._rests = {
            (name, axis): self._rest(name, axis)
            for name, asset in self._assets.items()
            for axis in sorted(set(asset.up))
        }

    def __enter__(self) -> Household:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for renderer in self._renderers.values():
            renderer.close()

    def draw(self, split: str, index: int) -> LabelledImage:
        """As `ImageGenerator.draw`; SimulationError for the split "test", which is none yet."""
        if split not in self._scenes:
            raise SimulationError(f"household images are for {', '.join(SCENES)}, not for {split!r}")
        rng = np.random.default_rng((SEED, list(SCENES).index(split), index))
        names = self._names(rng, split)
        height = float(rng.uniform(0.35, 1.0)) if rng.random() < 0.8 else 0.0
        view = random_view(rng, height)
        distance = float(np.linalg.norm(view.position - view.target))
        spread = float(np.clip(distance * math.tan(view.fovy / 2), 0.25, 0.6))
        placed = arranged(rng, names, self._assets, self._rests, spread, view, height)
        bodies = self._show(rng, placed)
        self._furnish(rng, height, spread, view)
        self._light(rng, height)
        self._look(view)
        return self._labelled(rng, placed, bodies)

    def _names(self, rng: Generator, split: str) -> list[str]:
        if split == "train" and rng.random() < 0.5:
            return chosen(rng, self._assets, (), int(rng.integers(5, 14)))
        scenes = self._scenes[split]
        held = list(scenes[int(rng.integers(len(scenes)))].elements())
        pool = {name: self._assets[name] for name in sorted(set(held))}
        kept = [name for name in held if rng.random() < 0.85]
        return chosen(rng, pool, kept, int(rng.integers(4, 11)))

    def _show(self, rng: Generator, placed: list[Placed]) -> list[Any]:
        """Put the objects where they belong and hide the others; the geoms of each object."""
        model, data = self._model, self._data
        for copies in self._geoms.values():
            for geoms in copies:
                model.geom_group[geoms] = HIDDEN
        used: dict[str, int] = {}
        shown = []
        for p in placed:
            copy = used[p.asset] = used.get(p.asset, -1) + 1
            geoms = self._geoms[p.asset][copy]
            model.geom_group[geoms] = SHOWN
            shown.append(geoms)
            turn = _rotation((0.0, 0.0, p.yaw))
            slot = model.body_mocapid[model.body(f"{p.asset}{copy}").id]
            data.mocap_pos[slot] = np.array(p.position) + turn @ p.rest.origin
            mujoco.mju_mat2Quat(data.mocap_quat[slot], (turn @ p.rest.turn).ravel())
        # Some doors and drawers stand open.
        opened = rng.uniform(0.0, 0.5, model.njnt) * (rng.random(model.njnt) < 0.25)
        data.qpos[:] = opened * model.jnt_range[:, 0]
        return shown

    def _furnish(self, rng: Generator, height: float, spread: float, view: View) -> None:
        """Dress the room: floor, walls, table or counter, and what stands behind it."""
        model = self._model
        model.mat_rgba[: self._surfaces, :3] = rng.uniform(0.75, 1.0, (self._surfaces, 3))
        plain = slice(self._surfaces - len(_BUILTIN), self._surfaces)
        model.mat_rgba[plain, :3] = rng.uniform(0.1, 1.0, (len(_BUILTIN), 3))
        repeat = rng.uniform(0.7, 3.0, (self._surfaces, 1))
        model.mat_texrepeat[: self._surfaces] = repeat
        surface = rng.integers(self._surfaces, size=3 + BOXES)
        model.geom_matid[model.geom("floor").id] = surface[0]
        for i, side in enumerate(WALL_SIDES):
            wall = model.geom(f"wall{i}").id
            model.geom_matid[wall] = surface[1]
            model.geom_pos[wall, :2] = np.multiply(side, rng.uniform(2.3, 4.0))

        half = spread + rng.uniform(0.03, 0.5, 2)
        thick = height / 2 if rng.random() < 0.3 else min(float(rng.uniform(0.01, 0.03)), height)
        top = model.geom("table").id
        legs = [model.geom(f"leg{i}").id for i in range(LEGS)]
        model.geom_group[[top, *legs]] = SHOWN if height else HIDDEN
        model.geom_matid[[top, *legs]] = surface[2]
        model.geom_size[top] = (*half, max(thick, 0.001))
        model.geom_pos[top] = (0.0, 0.0, height - thick)
        corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) * (half - 0.03)
        model.geom_pos[legs] = np.column_stack([corners, np.full(LEGS, height / 2 - 0.01)])
        model.geom_size[legs] = (0.02, 0.02, max(height / 2 - 0.02, 0.001))

        forward = view.target - view.position
        ahead = math.atan2(forward[1], forward[0])
        for i in range(BOXES):
            box = model.geom(f"box{i}").id
            size = rng.uniform((0.15, 0.15, 0.2), (0.5, 0.3, 1.0))
            at = ahead + rng.uniform(-1.0, 1.0)
            far = float(np.linalg.norm(half)) + math.hypot(*size[:2]) + rng.uniform(0.1, 0.8)
            model.geom_group[box] = SHOWN if rng.random() < 0.5 else HIDDEN
            model.geom_matid[box] = surface[3 + i]
            model.geom_size[box] = size
            model.geom_pos[box] = (far * math.cos(at), far * math.sin(at), size[2])

    def _light(self, rng: Generator, height: float) -> None:
        """One to three lights of any colour near white, of which the first may cast shadows."""
        model = self._model
        count = int(rng.integers(1, model.nlight + 1))
        model.light_active[:] = np.arange(model.nlight) < count
        model.light_castshadow[:] = 0
        model.light_castshadow[0] = rng.random() < 0.6
        middle = np.array([0.0, 0.0, height])
        for i in range(model.nlight):
            at = middle + rng.uniform((-1.8, -1.8, 0.9), (1.8, 1.8, 2.4))
            model.light_pos[i] = at
            model.light_dir[i] = (middle - at) / np.linalg.norm(middle - at)
            model.light_diffuse[i] = rng.uniform(0.25, 0.9) / count**0.6 * rng.uniform(0.8, 1.0, 3)
        model.vis.headlight.ambient[:] = rng.uniform(0.12, 0.45) * rng.uniform(0.9, 1.0, 3)
        model.vis.headlight.diffuse[:] = rng.uniform(0.0, 0.35)

    def _look(self, view: View) -> None:
        model, camera = self._model, self._model.camera("camera").id
        back = (view.position - view.target) / np.linalg.norm(view.position - view.target)
        right = np.cross((0.0, 0.0, 1.0), back)
        right /= np.linalg.norm(right)
        matrix = np.column_stack([right, np.cross(back, right), back])
        model.cam_pos[camera] = view.position
        mujoco.mju_mat2Quat(model.cam_quat[camera], matrix.ravel())
        model.cam_fovy[camera] = math.degrees(view.fovy)

    def _labelled(self, rng: Generator, placed: list[Placed], bodies: list[Any]) -> LabelledImage:
        size = SIZES[int(rng.integers(len(SIZES)))]
        if size not in self._renderers:
            self._renderers[size] = mujoco.Renderer(self._model, size[1], size[0])
        renderer = self._renderers[size]
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        owner = np.zeros(self._model.ngeom + 1, np.uint8)
        for i, geoms in enumerate(bodies):
            owner[geoms] = i + 1
        labels = owner[segmented(renderer, self._data, "camera")]
        pixels = np.bincount(labels.ravel(), minlength=len(placed) + 1)
        seen = np.flatnonzero(pixels[1:]) + 1
        compact = np.zeros(len(placed) + 1, np.uint8)
        compact[seen] = np.arange(1, len(seen) + 1)
        things = [self._thing(rng, placed[i - 1], pixels[i]) for i in seen]
        image = rendered(renderer, self._data, "camera")
        return LabelledImage(image, compact[labels], tuple(things))

    def _thing(self, rng: Generator, placed: Placed, pixels: int) -> Thing:
        asset = self._assets[placed.asset]
        noun = asset.nouns[int(rng.integers(len(asset.nouns)))]
        if pixels < SMALLEST:
            return Thing(UNDECIDED, UNDECIDED)
        return Thing(noun, asset.colour)

    def _rest(self, name: str, axis: str) -> Rest:
        model, data, geoms = self._model, self._data, self._geoms[name][0]
        turn = _rotation(AXES[axis])
        points = np.vstack([_surface_points(model, data, geom) for geom in geoms]) @ turn.T
        low, high = points.min(axis=0), points.max(axis=0)
        middle = np.array([*(low + high)[:2] / 2, low[2]])
        radius = float(np.hypot(*(points - middle)[:, :2].T).max())
        jointed = model.body_jntnum[model.geom_bodyid[geoms]].any()
        room = 0.35 * float((high - low)[:2].min())
        inside = self._inside(geoms, turn, middle, high[2]) - low[2]
        # Drawers come out by so much.
        out = 0.06 if jointed else 0.0
        return Rest(turn, -middle, radius + out, float(high[2] - low[2]), float(inside), room)

    def _inside(self, geoms: Any, turn: FloatArray, middle: FloatArray, top: float) -> float:
        """The highest surface around the middle of an object, seen from above."""
        model, data = self._model, self._data
        model.geom_group[geoms] = ALONE
        group = np.array([g == ALONE for g in range(6)], np.uint8)
        heights = [-np.inf]
        for dx, dy in ((0, 0), (0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02)):
            start = np.array([middle[0] + dx, middle[1] + dy, top + 0.1])
            hit = np.full(1, -1, np.int32)
            down = turn.T @ (0.0, 0.0, -1.0)
            far = mujoco.mj_ray(model, data, turn.T @ start, down, group, 1, -1, hit)
            heights.append(start[2] - far if far >= 0 else -np.inf)
        model.geom_group[geoms] = HIDDEN
        return max(heights) if np.isfinite(max(heights)) else top


_BUILTIN = (
    'builtin="flat" rgb1="1 1 1"',
    'builtin="flat" rgb1=".9 .9 .9" mark="random" markrgb=".6 .6 .6" random=".05"',
    'builtin="checker" rgb1="1 1 1" rgb2=".6 .6 .6"',
    'builtin="checker" rgb1="1 1 1" rgb2=".85 .85 .85" mark="edge" markrgb=".4 .4 .4"',
)


def _model_xml(reader: AssetReader, assets: Any) -> str:
    # The materials of surfaces come first: theirs are the first ids.
    drawn = [f'type="2d" file="{reader.texture(p)}"' for p in sorted(textures().glob("*.png"))]
    drawn += [f'type="2d" width="128" height="128" {built}' for built in _BUILTIN]
    surfaces = "".join(
        f'<texture name="surface{i}" {texture}/>'
        f'<material name="surface{i}" texture="surface{i}" texuniform="true" specular="0.15"/>'
        for i, texture in enumerate(drawn)
    )
    read = [reader.object_xml(asset) for asset in assets.values()]
    walls = "".join(wall_xml(i, 3.0, 'material="surface0"') for i in range(len(WALL_SIDES)))
    names = ["table", *(f"leg{i}" for i in range(LEGS)), *(f"box{i}" for i in range(BOXES))]
    boxes = "".join(
        f'<geom name="{name}" type="box" size=".1 .1 .1" pos="0 0 {i}" material="surface0"/>'
        for i, name in enumerate(names, start=1)
    )
    return f"""
<mujoco model="household">
  <compiler angle="radian"/>
  <option><flag contact="disable"/></option>
  <visual>
    <global offwidth="{SIZES[-1][0]}" offheight="{SIZES[-1][1]}"/>
    <quality shadowsize="1024" offsamples="4"/>
    <map znear="0.02" zfar="20" shadowclip="1.5"/>
  </visual>
  <statistic extent="1.5" center="0 0 0.7"/>
  <asset>{surfaces}{"".join(made for made, _ in read)}</asset>
  <worldbody>
    <camera name="camera" pos="0 0 1"/>
    <light directional="true"/>
    <light cutoff="75" exponent="1"/>
    <light cutoff="75" exponent="1"/>
    {floor_xml('material="surface0"')}{walls}{boxes}{"".join(bodies for _, bodies in read)}
  </worldbody>
</mujoco>"""


def _rotation(vector: tuple[float, float, float]) -> FloatArray:
    turn, angle = np.zeros(9), float(np.linalg.norm(vector))
    quaternion = np.array([1.0, 0.0, 0.0, 0.0])
    if angle:
        mujoco.mju_axisAngle2Quat(quaternion, np.array(vector) / angle, angle)
    mujoco.mju_quat2Mat(turn, quaternion)
    return turn.reshape(3, 3)


def _surface_points(model: Any, data: Any, geom: int) -> FloatArray:
    """Vertices float[N,3] of a mesh, or corners of the box around another geom."""
    mesh = model.geom_dataid[geom]
    if mesh >= 0:
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        points = model.mesh_vert[first : first + count]
    else:
        signs = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T
        points = model.geom_aabb[geom, :3] + signs * model.geom_aabb[geom, 3:]
    return points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
