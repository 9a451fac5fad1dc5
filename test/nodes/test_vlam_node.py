"""vlam_node over real Fast DDS, with a pipeline that the test holds in its hand."""

from __future__ import annotations

import array
import time
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped, QuaternionStamped
from nav_msgs.msg import Odometry
from node_world import GO, World, stamp_of
from sensor_msgs.msg import (
    CameraInfo,
    CompressedImage,
    Image,
    JointState,
    PointCloud2,
    PointField,
)
from std_msgs.msg import Bool
from visualization_msgs.msg import MarkerArray

import vlam_ros.msg
from vlam_ros.ros import inference
from vlam_ros.ros.decision_inputs import inputs_from_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import (
    Camera,
    Decision,
    DecisionInputs,
    DepthImage,
    FloorPlane,
    Missing,
    Obstacles,
    Outcome,
    Reason,
)

# ------------------------------------------------------------------------------ the way through


def test_a_image_is_answered_by_a_chunk_with_its_stamp_and_the_instruction(world: World) -> None:
    pipeline = world.activate()
    stamp = world.show()
    world.say(GO)
    chunk = world.chunk(Outcome.EXECUTE)
    assert (stamp_of(chunk), chunk.header.frame_id) == (stamp, "base_link")
    assert (chunk.instruction, chunk.sequence) == (GO, 1)
    assert abs(chunk.epoch - time.time_ns()) < 60 * 10**9
    assert pipeline.observations[-1].now >= stamp


def test_without_an_instruction_images_are_answered_with_hold(world: World) -> None:
    world.activate()
    stamp = world.show()
    assert stamp_of(world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION)) == stamp


def test_compressed_images_are_decided_on(world: World) -> None:
    pipeline = world.activate()
    data = cv2.imencode(".png", np.full((48, 64, 3), (1, 2, 3), np.uint8))[1].tobytes()
    message = CompressedImage(format="png", data=array.array("B", data))
    message.header = world.image().header
    world.compressed.publish(message)
    world.until(lambda: pipeline.observations)
    assert pipeline.observations[0].stamp == stamp_of(message)
    assert pipeline.observations[0].image[0, 0].tolist() == [3, 2, 1]


def test_a_image_that_comes_by_both_transports_is_decided_on_once(world: World) -> None:
    pipeline = world.activate()
    message = world.image()
    world.show(message)
    # One at a time: of two images that come together the first may be passed over.
    world.until(lambda: len(pipeline.observations) == 1)
    copy = CompressedImage(format="png", data=array.array("B", b"never looked at"))
    copy.header = message.header
    world.compressed.publish(copy)
    world.show()
    world.until(lambda: len(pipeline.observations) == 2)
    world.until(lambda: len(world.chunks) == 2)
    assert {c.reason for c in world.chunks} == {int(Reason.NO_INSTRUCTION)}


def test_the_newest_image_wins_while_inference_is_slow(world: World) -> None:
    pipeline = world.activate()
    pipeline.free.clear()
    first = world.show()
    world.until(pipeline.busy.is_set)
    newest = [world.show() for _ in range(4)][-1]
    pipeline.free.set()
    world.until(lambda: len(world.chunks) == 2)
    assert [o.stamp for o in pipeline.observations] == [first, newest]
    assert [stamp_of(c) for c in world.chunks] == [first, newest]
    assert world.status()[1]["images passed over"] == "3"


def test_ros_goes_on_while_inference_hangs(world: World) -> None:
    pipeline = world.activate()
    pipeline.free.clear()
    world.show()
    world.until(pipeline.busy.is_set)
    world.status()
    world.status()
    assert world.alive == [1], "the lease of 0.2 s lapsed"


def test_overlay_and_markers_are_made_only_while_somebody_looks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def draw(image: Any, decision: Decision, instruction: str) -> Any:
        drawn.append(instruction)
        return image + 1

    monkeypatch.setattr(inference, "draw_overlay", draw)
    world.moving()
    assert drawn == []
    overlays: list[Image] = []
    markers: list[MarkerArray] = []
    world.other.create_subscription(Image, "vlam_node/overlay", overlays.append, 5)
    world.other.create_subscription(MarkerArray, "vlam_node/markers", markers.append, 5)
    world.until(lambda: world.node._outputs.images_wanted == {"~/overlay"})
    world.until(lambda: world.node.count_subscribers("vlam_node/markers"))
    stamp = world.show()
    world.until(lambda: overlays and markers)
    assert drawn == [GO]
    assert (stamp_of(overlays[0]), overlays[0].header.frame_id) == (stamp, "camera_optical")
    assert set(overlays[0].data) == {91}


# ------------------------------------------------------------------------------ instructions


@pytest.mark.parametrize("text", ["", " ", "x" * 10_000, "\x00\x01\x02", "do not go to the box"])
def test_an_invalid_instruction_is_refused_at_once_without_any_image(
    world: World, text: str
) -> None:
    world.activate()
    world.say(text)
    chunk = world.chunk(Outcome.HOLD, Reason.INSTRUCTION_INVALID)
    assert chunk.sequence == 1
    assert chunk.message


def test_a_blank_instruction_is_none(world: World) -> None:
    world.moving()
    world.say(" ")
    assert world.chunk(Outcome.HOLD, Reason.INSTRUCTION_INVALID).sequence == 2
    stamp = world.show()
    world.until(lambda: stamp in [stamp_of(c) for c in world.chunks])
    assert {(c.reason, c.sequence) for c in world.chunks} == {(int(Reason.NO_INSTRUCTION), 2)}


def test_a_new_instruction_stops_the_robot_at_once_and_voids_what_is_under_way(
    world: World,
) -> None:
    pipeline = world.moving()
    pipeline.free.clear()
    world.show()
    world.until(pipeline.busy.is_set)
    world.say("go to the blue ball")
    stop = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert (stop.sequence, stop.instruction) == (2, "go to the blue ball")
    resets = pipeline.resets
    pipeline.free.set()
    assert world.chunk(Outcome.EXECUTE).sequence == 2
    # What the gripper holds is remembered.
    assert pipeline.resets == resets


def test_the_same_instruction_again_goes_on_without_a_stop(world: World) -> None:
    world.moving()
    for _ in range(3):
        world.say(GO)
        stamp = world.show()
        world.until(lambda stamp=stamp: stamp in [stamp_of(c) for c in world.chunks])
    # One that is known to have arrived, after those.
    world.say("go to the blue ball")
    world.until(lambda: world.chunks[-1].instruction != GO)
    assert {(c.outcome, c.sequence) for c in world.chunks if c.instruction == GO} == {
        (Outcome.EXECUTE, 1)
    }


# ------------------------------------------------------------------------------ bad input


def test_after_a_bad_image_the_robot_holds_and_the_next_good_one_works(world: World) -> None:
    pipeline = world.moving()
    bad = world.image()
    bad.step = 5
    stamp = world.show(bad)
    chunk = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert stamp_of(chunk) == stamp
    assert "step of a 64x48 rgb8 image must be at least 192 bytes, got 5" in chunk.message
    level, values = world.status()
    assert level == DiagnosticStatus.WARN
    assert [values[k] for k in ("model", "backend", "device", "precision")] == [
        "a model", "torch", "cpu", "float32",
    ]  # fmt: skip
    assert values["notes"] == "no GPU here"
    assert "step of a 64x48" in values["last error"]
    good = world.show()
    assert stamp_of(world.chunk(Outcome.EXECUTE)) == good
    assert pipeline.observations[-1].stamp == good


def test_a_fault_of_the_pipeline_holds_and_the_node_goes_on(world: World) -> None:
    pipeline = world.moving()
    pipeline.error = RuntimeError("out of memory")
    world.show()
    chunk = world.chunk(Outcome.HOLD, Reason.INTERNAL_ERROR)
    assert chunk.message == "RuntimeError: out of memory"
    assert world.status()[0] == DiagnosticStatus.ERROR
    pipeline.error = None
    world.show()
    world.chunk(Outcome.EXECUTE)


def test_the_camera_is_missing_until_a_usable_camera_info_comes(world: World) -> None:
    pipeline = world.activate()

    def camera_after(info: CameraInfo | None) -> Camera | Missing:
        if info is not None:
            before = world.node._inputs.latest.camera
            world.infos.publish(info)
            world.until(lambda: world.node._inputs.latest.camera is not before)
        seen = len(pipeline.observations)
        world.show()
        world.until(lambda: len(pipeline.observations) > seen)
        return pipeline.observations[-1].camera

    none = camera_after(None)
    assert isinstance(none, Missing)
    assert "no camera_info" in none.reason
    info = CameraInfo(width=64, height=48)
    info.header.frame_id = "camera_optical"
    uncalibrated = camera_after(info)
    assert isinstance(uncalibrated, Missing)
    assert "fx=0" in uncalibrated.reason
    info.k = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]
    calibrated = camera_after(info)
    assert isinstance(calibrated, Camera)
    assert calibrated.position.tolist() == [0.10, 0.0, 0.60]


def test_a_camera_info_of_another_size_holds(world: World) -> None:
    world.moving()
    info = CameraInfo(width=640, height=480)
    info.header.frame_id = "camera_optical"
    info.k = [600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0]
    world.infos.publish(info)
    world.until(lambda: isinstance(world.node._inputs.latest.camera, Camera))
    world.show()
    chunk = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert "camera_info is for 640x480 images, the image has 64x48" in chunk.message


def test_all_sensors_reach_the_decision(world: World) -> None:
    pipeline = world.activate()
    message = world.image()
    stamp = message.header.stamp
    depth = Image(height=48, width=64, encoding="16UC1", step=128)
    depth.data = array.array("B", bytes([232, 3]) * (48 * 64))
    depth.header.stamp = stamp
    odometry = Odometry()
    odometry.header.stamp = stamp
    joints = JointState(name=["lift"], position=[0.5])
    joints.header.stamp = stamp
    attitude = QuaternionStamped()
    attitude.header.stamp = stamp
    floor = PoseStamped()
    floor.header.stamp, floor.header.frame_id = stamp, "base_link"
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    cloud = PointCloud2(height=1, width=1, point_step=12, row_step=12, fields=fields)
    cloud.data = array.array("B", np.array([1, 2, 3], "<f4").tobytes())
    cloud.header.stamp, cloud.header.frame_id = stamp, "base_link"
    for topic, sent in {
        "depth": depth,
        "odom": odometry,
        "joint_states": joints,
        "attitude": attitude,
        "floor": floor,
        "obstacles": cloud,
        "gripper_state": Bool(data=True),
    }.items():
        publisher = world.other.create_publisher(type(sent), topic, 1)
        world.until(publisher.get_subscription_count)
        publisher.publish(sent)

    def all_there() -> bool:
        latest = world.node._inputs.latest
        return bool(latest.depths) and not any(
            isinstance(getattr(latest, name), Missing)
            for name in ("odometry", "joints", "attitude", "floor", "obstacles", "gripper")
        )

    world.until(all_there)
    world.show(message)
    world.until(lambda: pipeline.observations)
    seen = pipeline.observations[0]
    assert isinstance(seen.depth, DepthImage)
    assert seen.depth.depth[47, 63] == 1.0
    assert isinstance(seen.obstacles, Obstacles)
    assert seen.obstacles.points.tolist() == [[1, 2, 3]]
    assert isinstance(seen.floor, FloorPlane)
    assert (seen.floor.normal, seen.floor.offset) == ((0.0, 0.0, 1.0), 0.0)
    for data in (seen.odometry, seen.joints, seen.attitude, seen.gripper):
        assert not isinstance(data, Missing)


# ------------------------------------------------------------------------------ for a replay


def inputs_heard(world: World) -> list[DecisionInputs]:
    """What every decision was made on, from now on."""
    heard: list[DecisionInputs] = []
    world.other.create_subscription(
        vlam_ros.msg.DecisionInputs,
        "decision_inputs",
        lambda message: heard.append(inputs_from_message(message)),
        profile("decision_inputs"),
    )
    world.until(lambda: world.node.count_subscribers("decision_inputs"))
    return heard


def test_what_a_decision_was_made_on_is_published(world: World) -> None:
    pipeline = world.activate()
    heard = inputs_heard(world)
    odometry = Odometry()
    message = world.image()
    odometry.header.stamp = message.header.stamp
    publisher = world.other.create_publisher(Odometry, "odom", 1)
    world.until(publisher.get_subscription_count)
    publisher.publish(odometry)
    world.until(lambda: not isinstance(world.node._inputs.latest.odometry, Missing))
    stamp = world.show(message)
    world.until(lambda: heard)
    seen = pipeline.observations[0]
    assert heard[0] == DecisionInputs.of(seen, None, era=0)
    known = {sensor.name: sensor for sensor in heard[0].sensors}
    assert (heard[0].stamp, known["odometry"].stamp) == (stamp, stamp)
    assert known["attitude"].missing == "no attitude yet"
    world.say(GO)
    world.until(lambda: len(heard) == 2)
    assert heard[1].request == world.node._runtime.request


def test_a_decision_that_a_newer_instruction_overtook_is_published_as_such(world: World) -> None:
    pipeline = world.moving()
    heard = inputs_heard(world)
    pipeline.free.clear()
    world.show()
    world.until(pipeline.busy.is_set)
    world.say("go to the blue ball")
    world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    pipeline.free.set()
    assert world.chunk(Outcome.EXECUTE).sequence == 2
    world.until(lambda: len(heard) == 2)
    assert [i.published for i in heard] == [False, True]
    assert [i.request.text for i in heard if i.request] == [GO, "go to the blue ball"]


def test_a_image_that_was_not_decided_on_has_no_inputs(world: World) -> None:
    world.moving()
    heard = inputs_heard(world)
    bad = world.image()
    bad.step = 5
    world.show(bad)
    world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    good = world.show()
    world.until(lambda: heard)
    assert [i.stamp for i in heard] == [good]
