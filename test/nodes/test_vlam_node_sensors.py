"""vlam_node and its other sensors in time: waiting for depth, growing old, bad messages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from node_world import GO, World
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, Int32

from vlam_ros.nodes.vlam_node import DEPTH_MARGIN
from vlam_ros.ros.fused import obstacles_to_message, unseen_to_message
from vlam_ros.ros.images import depth_to_message
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import DepthImage, Missing, Observation, Obstacles, Outcome, Reason


def decided(world: World, count: int = 1) -> list[Observation]:
    """Spin until so many images were decided on."""
    pipeline = world.pipelines[-1]
    world.until(lambda: len(pipeline.observations) >= count)
    return pipeline.observations


def at(world: World, seconds: float, **overrides: object) -> None:
    """An active node that thinks it is this late."""
    world.activate(use_sim_time=True, **overrides)
    world.set_time(seconds)


def advertise(world: World, kind: type, topic: str) -> Publisher:
    publisher = world.other.create_publisher(kind, topic, 5)
    world.until(publisher.get_subscription_count)
    return publisher


def depth_publisher(world: World) -> Publisher:
    publisher = advertise(world, Image, "depth")
    world.until(lambda: world.node._inputs.depth_published)
    return publisher


def depth(stamp: int) -> Image:
    return depth_to_message(DepthImage(stamp, np.ones((48, 64), np.float32)), "camera_optical")


def looked(world: World, times: int = 3) -> None:
    """Spin until the node has looked some times whether an image is due."""
    looks = [0]
    look = world.node._runtime.next

    def counted(now: int) -> Any:
        looks[0] += 1
        return look(now)

    world.node._runtime.next = counted
    world.until(lambda: looks[0] >= times)
    world.node._runtime.next = look


# ------------------------------------------------------------------------------ waiting


def test_without_a_publisher_of_depth_no_image_waits(world: World) -> None:
    at(world, 100.0)
    world.show()
    assert isinstance(decided(world)[0].depth, Missing)


def test_a_image_waits_for_its_depth(world: World) -> None:
    at(world, 100.0)
    depths = depth_publisher(world)
    stamp = world.show()
    looked(world)
    assert world.pipelines[-1].observations == []
    depths.publish(depth(stamp))
    assert isinstance(decided(world)[0].depth, DepthImage)


def info(stamp: int) -> CameraInfo:
    made = CameraInfo(width=64, height=48)
    made.k = [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]
    made.header.frame_id, made.header.stamp = "camera_optical", time_message(stamp)
    return made


@pytest.mark.parametrize("off", [-12, -1, 1, 12])
def test_depth_whose_camera_info_is_stamped_beside_its_image_is_used(
    world: World, off: int
) -> None:
    at(world, 100.0)
    depths = depth_publisher(world)
    world.show()
    for i in range(1, 10):  # of one image nobody knows how far apart they are
        world.set_time(100.0 + i / 30)
        stamp = world.show()
        world.infos.publish(info(stamp + off * 10**6))
        depths.publish(depth(stamp + off * 10**6))
        seen = decided(world, i)[-1]
        assert seen.stamp == stamp
        assert isinstance(seen.depth, DepthImage)
        assert seen.depth.stamp == stamp + off * 10**6
    assert "last error" not in world.status()[1]


def test_camera_info_that_belongs_to_no_image_is_named_in_diagnostics(world: World) -> None:
    at(world, 100.0)
    depth_publisher(world)
    world.infos.publish(info(round(99.5e9)))
    world.until(lambda: world.node._inputs.latest.infos)
    for i in range(8):
        world.set_time(100.0 + i / 30)
        world.show()
    level, values = world.status()
    assert level == DiagnosticStatus.WARN
    assert "camera_info: none is stamped within 17 ms (half a frame) of the last 8 images, the " \
        "nearest is 500 ms off" in values["last error"]  # fmt: skip


def test_a_image_waits_for_what_comes_of_lidar_wait_and_no_longer(world: World) -> None:
    at(world, 100.0, sensors__lidar_wait=0.12)
    depth_publisher(world)
    stamp = world.show()
    world.set_time(100.12 + DEPTH_MARGIN - 0.001)
    looked(world)
    assert world.pipelines[-1].observations == []
    world.set_time(100.12 + DEPTH_MARGIN)
    got = decided(world)[0]
    assert got.stamp == stamp
    assert isinstance(got.depth, Missing)


def test_a_image_that_waits_is_let_go_in_real_time_too(world: World) -> None:
    world.activate(sensors__lidar_wait=0.05)
    depth_publisher(world)
    stamp = world.show()
    assert decided(world)[0].stamp == stamp


def test_the_newest_image_with_depth_wins_and_the_others_are_counted(world: World) -> None:
    at(world, 100.0)
    depths = depth_publisher(world)
    stamps = []
    for i in range(3):
        world.set_time(100.0 + i / 100)
        stamps.append(world.show())
    depths.publish(depth(stamps[1]))
    assert [o.stamp for o in decided(world)] == [stamps[1]]
    assert world.status()[1]["images passed over"] == "1"
    depths.publish(depth(stamps[2]))
    assert [o.stamp for o in decided(world, 2)] == stamps[1:]


def test_a_new_instruction_is_answered_with_the_last_image_decided_on(world: World) -> None:
    at(world, 100.0)
    depths = depth_publisher(world)
    first = world.show()
    depths.publish(depth(first))
    decided(world)
    world.set_time(100.01)
    second = world.show()
    world.say("go to the red box")
    assert [o.stamp for o in decided(world, 2)] == [first, first]
    depths.publish(depth(second))
    assert decided(world, 3)[2].stamp == second


# ------------------------------------------------------------------------------ lost and found


def obstacles(seconds: float) -> PointCloud2:
    return obstacles_to_message(Obstacles(round(seconds * 1e9), np.ones((1, 3), np.float32)))


def bad_obstacles(seconds: float, **changes: str) -> PointCloud2:
    message = obstacles(seconds)
    message.header.frame_id = changes.get("frame", "base_link")
    return message


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (bad_obstacles(100.0, frame="lidar"), "must be in base_link, got 'lidar'"),
        (obstacles(99.0), "obstacles: 1.00 s old, 0.5 s are allowed"),
        (obstacles(110.0), "obstacles: 10.00 s ahead of the clock"),
    ],
)
def test_a_bad_message_does_not_take_the_place_of_a_good_one_which_grows_old(
    world: World, bad: PointCloud2, said: str
) -> None:
    at(world, 100.0)
    publisher = advertise(world, PointCloud2, "obstacles")
    publisher.publish(bad)
    world.until(lambda: said in str(world.node._inputs.latest.obstacles))
    world.show()
    assert decided(world)[0].obstacles == Missing(world.node._inputs.latest.obstacles.reason)

    publisher.publish(obstacles(100.0))
    world.until(lambda: isinstance(world.node._inputs.latest.obstacles, Obstacles))
    world.set_time(100.1)
    publisher.publish(bad)
    errors = world.node.reporter._statistics
    world.until(lambda: said in str(errors._last_error) and errors._last_error)
    world.show()
    assert isinstance(decided(world, 2)[1].obstacles, Obstacles)

    world.set_time(101.0)
    world.show()
    lost = decided(world, 3)[2].obstacles
    assert lost == Missing("obstacles: 1.00 s old, 0.5 s are allowed", lost=True)

    publisher.publish(obstacles(101.0))
    world.until(lambda: world.node._inputs.latest.obstacles.stamp == 101 * 10**9)
    world.set_time(101.1)
    world.show()
    assert isinstance(decided(world, 4)[3].obstacles, Obstacles)


def test_a_bad_camera_info_does_not_take_the_place_of_a_good_one(world: World) -> None:
    world.activate()
    info = CameraInfo(width=64, height=48)
    info.header.frame_id = "camera_optical"
    info.k = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]
    world.infos.publish(info)
    world.until(lambda: not isinstance(world.node._inputs.latest.camera, Missing))
    good = world.node._inputs.latest.camera
    not_finite = CameraInfo(width=64, height=48, header=info.header, k=[math.nan] * 9)
    elsewhere = CameraInfo(width=64, height=48, header=Header(frame_id="gripper"), k=info.k)
    for bad in (not_finite, elsewhere):
        world.node.reporter._statistics._last_error = None
        world.infos.publish(bad)
        world.until(lambda: world.node.reporter._statistics._last_error)
        assert world.node._inputs.latest.camera is good


# ------------------------------------------------------------------------------ nobody watches


def test_a_lidar_that_fusion_node_cannot_use_is_lost_from_the_start(world: World) -> None:
    at(world, 100.0)
    out = advertise(world, PointCloud2, "obstacles")
    out.publish(unseen_to_message(100 * 10**9))
    world.until(lambda: isinstance(world.node._inputs.latest.obstacles, Missing)
                and world.node._inputs.latest.obstacles.lost)  # fmt: skip
    world.show()
    lost = decided(world)[0].obstacles
    assert isinstance(lost, Missing)
    assert lost.lost
    assert "see its diagnostics" in lost.reason


def test_a_range_sensor_that_is_not_heard_is_as_a_path_that_nobody_watches(world: World) -> None:
    at(world, 100.0)
    context = rclpy.Context()
    rclpy.init(context=context)
    stranger = Node("stranger", context=context)
    try:
        stranger.create_publisher(Int32, "range", 5)
        world.until(lambda: world.node._inputs.unheard)
        world.show()
        lost = decided(world)[0].obstacles
        assert isinstance(lost, Missing)
        assert lost.lost
        assert "range: /stranger publishes it as std_msgs/msg/Int32" in lost.reason
        errors = [s for s in world.diagnostics() if s.level == DiagnosticStatus.ERROR]
        assert [(s.name, s.message) for s in errors] == [("vlam_node: inputs", lost.reason)]
    finally:
        stranger.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize("stamp", [0, 10**9, 2**31 * 10**9 - 1])
def test_images_whose_stamps_are_zero_or_stand_still_hold_the_robot_and_are_told_of(
    world: World, stamp: int
) -> None:
    """0; one of long ago, or far ahead, which a driver repeats, is old or early by itself."""
    pipeline = world.activate(policy__max_image_age=0.2)
    world.say(GO)
    message = world.image()
    message.header.stamp = time_message(stamp)

    def told() -> bool:
        world.images.publish(message)
        return any("stamps of images are 0 or stand still" in c.message for c in world.chunks)

    world.until(told)
    told_of = [c for c in world.chunks if "stamps of images" in c.message]
    assert told_of[0].message.endswith("let the camera's driver stamp them")
    assert {(c.outcome, c.reason) for c in told_of} == {(Outcome.HOLD, Reason.STALE_SENSOR)}
    assert len({seen.stamp for seen in pipeline.observations}) == bool(stamp)
    status = world.next_diagnostics()[0]
    assert status.message == "no images: see last error" or pipeline.observations
    values = {pair.key: pair.value for pair in status.values}
    assert values["last error"].endswith("let the camera's driver stamp them")
