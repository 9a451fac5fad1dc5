"""Household objects of LIBERO on tables, counters and the floor of a room."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators.generator import UNDECIDED, LabelledImage, Thing
from vlam_ros.lab.generators.household.arrangement import (
    Placed,
    View,
    arranged,
    chosen,
    random_view,
)
from vlam_ros.lab.generators.household.assets import (
    SCENES_TRAINED,
    SCENES_VALIDATION,
    household_assets,
    scene_objects,
)
from vlam_ros.lab.generators.household.model import (
    BOXES,
    HIDDEN,
    PLAIN,
    SHOWN,
    TABLE,
    compiled_model,
    geoms_of,
    rests_of,
    rotation,
)
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.mjcf import WALL_SIDES, rendered, segmented

SCENES = {"train": SCENES_TRAINED, "validation": SCENES_VALIDATION}
SIZES = {(256, 256): 2, (320, 240): 2, (480, 360): 1, (640, 480): 1}
"""How much finer than its width and height (pixels) an image is rendered, to be averaged.

On a CPU that is cheaper than MuJoCo's own antialiasing, which costs time at each small triangle.
"""
SMALLEST = 24
"""Pixels below which nothing is said of a thing: nobody could tell what it is."""
SEED = 20_230_613
ON_TABLES = 0.8
"""Share of the images in which the objects do not stand on the floor."""
LYING = rotation((math.pi / 2, 0.0, 0.0))


class Household:
    """Half of the training images hold the objects of a scene of libero_90, the other half any of
    them; those for validation hold the objects of three other scenes.

    SimulationError if LIBERO's assets are missing.
    """

    def __init__(self) -> None:
        self._assets = household_assets()
        self._scenes = {split: [*map(scene_objects, names)] for split, names in SCENES.items()}
        self._model, self._surfaces = compiled_model(self._assets)
        self._data = mujoco.MjData(self._model)
        self._geoms = geoms_of(self._model, self._assets)
        self._rests = rests_of(self._model, self._data, self._assets, self._geoms)
        self._renderers: dict[tuple[int, int], Any] = {}

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
        """As `ImageGenerator.draw`; SimulationError for the split "test", which is not set apart
        yet.
        """
        if split not in SCENES:
            raise SimulationError(f"household images have no split {split!r}: {', '.join(SCENES)}")
        rng = np.random.default_rng((SEED, list(SCENES).index(split), index))
        names = self._names(rng, split)
        height = float(rng.uniform(0.35, 1.0)) if rng.random() < ON_TABLES else 0.0
        view = random_view(rng, height)
        distance = float(np.linalg.norm(view.position - view.target))
        spread = float(np.clip(distance * math.tan(view.fovy / 2), 0.25, 0.6))
        placed = arranged(rng, names, self._assets, self._rests, spread, view, height)
        geoms = self._show(rng, placed)
        half = spread + rng.uniform(0.03, 0.5, 2)
        materials = self._colour_surfaces(rng, 3 + len(BOXES))
        self._build_room(rng, materials[:2])
        self._build_table(rng, materials[2], half, height)
        self._build_boxes(rng, materials[3:], float(np.linalg.norm(half)), view)
        self._light(rng, height)
        self._look(view)
        return self._labelled(rng, placed, geoms)

    def _names(self, rng: Generator, split: str) -> list[str]:
        if split == "train" and rng.random() < 0.5:
            return chosen(rng, self._assets, (), int(rng.integers(5, 14)))
        scenes = self._scenes[split]
        scene = scenes[int(rng.integers(len(scenes)))]
        kept = [name for name in scene.elements() if rng.random() < 0.85]
        pool = {name: self._assets[name] for name in scene}
        return chosen(rng, pool, kept, int(rng.integers(4, 11)))

    def _show(self, rng: Generator, placed: list[Placed]) -> list[Any]:
        """Put the objects where they belong and hide all others; the geoms of each."""
        model, data = self._model, self._data
        copies = {name: list(geoms) for name, geoms in self._geoms.items()}
        model.geom_group[model.geom_bodyid > 0] = HIDDEN
        shown = []
        for p in placed:
            geoms = copies[p.asset].pop()
            model.geom_group[geoms] = SHOWN
            shown.append(geoms)
            turn = rotation((0.0, 0.0, p.yaw))
            slot = model.body_mocapid[model.body_rootid[model.geom_bodyid[geoms[0]]]]
            data.mocap_pos[slot] = p.position + turn @ p.rest.origin
            mujoco.mju_mat2Quat(data.mocap_quat[slot], (turn @ p.rest.turn).ravel())
        # Doors and drawers open towards the low end of their ranges, and some stand half open.
        opened = rng.uniform(0.0, 0.5, model.njnt) * (rng.random(model.njnt) < 0.25)
        data.qpos[:] = opened * model.jnt_range[:, 0]
        return shown

    def _colour_surfaces(self, rng: Generator, count: int) -> Any:
        """Tint all surface materials, and choose `count` of them."""
        model, n = self._model, self._surfaces
        model.mat_rgba[:n, :3] = rng.uniform(0.75, 1.0, (n, 3))
        model.mat_rgba[: len(PLAIN), :3] = rng.uniform(0.1, 1.0, (len(PLAIN), 3))
        model.mat_texrepeat[:n] = rng.uniform(0.7, 3.0, (n, 1))
        return rng.integers(n, size=count)

    def _build_room(self, rng: Generator, materials: Any) -> None:
        model = self._model
        model.geom_matid[model.geom("floor").id] = materials[0]
        for i, side in enumerate(WALL_SIDES):
            wall = model.geom(f"wall{i}").id
            model.geom_matid[wall] = materials[1]
            model.geom_pos[wall, :2] = np.multiply(side, rng.uniform(2.3, 4.0))

    def _build_table(self, rng: Generator, material: int, half: Any, height: float) -> None:
        """A table with half sizes float[2] (m), or a counter that reaches down to the floor."""
        model = self._model
        top, *legs = ids = [model.geom(name).id for name in TABLE]
        model.geom_group[ids] = SHOWN if height else HIDDEN
        model.geom_matid[ids] = material
        if not height:
            return
        thick = height / 2 if rng.random() < 0.3 else float(rng.uniform(0.01, 0.03))
        model.geom_size[top] = (*half, thick)
        model.geom_pos[top] = (0.0, 0.0, height - thick)
        corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) * (half - 0.03)
        model.geom_pos[legs] = np.column_stack([corners, np.full(len(legs), height / 2 - 0.01)])
        model.geom_size[legs] = (0.02, 0.02, height / 2 - 0.01)

    def _build_boxes(self, rng: Generator, materials: Any, near: float, view: View) -> None:
        """Up to three blocks behind the table, further than `near` m from its middle."""
        model = self._model
        x, y, _ = view.target - view.position
        for name, material in zip(BOXES, materials, strict=True):
            box = model.geom(name).id
            model.geom_group[box] = SHOWN if rng.random() < 0.5 else HIDDEN
            model.geom_matid[box] = material
            # Its y axis is up, because textures are smeared over all sides but those along z.
            width, tall, deep = rng.uniform((0.15, 0.2, 0.15), (0.5, 1.0, 0.3))
            bearing = math.atan2(y, x) + rng.uniform(-1.0, 1.0)
            far = near + math.hypot(width, deep) + rng.uniform(0.1, 0.8)
            model.geom_size[box] = (width, tall, deep)
            model.geom_pos[box] = (far * math.cos(bearing), far * math.sin(bearing), tall)
            turn = rotation((0.0, 0.0, rng.uniform(-math.pi, math.pi))) @ LYING
            mujoco.mju_mat2Quat(model.geom_quat[box], turn.ravel())

    def _light(self, rng: Generator, height: float) -> None:
        """One to three lights of colours near white, of which the first may cast shadows."""
        model = self._model
        count = int(rng.integers(1, model.nlight + 1))
        model.light_active[:] = np.arange(model.nlight) < count
        model.light_castshadow[:] = np.arange(model.nlight) < int(rng.random() < 0.5)
        middle = np.array([0.0, 0.0, height])
        for i in range(model.nlight):
            at = middle + rng.uniform((-1.8, -1.8, 0.9), (1.8, 1.8, 2.4))
            model.light_pos[i] = at
            model.light_dir[i] = (middle - at) / np.linalg.norm(middle - at)
            model.light_diffuse[i] = rng.uniform(0.4, 1.0) / count * rng.uniform(0.8, 1.0, 3)
        model.vis.headlight.ambient[:] = rng.uniform(0.2, 0.45) * rng.uniform(0.9, 1.0, 3)
        model.vis.headlight.diffuse[:] = rng.uniform(0.0, 0.25)

    def _look(self, view: View) -> None:
        model, camera = self._model, self._model.camera("camera").id
        # MuJoCo's camera looks along its -z with +y up.
        back = (view.position - view.target) / np.linalg.norm(view.position - view.target)
        right = np.cross((0.0, 0.0, 1.0), back)
        right /= np.linalg.norm(right)
        matrix = np.column_stack([right, np.cross(back, right), back])
        model.cam_pos[camera] = view.position
        mujoco.mju_mat2Quat(model.cam_quat[camera], matrix.ravel())
        model.cam_fovy[camera] = math.degrees(view.fovy)

    def _labelled(self, rng: Generator, placed: list[Placed], geoms: list[Any]) -> LabelledImage:
        """Render the image, and number the objects that are seen in it."""
        size = list(SIZES)[int(rng.integers(len(SIZES)))]
        renderer, finer = self._renderer(size), SIZES[size]
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        fine = rendered(renderer, self._data, "camera")
        image = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.uint8)
        segments = segmented(renderer, self._data, "camera")[::finer, ::finer]
        owner = np.zeros(self._model.ngeom + 1, np.int64)
        for i, ids in enumerate(geoms, start=1):
            owner[ids] = i
        pixels = np.bincount(owner[segments].ravel(), minlength=len(placed) + 1)[1:]
        number = np.zeros(len(placed) + 1, np.uint8)
        number[1:] = np.cumsum(pixels > 0) * (pixels > 0)
        things = [self._thing(rng, p, n) for p, n in zip(placed, pixels, strict=True) if n]
        return LabelledImage(image, number[owner[segments]], tuple(things))

    def _renderer(self, size: tuple[int, int]) -> Any:
        if size not in self._renderers:
            screen = self._model.vis.global_
            screen.offwidth, screen.offheight = (SIZES[size] * side for side in size)
            renderer = mujoco.Renderer(self._model, screen.offheight, screen.offwidth)
            self._renderers[size] = renderer
        return self._renderers[size]

    def _thing(self, rng: Generator, placed: Placed, pixels: int) -> Thing:
        asset = self._assets[placed.asset]
        noun = asset.nouns[int(rng.integers(len(asset.nouns)))]
        return Thing(noun, asset.colour) if pixels >= SMALLEST else Thing(UNDECIDED, UNDECIDED)
