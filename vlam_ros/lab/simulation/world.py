"""A MuJoCo scene that takes the shape of any SceneSpec, and the robot's base that senses it.

One compiled model serves all scenes: its geoms are re-typed, moved and re-coloured, which costs
microseconds where a compilation costs a second. Nothing moves by itself: the base goes where it is
put, and time does not pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES, extra_assets
from vlam_ros.lab.simulation.mjcf import (
    calibrated,
    compiled,
    dress,
    floor_xml,
    meshes_xml,
    place_mesh,
    rendered,
    segmented,
    wall_xml,
)
from vlam_ros.lab.simulation.motion import BasePose, Motion, state_at
from vlam_ros.lab.simulation.scene import MAX_OBJECTS, ObjectSpec, SceneSpec, triple
from vlam_ros.lab.simulation.sensors import cast_rays
from vlam_ros.types import Camera, FloatArray


def world_xml(width: int, height: int, assets: str = "") -> str:
    """The model for images of this size in pixels, with further assets.

    Poses, sizes, kinds and colours of objects are placeholders that `World.load` overwrites.
    """
    walls = "".join(wall_xml(i) for i in range(3))
    # A slot of each kind cannot be compiled without data, so all start as spheres.
    slots = [f'<geom name="object{i}" type="sphere" size=".05"/>' for i in range(MAX_OBJECTS)]
    # The frame of the body is base_link. Cameras do not draw group 3, but rays hit it: the robot is
    # seen by its LiDAR, and not by its camera, as images were taken before it had a body.
    return f"""
<mujoco model="vlam_world">
  <option><flag contact="disable"/></option>
  <visual><global offwidth="{width}" offheight="{height}"/></visual>
  <asset>{meshes_xml()}{assets}</asset>
  <include file="scenery.xml"/>
  <worldbody>
    <body name="base">
      <freejoint name="base"/>
      <camera name="camera" pos="0 0 1"/>
      <site name="imu" group="3"/>
      <geom name="chassis" type="cylinder" group="3" size=".18 .115" pos="0 0 .135"/>
      <geom name="mast" type="cylinder" group="3" size=".012 .15" pos="-.15 0 .4"/>
    </body>
    {floor_xml()}{walls}{"".join(slots)}
  </worldbody>
  <sensor><gyro name="gyro" site="imu"/><accelerometer name="accelerometer" site="imu"/></sensor>
</mujoco>"""


@dataclass(frozen=True)
class Rendering:
    """An image and its truth: uint8[H,W,3] RGB, and uint8[H,W] with i + 1 on object i, else 0."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


class World:
    """A world to sense. Use as a context manager: the renderer holds a GL context."""

    def __init__(self, width: int = 640, height: int = 480, extra: bool = False) -> None:
        """Compile it, for images of this size in pixels; `extra` objects are seen in it too."""
        self._size, self._extra = (width, height), extra
        assets = extra_assets() if extra else ""
        self._model = compiled(world_xml(width, height, assets))
        self._data = mujoco.MjData(self._model)
        self._renderer = mujoco.Renderer(self._model, height, width)
        self._slots = [self._model.geom(f"object{i}").id for i in range(MAX_OBJECTS)]
        # Compiled at the origin, they would share the world's frame and never move.
        self._model.geom_sameframe[self._slots] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
        # Rays are spared the geoms whose compiled bounds they miss, and nothing keeps its bounds.
        self._model.body_bvhadr[:] = -1
        self._base = self._model.body("base").id
        self._pose = BasePose()
        self._spec = SceneSpec(objects=())
        self.load(self._spec)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the GL context back."""
        self._renderer.close()

    def load(self, spec: SceneSpec) -> None:
        """Make the world look like `spec`, with the base at its origin.

        SimulationError when it holds too many objects, or extra ones that it was not made for.
        """
        everything = (*spec.objects, *spec.clutter)
        if not self._extra and (strange := {o.shape for o in everything} & {*EXTRA_SHAPES}):
            raise SimulationError(f"{min(strange)!r} is an extra object: use World(extra=True)")
        if len(everything) > MAX_OBJECTS:
            raise SimulationError(f"at most {MAX_OBJECTS} objects a scene, got {len(everything)}")
        model = self._model
        for slot in self._slots:
            model.geom_rgba[slot, 3] = 0.0
        for slot, object_ in zip(self._slots, everything, strict=False):
            self._set_object(slot, object_)
        dress(model, spec)
        self._spec = spec
        self.move(BasePose())

    def move(self, pose: BasePose) -> None:
        """Put the base, and with it the camera, at this pose in the scene."""
        self._pose = pose
        self._data.qpos[:3] = (pose.x, pose.y, pose.z)
        self._data.qpos[3:] = pose.quaternion
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    @property
    def pose(self) -> BasePose:
        """Where the base is."""
        return self._pose

    @property
    def gravity(self) -> tuple[float, float, float]:
        """In the axes of the scene, m/s²; loading a scene keeps it. Only an accelerometer feels it:
        tilted, it stands for a ramp on which the whole scene lies.
        """
        return triple(self._model.opt.gravity)

    @gravity.setter
    def gravity(self, gravity: tuple[float, float, float]) -> None:
        if not np.isfinite(gravity).all():
            raise SimulationError(f"gravity must be finite, got {gravity}")
        self._model.opt.gravity[:] = gravity

    def cast(self, origin: FloatArray, directions: FloatArray) -> npt.NDArray[np.float64]:
        """How far rays go from the base as it stands, the robot's own body in their way.

        From `origin` float[3] (m) along unit vectors float[N,3], both in `base_link`, to the
        nearest surface: float64[N] in m, infinite where there is none.
        """
        turn = self._data.xmat[self._base].reshape(3, 3)
        start = self._data.xpos[self._base] + turn @ origin
        count = len(directions)
        distances, hit = np.empty(count), np.empty(count, np.int32)
        cast_rays(self._model, self._data, start, directions @ turn.T, distances, hit)
        return distances

    def inertial(self, motion: Motion, t: float) -> tuple[FloatArray, FloatArray]:
        """What an ideal IMU at the origin of `base_link` reads at `t` seconds of a motion.

        Angular velocity (rad/s) and specific force (m/s²), float64[3] in the axes of `base_link`.
        The base stays where it was.
        """
        data, pose, state = self._data, self._pose, state_at(motion, t)
        data.qpos[:3], data.qpos[3:] = state.pose.position, state.pose.quaternion
        # A free joint has its linear velocity in the world's axes, its angular one in the body's.
        data.qvel[:3], data.qvel[3:] = state.velocity, state.rate
        data.qacc[:3], data.qacc[3:] = state.acceleration, state.angular_acceleration
        mujoco.mj_inverse(self._model, data)
        rate, force = (data.sensor(name).data.copy() for name in ("gyro", "accelerometer"))
        data.qvel[:], data.qacc[:] = 0.0, 0.0
        self.move(pose)
        return rate, force

    def render(self) -> Rendering:
        """The image that the scene's camera takes, with the label of every pixel."""
        image = rendered(self._renderer, self._data, "camera")
        geoms = segmented(self._renderer, self._data, "camera")
        lookup = np.zeros(self._model.ngeom + 1, np.uint8)
        lookup[self._slots[: len(self._spec.objects)]] = range(1, len(self._spec.objects) + 1)
        return Rendering(image, lookup[geoms])

    @property
    def camera(self) -> Camera:
        """Intrinsics of the images and pose of the camera in `base_link`."""
        return calibrated(self._spec.camera, *self._size)

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
        # Rays that miss this box around the mesh's centre are not tried on its faces.
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        model.geom_size[slot] = np.abs(model.mesh_vert[first : first + count]).max(axis=0)
        place_mesh(model, slot, mesh)
