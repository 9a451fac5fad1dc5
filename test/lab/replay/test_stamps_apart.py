"""Drivers that stamp camera_info a little beside its image: a replay knows what the nodes know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fusion_world import PLACED, FusionWorld, ns
from replayed import SETTINGS, image
from sensor_msgs.msg import CameraInfo

from vlam_ros.fusion import Sensors
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.sensing import BagSensors
from vlam_ros.ros.images import image_from_message
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import DepthImage, Missing, Observation

FRAME = 1 / 30
IMAGES = [round(100.0 + i * FRAME, 6) for i in range(10)]
PIXELS = image(0, size=(64, 48))


@pytest.fixture
def world() -> Iterator[FusionWorld]:
    world = FusionWorld()
    yield world
    world.close()


class SharedDrive:
    """What a fusion_node and a replay are told of the same drive: images, camera_info, LiDAR."""

    def __init__(self, world: FusionWorld) -> None:
        self.world = world
        world.activate(at=IMAGES[0])
        vlam, fusion = SETTINGS
        placed = {name.partition("__")[2]: value for name, value in PLACED.items() if "__" in name}
        fusion = replace(fusion, camera=replace(fusion.camera, **placed))
        vlam = replace(vlam, camera=replace(vlam.camera, **placed))
        self.notes = Notes()
        self.bag = BagSensors(vlam, fusion, True, self.notes)
        self.live = Sensors()
        self.limits = vlam.sensors
        self._publish(world.infos, "camera_info")
        self._publish(world.points, "points")

    def _publish(self, publisher: object, role: str) -> None:
        """Whatever the node is sent, the replay is fed."""
        send = publisher.publish  # type: ignore[attr-defined]

        def both(message: object) -> None:
            send(message)
            self.bag.feed(role, message, self.world.node.get_clock().now().nanoseconds)

        publisher.publish = both  # type: ignore[attr-defined]

    def drive(self, off: float, every: int = 1) -> list[tuple[Observation, Observation]]:
        """What was known of each image live, and in the replay; camera_info is `off` seconds beside
        `every` so many images.
        """
        known = []
        for number, at in enumerate(IMAGES):
            self.world.set_time(at + FRAME / 2)
            self.world.sweep(at + FRAME / 2)
            self.bag.saw_image(ns(at))
            self.live = self.live.with_stamp("frames", ns(at))
            if number % every == 0:
                announced = self.world.image(at + off)
                self.live = self.live.with_data("depth", self.world.depth(announced)).with_stamp(
                    "infos", announced
                )
            now = ns(at + FRAME / 2)
            pixels = image_from_message(PIXELS)
            live = self.live.observation(pixels, ns(at), now, self.limits)
            known.append((live, self.bag.observe(PIXELS, ns(at), now)))
        return known


@pytest.mark.parametrize("off", [0.0, 0.001, -0.001, 0.012, -0.012])
def test_depth_is_the_same_in_the_nodes_and_in_a_replay(world: FusionWorld, off: float) -> None:
    shared = SharedDrive(world)
    known = shared.drive(off)
    for at, (live, replayed) in list(zip(IMAGES, known, strict=True))[1:]:
        assert isinstance(live.depth, DepthImage)
        assert isinstance(replayed.depth, DepthImage)
        assert live.depth.stamp == replayed.depth.stamp == ns(at + off)
        np.testing.assert_array_equal(live.depth.depth, replayed.depth.depth)
        assert np.isfinite(live.depth.depth).sum() > 100
    assert shared.notes.lines == ()


def test_images_without_camera_info_have_no_depth_in_either(world: FusionWorld) -> None:
    known = SharedDrive(world).drive(0.001, every=2)
    for number, (live, replayed) in list(enumerate(known))[2:]:
        kinds = {type(live.depth), type(replayed.depth)}
        assert kinds == ({Missing} if number % 2 else {DepthImage})


def test_camera_info_of_no_image_is_named_in_both(world: FusionWorld) -> None:
    shared = SharedDrive(world)
    known = shared.drive(0.001, every=1000)
    for live, replayed in known[2:]:
        assert isinstance(live.depth, Missing)
        assert isinstance(replayed.depth, Missing)
    said = "none is stamped within 17 ms (half a frame) of the last 8 images"
    assert shared.live.unannounced().startswith(said)
    assert any(line.startswith(f"camera_info: {said}") for line in shared.notes.lines)


def test_the_one_calibration_of_a_bag_is_no_reason_to_wait(world: FusionWorld) -> None:
    shared = SharedDrive(world)
    info = CameraInfo()
    info.header.stamp = time_message(ns(90.0))
    shared.bag.feed("camera_info", info, ns(90.0))
    assert shared.bag.ready(ns(100.0))
