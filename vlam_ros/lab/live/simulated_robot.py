"""A simulated robot with its nodes, for commands that show or try the whole system.

The nodes run in processes of their own and are talked to over ROS 2 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.lab.evaluation.drive import SensedDrive
from vlam_ros.lab.live.client import VlamClient
from vlam_ros.lab.live.measured import as_it_is
from vlam_ros.lab.live.node_process import node_processes
from vlam_ros.lab.simulation.motion import Standing
from vlam_ros.lab.simulation.robot import ARM
from vlam_ros.lab.simulation.scene import CameraSpec, SceneSpec
from vlam_ros.lab.simulation.sensors import Arrival
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import Camera, GripperState, JointState, Odometry, Uint8Array

PAUSE = 200_000_000
"""ns that sensors may be late before measuring starts anew: their user had something else to do."""
ONE_DAY = 86_400.0


@dataclass(frozen=True)
class SimulatedRobot:
    """What a robot that stands in a scene sees, and the way to its nodes.

    `keep_alive` publishes what its sensors measure, and raises if a node has ended: it is to be
    called every few milliseconds.
    """

    client: VlamClient
    image: Uint8Array
    camera: Camera
    keep_alive: Callable[[], None]


@contextmanager
def simulated_robot(
    scene: SceneSpec,
    logs: Path,
    model: str = "embedded",
    fault_injection: Callable[[str, Any], Any] = as_it_is,
) -> Iterator[SimulatedRobot]:
    """Start fusion_node and vlam_node for a robot that stands in a scene, until the context ends.

    They print into the folder `logs`; `fault_injection` is as in `VlamClient`.
    """
    mount = camera_parameters(scene.camera)
    deciding = {**mount, "model.name_or_path": model}
    with World() as world:
        world.load(scene)
        image, camera = world.render().image, world.camera
        with (
            node_processes({"fusion_node": mount, "vlam_node": deciding}, logs) as check_nodes,
            VlamClient(
                lidar=FusionNodeSettings.load().lidar, fault_injection=fault_injection
            ) as client,
        ):
            sensors = LiveSensors(world, client)

            def keep_alive() -> None:
                check_nodes()
                sensors.publish()

            yield SimulatedRobot(client, image, camera, keep_alive)


def camera_parameters(camera: CameraSpec) -> dict[str, Any]:
    """What both nodes must know: the mount of the simulated camera."""
    return {
        "camera.x": camera.x,
        "camera.y": 0.0,
        "camera.height": camera.height,
        "camera.tilt": camera.tilt,
        "camera.yaw": 0.0,
    }


class LiveSensors:
    """Publishes what the sensors of a standing robot measure, at the time at which it is there."""

    def __init__(self, world: World, client: VlamClient) -> None:
        self._client = client
        self._drive = SensedDrive(world, Standing(), np.random.default_rng(0))
        self._next: Arrival
        self._start()

    def publish(self) -> None:
        """Publish all that is there by now. To be called every few milliseconds."""
        elapsed = self._client.now() - self._origin
        if elapsed - self._next.now > PAUSE:
            self._start()
            return
        while self._next.now <= elapsed:
            measured = self._next.measured
            stamp = measured.stamp + self._origin
            self._client.measure(replace(measured, stamp=stamp))
            if isinstance(measured, Odometry):  # its arm rests, and its gripper is empty
                self._client.measure(JointState(stamp, tuple(ARM), tuple(0.0 for _ in ARM)))
                self._client.measure(GripperState(stamp, holding=False))
            self._next = next(self._arrivals)

    def _start(self) -> None:
        self._origin = self._client.now()
        self._arrivals = self._drive.arrivals(0.0, ONE_DAY)
        self._next = next(self._arrivals)
