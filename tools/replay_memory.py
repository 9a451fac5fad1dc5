"""How much memory a replay takes: tools/replay_memory.py [--gigabytes G] [--folder DIR].

Makes a bag of raw images 640 × 480 and LiDAR sweeps out of the simulator, replays it, and prints
how much the process grew while it did, above the loaded model. The bag is deleted afterwards.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

os.environ.setdefault("MUJOCO_GL", "egl")

import numpy as np
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.bags import BagWriter
from vlam_ros.lab.live.measured import sweep_to_message
from vlam_ros.lab.replay.job import ReplayJob, load_pipeline, replay_bag
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.simulation.rooms import named_room
from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.mount import Mount
from vlam_ros.types import Camera, LidarSweep, Uint8Array, VelocityCommand

SECOND = 10**9
EPOCH = 1_750_000_000 * SECOND
PERIOD = SECOND // 10
MOUNT = Mount(np.eye(3), np.array(ROBOT_LIDAR.mount))
VIEWS = 40
"""Images and sweeps that are rendered; the bag repeats them with new stamps."""


def main() -> None:
    """Make, replay, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", help="where the bag is made (the temporary folder)")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as folder:
        bag = Path(folder) / "large"
        make(bag, round(options.gigabytes * 1e9))
        size = sum(part.stat().st_size for part in bag.iterdir())
        settings = Settings.load()
        load_pipeline(settings)
        before = resident()
        with Watch() as watch:
            result = replay_bag(
                ReplayJob(bag, "large", ReplayOptions(), settings, FusionNodeSettings.load())
            )
    print(f"bag                      {size / 1e9:7.2f} GB")
    print(f"decisions                {len(result.run.decisions):7}")
    print(f"with the model loaded    {before / 1e6:7.0f} MB")
    print(f"at most while replaying  {watch.most / 1e6:7.0f} MB")
    print(f"growth                   {(watch.most - before) / 1e6:7.0f} MB")


def make(path: Path, size: int) -> None:
    """Write a bag of about so many bytes."""
    views = list(looked())
    with BagWriter(path, compression=False) as writer:
        for topic, kind in (
            ("/instruction", "std_msgs/msg/String"),
            ("/camera_info", "sensor_msgs/msg/CameraInfo"),
            ("/image", "sensor_msgs/msg/Image"),
            ("/points", "sensor_msgs/msg/PointCloud2"),
        ):
            writer.add(topic, kind)
        writer.write("/instruction", EPOCH, serialize_message(String(data="go to the orange ball")))
        written, stamp = 0, EPOCH
        while written < size:
            image, camera, sweep = views[(stamp - EPOCH) // PERIOD % VIEWS]
            moved = LidarSweep(stamp, sweep.points, sweep.offsets)
            for topic, message in (
                ("/camera_info", camera_to_message(camera, stamp)),
                ("/image", image_to_message(image, stamp, camera.frame_id)),
                ("/points", sweep_to_message(moved, MOUNT, "lidar")),
            ):
                data = serialize_message(message)
                writer.write(topic, stamp, data)
                written += len(data)
            stamp += PERIOD


def looked() -> Iterator[tuple[Uint8Array, Camera, LidarSweep]]:
    """What a robot sees that turns in a room."""
    with Simulator(named_room("pick_and_place")) as simulator:
        sweep = None
        for _ in range(VIEWS + 2):
            simulator.drive(VelocityCommand(0.0, 0.1))
            for arrival in simulator.advance(simulator.now + PERIOD):
                if isinstance(arrival.measured, LidarSweep):
                    sweep = arrival.measured
            if sweep is not None:
                yield simulator.image(), simulator.camera, sweep


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Looks at the memory twenty times a second; `most` is what it saw."""

    def __init__(self) -> None:
        self.most = 0
        self._ended = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.most = max(self.most, resident())


if __name__ == "__main__":
    main()
