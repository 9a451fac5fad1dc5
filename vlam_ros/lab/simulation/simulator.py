"""A robot in a room under the laws of mechanics: it is told what to do, and time passes.

The robot drives on wheels that may slip, leans on its springs, and moves things with its arm; its
sensors measure with the errors of real ones. The same room, seed and commands give the same
measurements, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.mjcf import calibrated, compiled, dress, rendered, segmented
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.robot import (
    ROBOT_GROUP,
    ROD_GROUP,
    UPPER_GROUP,
    ArmServos,
    Suction,
    Wheels,
)
from vlam_ros.lab.simulation.room import ROBOT_RADIUS, RoomSpec, check_room, room_xml
from vlam_ros.lab.simulation.scene import triple
from vlam_ros.lab.simulation.sensors import (
    ROBOT_LIDAR,
    Arrival,
    Imu,
    ImuSpec,
    LidarSpec,
    SpinningLidar,
    steps_between,
)
from vlam_ros.lab.simulation.truth import Contact, ContactLog, Position, Quaternion
from vlam_ros.ros.rotations import roll_pitch
from vlam_ros.types import Camera, GripperState, VelocityCommand

_ROD_SEEN = 0.05
"""m by which the tool is lowered when the camera begins to draw it; higher up it sees it not."""


COMMAND_TIMEOUT = 500_000_000
"""ns of simulated time after which a base that is told nothing stops."""
ODOMETRY_RATE, JOINT_RATE, GRIPPER_RATE = 50.0, 50.0, 20.0
"""Measurements per second."""


class Simulator:
    """A robot in a room. Use as a context manager: images hold GL contexts."""

    def __init__(
        self,
        room: RoomSpec,
        width: int = 640,
        height: int = 480,
        seed: int = 0,
        lidar: LidarSpec = ROBOT_LIDAR,
        timestep: float = 0.0025,
        origin: int = 0,
    ) -> None:
        """Build the room; SimulationError if it cannot be.

        `width` and `height` are of the robot's images, `seed` is of all errors of the sensors,
        `timestep` of the mechanics (s), and `origin` is the time at the start (ns).
        """
        check_room(room)
        self.room, self.origin = room, origin
        self._size = (width, height)
        self._model = compiled(room_xml(room, timestep))
        dress(self._model, room.scene)
        self._data = data = mujoco.MjData(self._model)
        self._lift = int(self._model.joint("arm_lift").qposadr[0])
        self._renderers: dict[tuple[int, int], Any] = {}
        data.qpos[:3], data.qpos[3:7] = room.start.position, room.start.quaternion
        mujoco.mj_forward(self._model, data)
        # Each sensor has its own random numbers, so that none hangs on how often another measures.
        of_lidar, of_imu, of_wheels = np.random.default_rng(seed).spawn(3)
        self._lidar = SpinningLidar(self._model, lidar, timestep, of_lidar)
        self._imu = Imu(ImuSpec(), of_imu)
        self._wheels = Wheels(self._model, data, of_wheels)
        self._arm = ArmServos(self._model, data, timestep)
        self._suction = Suction(self._model, data, len(room.scene.objects))
        self._log = ContactLog(self._model, data, timestep)
        self._timestep, self._step_ns = timestep, round(timestep * 1e9)
        rates = (self._imu.spec.rate, ODOMETRY_RATE, JOINT_RATE, GRIPPER_RATE)
        self._every = [steps_between(rate, timestep) for rate in rates]
        self._gyro, self._force = (data.sensor(s).data for s in ("gyro", "accelerometer"))
        self._steps = 0
        self._stop_at: int | None = None  # steps; None while the base is to stand

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the GL contexts back."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    # --------------------------------------------------------------------------- commands

    def drive(self, velocity: VelocityCommand) -> None:
        """Let the base move like that, for COMMAND_TIMEOUT at most."""
        self._wheels.command(velocity)
        self._stop_at = self._steps + COMMAND_TIMEOUT // self._step_ns

    def reach(self, joints: Sequence[float]) -> None:
        """Let the arm go to pan (rad), extend and lift (m), clipped to their limits."""
        self._arm.reach(joints)

    def grip(self, closed: bool) -> None:
        """Vacuum on: the cup takes the first object that touches it; or off: it lets go."""
        self._suction.command(closed)

    # --------------------------------------------------------------------------- time

    @property
    def now(self) -> int:
        """The time in ns; it begins at `origin` and goes on by whole steps."""
        return self.origin + self._steps * self._step_ns

    def advance(self, until: int) -> list[Arrival]:
        """Let time pass until `until` (ns), and tell what was measured, in order of arrival."""
        arrivals: list[Arrival] = []
        while self.now + self._step_ns <= until:
            self._step(arrivals)
        # What is seen now is of the time now, not of the last step's start.
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        return arrivals

    def _step(self, arrivals: list[Arrival]) -> None:
        data, now, k = self._data, self.now, self._steps
        imu_every, odometry_every, joint_every, gripper_every = self._every
        if self._stop_at is not None and k >= self._stop_at:
            self._wheels.command(VelocityCommand())
            self._stop_at = None
        self._wheels.control(self._timestep)
        self._arm.control()
        measured = arrivals.append
        if k % odometry_every == 0:
            measured(Arrival(now, self._wheels.odometry(now)))
        if k % joint_every == 0:
            measured(Arrival(now, self._arm.state(now)))
        if k % gripper_every == 0:
            measured(Arrival(now, GripperState(now, self._suction.held is not None)))
        mujoco.mj_step(self._model, data)
        # Positions, sensors and contacts are those of the start of the step.
        if k % imu_every == 0:
            measured(Arrival(now, self._imu.reading(now, self._gyro, self._force)))
        swept = self._lidar.cast(data, k)
        if data.ncon > 0:
            held = self._suction.held
            self._log.watch(now, None if held is None else f"object{held}")
            self._suction.take()
        self._steps += 1
        if swept:
            start = self.origin + (self._steps - self._lidar.steps) * self._step_ns
            measured(Arrival(self.now, self._lidar.sweep(start)))

    # --------------------------------------------------------------------------- what is seen

    @property
    def camera(self) -> Camera:
        """Intrinsics of the images and pose of the camera in `base_link`."""
        return calibrated(self.room.scene.camera, *self._size)

    def image(self) -> npt.NDArray[np.uint8]:
        """What the robot's camera sees now: uint8[H,W,3] RGB."""
        return rendered(self._renderer(*self._size), self._data, "camera", self._own_view())

    def overview(self, width: int = 640, height: int = 480) -> npt.NDArray[np.uint8]:
        """The room from above and aside, with the robot: uint8[H,W,3] RGB."""
        option = mujoco.MjvOption()
        option.geomgroup[[UPPER_GROUP, ROBOT_GROUP, ROD_GROUP]] = 1
        return rendered(self._renderer(width, height), self._data, "overview", option)

    def visible(self) -> tuple[int, ...]:
        """How many pixels of the robot's image show each of the scene's objects."""
        renderer = self._renderer(*self._size)
        labels = segmented(renderer, self._data, "camera", self._own_view())
        geoms = [self._model.geom(f"object{i}").id for i in range(len(self.room.scene.objects))]
        return tuple(int(np.count_nonzero(labels == geom)) for geom in geoms)

    def _own_view(self) -> Any:
        """The robot's body is not in its images, but for the tool when it is lowered."""
        option = mujoco.MjvOption()
        option.geomgroup[[UPPER_GROUP, ROBOT_GROUP]] = 0
        option.geomgroup[ROD_GROUP] = self._data.qpos[self._lift] > _ROD_SEEN
        return option

    def _renderer(self, width: int, height: int) -> Any:
        """Each is made when it is first needed."""
        if (width, height) not in self._renderers:
            screen = self._model.vis.global_
            screen.offwidth = max(width, screen.offwidth)
            screen.offheight = max(height, screen.offheight)
            self._renderers[width, height] = mujoco.Renderer(self._model, height, width)
        return self._renderers[width, height]

    # --------------------------------------------------------------------------- the truth

    @property
    def pose(self) -> BasePose:
        """Where `base_link` is."""
        data = self._data
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, data.qpos[3:7])
        yaw = math.atan2(matrix[3], matrix[0])
        roll, pitch = roll_pitch(matrix.reshape(3, 3))
        x, y, z = data.qpos[:3].tolist()
        return BasePose(x, y, z, roll, pitch, yaw)

    @property
    def speed(self) -> float:
        """How fast the base goes over the floor, m/s, with what turning adds at its rim."""
        vx, vy = self._data.qvel[:2].tolist()
        return math.hypot(vx, vy) + ROBOT_RADIUS * abs(float(self._data.qvel[5]))

    @property
    def objects(self) -> tuple[tuple[Position, Quaternion], ...]:
        """Position (m) and turn (w, x, y, z) of each of the scene's objects."""
        bodies = [self._data.body(f"object{i}") for i in range(len(self.room.scene.objects))]
        return tuple((tuple(b.xpos.tolist()), tuple(b.xquat.tolist())) for b in bodies)

    @property
    def tool(self) -> Position:
        """Where the tip of the tool is in the room, m."""
        return triple(self._data.body("tool").xpos)

    @property
    def held(self) -> int | None:
        """The index of the object that the cup holds."""
        return self._suction.held

    @property
    def contacts(self) -> list[Contact]:
        """All that the robot has touched, in order of the first touch."""
        return list(self._log.contacts)
