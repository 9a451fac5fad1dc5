"""A MuJoCo scene that takes the shape of any SceneSpec, and the camera that looks at it.

One compiled model serves all scenes: its geoms are re-typed, moved and re-coloured, which costs
microseconds where a compilation costs a second. Nothing moves here: the scene is only looked at.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import SimulationError
from vlam_ros.simulation.scene import CONE_SIZES, CUP_SIZES, FLOORS, ObjectSpec, SceneSpec
from vlam_ros.types import Camera, optical_rotation

# Must be said before MuJoCo is imported: there is no display to fall back to.
os.environ.setdefault("MUJOCO_GL", "egl")

try:
    import mujoco
except (ImportError, AttributeError, RuntimeError) as error:  # the GL platform fails in its own way
    raise SimulationError(
        f"MuJoCo cannot render off-screen here ({error}); on Debian or Ubuntu: "
        "apt install libegl1 libgl1-mesa-dri, or set MUJOCO_GL=osmesa with libosmesa6"
    ) from error

MAX_OBJECTS = 12
RING = 32
"""Vertices around a mesh of revolution."""


@dataclass(frozen=True)
class Rendering:
    """A picture and its truth: uint8[H,W,3] RGB, and uint8[H,W] with i + 1 on object i, else 0."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


class World:
    """A world to look at. Use as a context manager: the renderer holds a GL context."""

    def __init__(self, width: int = 640, height: int = 480) -> None:
        self._size = (width, height)
        self._model = mujoco.MjModel.from_xml_string(_xml(width, height))
        self._data = mujoco.MjData(self._model)
        self._renderer = mujoco.Renderer(self._model, height, width)
        self._slots = [self._model.geom(f"object{i}").id for i in range(MAX_OBJECTS)]
        # Compiled at the origin, they would share the world's frame and never move.
        self._model.geom_sameframe[self._slots] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
        self._spec = SceneSpec(objects=())
        self.load(self._spec)

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the GL context back."""
        self._renderer.close()

    def load(self, spec: SceneSpec) -> None:
        """Make the world look like `spec`; SimulationError when it holds too many objects."""
        everything = (*spec.objects, *spec.clutter)
        if len(everything) > MAX_OBJECTS:
            raise SimulationError(f"at most {MAX_OBJECTS} objects a scene, got {len(everything)}")
        model = self._model
        for slot in self._slots:
            model.geom_rgba[slot, 3] = 0.0
        for slot, object_ in zip(self._slots, everything, strict=False):
            self._set_object(slot, object_)
        camera = spec.camera
        model.cam_pos[0] = (camera.x, 0.0, camera.height)
        # MuJoCo's camera looks along its -z with +y up; the optical frame has z forward, y down.
        matrix = optical_rotation(camera.tilt, 0.0, camera.roll) @ np.diag([1.0, -1.0, -1.0])
        mujoco.mju_mat2Quat(model.cam_quat[0], matrix.ravel())
        model.cam_fovy[0] = math.degrees(camera.fovy)
        floor = model.geom("floor").id
        model.geom_matid[floor] = model.material(f"floor{spec.floor}").id
        model.geom_rgba[floor, :3] = spec.floor_rgb
        model.mat_rgba[model.geom_matid[floor], :3] = spec.floor_rgb
        for i in range(3):
            wall = model.geom(f"wall{i}").id
            model.geom_rgba[wall, :3] = spec.wall_rgb
            side = (spec.wall_distance, 0.0) if i == 0 else (0.0, (3 - 2 * i) * spec.wall_distance)
            model.geom_pos[wall, :2] = side
        model.light_pos[0] = spec.light_position
        aim = np.array([1.0, 0.0, 0.0]) - spec.light_position
        model.light_dir[0] = aim / np.linalg.norm(aim)
        model.light_diffuse[0] = spec.light
        model.vis.headlight.ambient[:] = spec.ambient
        model.vis.headlight.diffuse[:] = 0.25
        self._spec = spec
        mujoco.mj_kinematics(model, self._data)
        mujoco.mj_camlight(model, self._data)

    def render(self) -> Rendering:
        """The picture that the scene's camera takes, with the label of every pixel."""
        renderer = self._renderer
        renderer.update_scene(self._data, camera="camera")
        image = renderer.render().copy()
        renderer.enable_segmentation_rendering()
        renderer.update_scene(self._data, camera="camera")
        geoms = renderer.render()[..., 0]
        renderer.disable_segmentation_rendering()
        lookup = np.zeros(self._model.ngeom + 1, np.uint8)
        lookup[self._slots[: len(self._spec.objects)]] = range(1, len(self._spec.objects) + 1)
        return Rendering(image, lookup[geoms])

    @property
    def camera(self) -> Camera:
        """Intrinsics of the pictures and pose of the camera in `base_link`."""
        width, height = self._size
        spec = self._spec.camera
        focal = height / 2 / math.tan(spec.fovy / 2)
        return Camera(
            width=width,
            height=height,
            fx=focal,
            fy=focal,
            # Pixel centres are at integers: the middle of the picture is half a pixel before W/2.
            cx=(width - 1) / 2,
            cy=(height - 1) / 2,
            rotation=optical_rotation(spec.tilt, 0.0, spec.roll),
            position=np.array([spec.x, 0.0, spec.height]),
        )

    def _set_object(self, slot: int, object_: ObjectSpec) -> None:
        model, geom = self._model, mujoco.mjtGeom
        types = {
            "box": geom.mjGEOM_BOX,
            "ball": geom.mjGEOM_SPHERE,
            "cylinder": geom.mjGEOM_CYLINDER,
            "plate": geom.mjGEOM_CYLINDER,
            "capsule": geom.mjGEOM_CAPSULE,
        }
        model.geom_pos[slot] = object_.position
        model.geom_quat[slot] = object_.quaternion
        model.geom_rgba[slot] = (*object_.rgb, 1.0)
        if object_.shape in types:
            model.geom_type[slot] = types[object_.shape]
            model.geom_dataid[slot] = -1
            model.geom_size[slot] = object_.size
            return
        mesh = model.mesh(f"{object_.shape}{object_.variant}").id
        model.geom_type[slot] = geom.mjGEOM_MESH
        model.geom_dataid[slot] = mesh
        # The compiler moves a mesh to its centre of mass; undo that to place its own origin.
        offset, turn = np.zeros(3), np.zeros(4)
        mujoco.mju_rotVecQuat(offset, model.mesh_pos[mesh], np.array(object_.quaternion))
        mujoco.mju_mulQuat(turn, np.array(object_.quaternion), model.mesh_quat[mesh])
        model.geom_pos[slot] += offset
        model.geom_quat[slot] = turn


def _revolve(profile: list[tuple[float, float]]) -> str:
    """Vertex and face attributes of the surface that a (radius, z) profile sweeps around z."""
    angles = 2 * math.pi * np.arange(RING) / RING
    vertices = [(r * math.cos(a), r * math.sin(a), z) for r, z in profile for a in angles]
    faces = []
    for ring in range(len(profile) - 1):
        for i in range(RING):
            a, b = ring * RING + i, ring * RING + (i + 1) % RING
            faces += [(a, b, b + RING), (a, b + RING, a + RING)]
    flat = " ".join(f"{v:.5f}" for vertex in vertices for v in vertex)
    indices = " ".join(str(i) for face in faces for i in face)
    return f'vertex="{flat}" face="{indices}" inertia="shell"'


def _cup(radius: float, height: float) -> str:
    """A cup with a wall and an open inside, origin at its centre."""
    low, top, foot, inner = -height / 2, height / 2, 0.75 * radius, 0.88
    floor = low + 0.1 * height
    eps = 1e-4
    return _revolve(
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
    return _revolve([(eps, low), (radius, low), (radius - eps, low + eps), (eps, top)])


def _xml(width: int, height: int) -> str:
    meshes = [f'<mesh name="cup{i}" {_cup(*s)}/>' for i, s in enumerate(CUP_SIZES)]
    meshes += [f'<mesh name="cone{i}" {_cone(*s)}/>' for i, s in enumerate(CONE_SIZES)]
    patterns = [
        'builtin="flat" rgb1="1 1 1"',
        'builtin="flat" rgb1=".9 .9 .9" mark="random" markrgb=".7 .7 .7" random=".02"',
        'builtin="flat" rgb1=".8 .8 .8" mark="random" markrgb="1 1 1" random=".1"',
        'builtin="checker" rgb1="1 1 1" rgb2=".8 .8 .8"',
        'builtin="checker" rgb1="1 .95 .9" rgb2=".7 .65 .6" mark="edge" markrgb=".5 .5 .5"',
        'builtin="flat" rgb1="1 1 1" mark="edge" markrgb=".6 .6 .6"',
        'builtin="flat" rgb1=".85 .65 .45" mark="random" markrgb=".7 .5 .35" random=".15"',
        'builtin="flat" rgb1=".75 .6 .5" mark="edge" markrgb=".55 .45 .35"',
    ]
    assert len(patterns) == FLOORS
    textures = [
        f'<texture name="floor{i}" type="2d" width="256" height="256" {pattern}/>'
        f'<material name="floor{i}" texture="floor{i}" texrepeat="{2 + i % 3} {2 + i % 3}" '
        f'texuniform="true" specular="0.1" shininess="0.1"/>'
        for i, pattern in enumerate(patterns)
    ]
    walls = [
        f'<geom name="wall{i}" type="box" size="{"0.02 12 3" if i == 0 else "12 0.02 3"}" '
        'pos="0 0 3"/>'
        for i in range(3)
    ]
    # A slot of each kind cannot be compiled without data, so all start as spheres.
    slots = [f'<geom name="object{i}" type="sphere" size=".05"/>' for i in range(MAX_OBJECTS)]
    return f"""
<mujoco model="vlam_world">
  <visual>
    <global offwidth="{width}" offheight="{height}"/>
    <quality shadowsize="1024" offsamples="4"/>
    <map znear="0.01" zfar="50" shadowclip="1"/>
  </visual>
  <statistic extent="3" center="1 0 0"/>
  <asset>{"".join(meshes)}{"".join(textures)}</asset>
  <worldbody>
    <light name="light" pos="0 0 3" dir="0 0 -1" directional="true" castshadow="true"/>
    <camera name="camera" pos="0 0 1"/>
    <geom name="floor" type="plane" size="15 15 0.1"/>
    {"".join(walls)}{"".join(slots)}
  </worldbody>
</mujoco>"""
