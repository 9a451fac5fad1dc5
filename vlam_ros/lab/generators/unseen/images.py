"""The generator that nothing is ever trained, chosen or calibrated on: a test of the wider world.

It has the seven shapes and eight colours by name and nothing else in common with the other
generators: shapes, surfaces, lights, rooms, camera and lens are its own. Of HELD_OUT_PAIRS there
are none, so that a world never seen and pairs never trained stay two tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators.generator import LabelledImage, Thing
from vlam_ros.lab.generators.unseen.lens import photographed
from vlam_ros.lab.generators.unseen.solids import SOLIDS, Mesh, Solid, rgb_of
from vlam_ros.lab.generators.unseen.surfaces import FLOORS, WALLS, grain, surface
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, SHAPES
from vlam_ros.types import Uint8Array

SEED = 77_000
"""With the index, that of an image."""
SIZES, SHARES = ((640, 480), (640, 360), (512, 512)), (0.6, 0.2, 0.2)
"""Width and height of images in pixels, and how many have each."""
NEAREST, FARTHEST = 0.6, 3.0
"""Of things, in m from the camera along the floor."""
GAP = 0.01
"""Between things, in m."""
CAMERA = "camera"
TRIES = 60
"""To find a place for a thing; it is left out if there is none."""


@dataclass(frozen=True)
class _View:
    """Where the camera is (m above the origin of the floor) and looks: along x, `tilt` down."""

    width: int
    height: int
    above: float
    tilt: float
    roll: float
    fovy: float

    @classmethod
    def drawn(cls, rng: Generator) -> _View:
        width, height = SIZES[int(rng.choice(len(SIZES), p=SHARES))]
        above, fovy = rng.uniform(0.35, 1.1), math.radians(rng.uniform(42, 65))
        tilt = math.atan(above / rng.uniform(0.8, 1.9)) + rng.normal(0, 0.04)
        return cls(width, height, above, tilt, rng.normal(0, 0.02), fovy)

    @property
    def axes(self) -> npt.NDArray[np.float64]:
        """Of MuJoCo's camera, in columns: right, up, back."""
        right = np.array([0.0, -1.0, 0.0])
        up = np.array([math.sin(self.tilt), 0.0, math.cos(self.tilt)])
        rolled = math.cos(self.roll) * right + math.sin(self.roll) * up
        back = np.cross(rolled, up)
        return np.stack([rolled, np.cross(back, rolled), back], axis=1)

    def place(self, rng: Generator, radius: float) -> tuple[float, float]:
        """Somewhere on the floor where the camera sees a thing of this radius (m)."""
        lowest = min(self.tilt + self.fovy / 2, 1.4)
        near = max(NEAREST, self.above / math.tan(lowest)) + radius
        # By the inverse: things fill the image evenly from the lower edge up.
        x = 1 / rng.uniform(1 / FARTHEST, 1 / near)
        half = math.tan(self.fovy / 2) * self.width / self.height
        return x, x * half * rng.uniform(-0.8, 0.8)


@dataclass(frozen=True)
class _Platform:
    """A low slab that things may stand on: middle and half sizes on the floor, height, in m."""

    middle: npt.NDArray[np.float64]
    half: npt.NDArray[np.float64]
    height: float

    @classmethod
    def drawn(cls, rng: Generator, view: _View) -> _Platform:
        middle, half = rng.uniform((1.2, -0.5), (2.2, 0.5)), rng.uniform(0.3, 0.65, 2)
        return cls(middle, half, rng.uniform(0.05, min(0.3, view.above - 0.25)))

    def floor_at(self, x: float, y: float, radius: float) -> float | None:
        """How high a thing stands here, None where it would stand on the edge."""
        beyond = np.abs(np.array([x, y]) - self.middle) - self.half
        if beyond.max() <= -radius:
            return self.height
        return 0.0 if beyond.max() >= radius else None


class Unseen:
    """Its only split is "test". Each image is a model of its own: nothing is held between them."""

    def __enter__(self) -> Unseen:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def draw(self, split: str, index: int) -> LabelledImage:
        """See `ImageGenerator`. SimulationError for another split: nothing is trained, and nothing
        is chosen on it.
        """
        if split != "test":
            raise SimulationError(f"nothing is trained or chosen on unseen images: no {split!r}")
        rng = np.random.default_rng([SEED, index])
        view = _View.drawn(rng)
        platform = _Platform.drawn(rng, view) if rng.random() < 0.35 else None
        spec = mujoco.MjSpec()
        _add_view(spec, view)
        _add_light(spec, rng)
        _add_room(spec, rng, platform)
        things = _add_things(spec, rng, view, platform)
        image, labels = _rendered(spec.compile(), view)
        return LabelledImage(*photographed(rng, image, labels), things)


def _rendered(model: Any, view: _View) -> tuple[Uint8Array, Uint8Array]:
    """The image, and i + 1 on the pixels of the i-th body besides the world."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, view.height, view.width) as renderer:
        renderer.update_scene(data, CAMERA)
        image = np.array(renderer.render(), np.uint8)
        renderer.enable_segmentation_rendering()
        renderer.update_scene(data, CAMERA)
        geoms = renderer.render()[..., 0]
    labels = np.where(geoms < 0, 0, model.geom_bodyid[geoms])
    return image, labels.astype(np.uint8)


def _add_view(spec: Any, view: _View) -> None:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, view.axes.ravel())
    at, fovy = (0.0, 0.0, view.above), math.degrees(view.fovy)
    spec.worldbody.add_camera(name=CAMERA, pos=at, quat=quaternion, fovy=fovy)
    # What shadows, and what is not too near to be drawn, are measured by.
    spec.stat.extent, spec.visual.quality.shadowsize = 3.0, 2048
    spec.visual.global_.offwidth, spec.visual.global_.offheight = view.width, view.height


def _add_light(spec: Any, rng: Generator) -> None:
    """One to three lights, between warm and cool, and some from everywhere."""
    count = int(rng.integers(1, 4))
    for _ in range(count):
        at = rng.uniform((-1.5, -2.0, 1.6), (3.4, 2.0, 2.8))
        aim = rng.normal((1.4, 0.0, 0.0), 0.4) - at
        warmth = rng.normal(0, 0.08)
        colour = np.array([1 + warmth, 1.0, 1 - warmth]) * rng.uniform(0.5, 0.9) / count**0.7
        distant = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        spec.worldbody.add_light(
            type=distant if rng.random() < 0.3 else mujoco.mjtLightType.mjLIGHT_SPOT,
            pos=at,
            dir=aim / np.linalg.norm(aim),
            diffuse=np.clip(colour, 0, 1),
            specular=np.full(3, rng.uniform(0.1, 0.6)),
            castshadow=bool(rng.random() < 0.75),
            cutoff=rng.uniform(50, 80),
            exponent=rng.uniform(0, 6),
        )
    lamp = spec.visual.headlight
    lamp.ambient = np.full(3, rng.uniform(0.15, 0.4))
    lamp.diffuse, lamp.specular = np.full(3, rng.uniform(0, 0.35)), np.zeros(3)


def _add_room(spec: Any, rng: Generator, platform: _Platform | None) -> None:
    """A floor under a sky or between walls, and the platform."""
    sky = mujoco.mjtTexture.mjTEXTURE_SKYBOX
    gradient = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
    ends = {"rgb1": rng.uniform(0.4, 1.0, 3), "rgb2": rng.uniform(0.1, 0.7, 3)}
    spec.add_texture(name="sky", type=sky, builtin=gradient, width=64, height=384, **ends)
    floor = _material(spec, "floor", surface(rng, FLOORS), rng.uniform(0.3, 2.5))
    floor.reflectance = max(0.0, rng.uniform(-0.15, 0.12))
    plane, box = mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_BOX
    world = spec.worldbody
    world.add_geom(type=plane, size=(12, 12, 0.1), material="floor")
    if rng.random() < 0.6:
        _material(spec, "wall", surface(rng, WALLS), rng.uniform(0.2, 1.5))
        away, aside = rng.uniform(3.6, 6.0), rng.uniform(2.2, 4.0)
        for x, y, thick, wide in ((away, 0, 0.05, 9), (0, aside, 9, 0.05), (0, -aside, 9, 0.05)):
            world.add_geom(type=box, pos=(x, y, 1.5), size=(thick, wide, 1.5), material="wall")
    if platform:
        _material(spec, "platform", surface(rng, FLOORS, dull=True), rng.uniform(0.5, 2.0))
        half = platform.height / 2
        at, size = (*platform.middle, half), (*platform.half, half)
        world.add_geom(type=box, pos=at, size=size, material="platform")


def _material(spec: Any, name: str, texture: Uint8Array, repeat: float) -> Any:
    """A material that repeats a texture so often in a metre."""
    height, width = texture.shape[:2]
    flat = mujoco.mjtTexture.mjTEXTURE_2D
    made = spec.add_texture(name=name, type=flat, width=width, height=height, nchannel=3)
    made.data = texture.tobytes()
    material = spec.add_material(name=name, texuniform=True, texrepeat=(repeat, repeat))
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    return material


def _add_things(
    spec: Any, rng: Generator, view: _View, platform: _Platform | None
) -> tuple[Thing, ...]:
    """Two to seven things, each a body of its own, where none is in another."""
    few = rng.choice(list(COLOURS), int(rng.integers(2, 9)), replace=False)
    things: list[Thing] = []
    occupied: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(2, 8))):
        thing = _thing(rng, few)
        solid = SOLIDS[thing.noun](rng)
        at = _free_place(rng, view, platform, solid, occupied)
        if at is not None:
            occupied.append((at[0], at[1], solid.radius))
            _add_thing(spec, rng, f"thing{len(things)}", thing, solid, at)
            things.append(thing)
    return tuple(things)


def _thing(rng: Generator, colours: npt.NDArray[np.str_]) -> Thing:
    """Any noun in one of the colours, if that is no pair held out."""
    while True:
        thing = Thing(str(rng.choice(SHAPES)), str(rng.choice(colours)))
        if (thing.colour, thing.noun) not in HELD_OUT_PAIRS:
            return thing


def _free_place(
    rng: Generator,
    view: _View,
    platform: _Platform | None,
    solid: Solid,
    occupied: list[tuple[float, float, float]],
) -> tuple[float, float, float] | None:
    """The foot of the solid: now and then just behind another, half hidden by it."""
    for _ in range(TRIES):
        x, y = view.place(rng, solid.radius)
        if occupied and rng.random() < 0.3:
            x, y, other = occupied[int(rng.integers(len(occupied)))]
            farther = 1 + (other + solid.radius + rng.uniform(GAP, 0.2)) / x
            x, y = x * farther, y * farther + rng.normal(0, 0.07)
        z = platform.floor_at(x, y, solid.radius) if platform else 0.0
        apart = all(math.hypot(x - a, y - b) > solid.radius + r + GAP for a, b, r in occupied)
        if z is not None and apart and x < FARTHEST:
            return x, y, z
    return None


def _add_thing(
    spec: Any,
    rng: Generator,
    name: str,
    thing: Thing,
    solid: Solid,
    foot: tuple[float, float, float],
) -> None:
    texture = grain(rng) if rng.random() < 0.35 else np.full((1, 1, 3), 255, np.uint8)
    material = _material(spec, name, texture, rng.uniform(2, 10))
    material.rgba = (*rgb_of(rng, thing.colour), 1.0)
    material.specular, material.shininess = rng.uniform(0, 0.8), rng.uniform(0.05, 0.9)
    turn = np.array([math.cos(yaw := rng.uniform(-math.pi, math.pi)), 0.0, 0.0, math.sin(yaw)])
    if solid.lies:
        mujoco.mju_mulQuat(turn, turn.copy(), np.array([1.0, 0.0, 1.0, 0.0]) / math.sqrt(2))
    at = (foot[0], foot[1], foot[2] + solid.height)
    body = spec.worldbody.add_body(name=name, pos=at, quat=turn)
    for i, part in enumerate(solid.parts):
        if isinstance(part, Mesh):
            mesh = spec.add_mesh(
                name=f"{name}.{i}",
                uservert=part.vertices.ravel(),
                userface=part.faces.ravel(),
                inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
            )
            body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, material=name)
        else:
            body.add_geom(type=part.kind, size=part.size, pos=part.at, material=name)
