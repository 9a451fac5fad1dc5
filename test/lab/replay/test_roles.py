"""Which topic is taken for what."""

from __future__ import annotations

import pytest
from replayed import BAGS

from vlam_ros.errors import ReplayError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.replay.roles import ROLES, assign, parse_mapping

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO, CLOUD, IMU = ROLES["camera_info"], ROLES["points"], ROLES["imu"]
TEXT = "std_msgs/msg/String"


# ------------------------------------------------------------------------------ mapping


@pytest.mark.parametrize("text", ["image:=/camera/image", " image := /camera/image "])
def test_a_mapping_is_a_role_and_its_topic(text: str) -> None:
    assert parse_mapping(text) == ("image", "/camera/image")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image", "a mapping is ROLE:=TOPIC, as image:=/camera/image_raw, got 'image'"),
        ("image=/a", "a mapping is ROLE:=TOPIC, as image:=/camera/image_raw, got 'image=/a'"),
        ("image:=", "a mapping is ROLE:=TOPIC, as image:=/camera/image_raw, got 'image:='"),
        ("point:=/a", "no role 'point' can be mapped: did you mean 'points'?"),
        (
            "xyz:=/a",
            f"no role 'xyz' can be mapped: known: {', '.join(ROLES)}",
        ),
    ],
)
def test_what_is_no_mapping_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReplayError) as caught:
        parse_mapping(text)
    assert str(caught.value) == message


def test_a_mapped_topic_counts_before_all_others() -> None:
    topics = {"/points": CLOUD, "/rear/points": CLOUD, "/image": IMAGE, "/voice": TEXT}
    got = assign(topics, {"points": "/rear/points", "instruction": "/voice"}).topics
    assert got == {"image": "/image", "points": "/rear/points", "instruction": "/voice"}


def test_a_topic_that_is_mapped_is_nothing_else_besides() -> None:
    topics = {"/image": IMAGE, "/points": CLOUD}
    got = assign(topics, {"obstacles": "/points"})
    assert got.topics == {"obstacles": "/points", "image": "/image"}


def test_images_may_be_mapped_whether_they_are_compressed_or_not() -> None:
    topics = {"/a": COMPRESSED, "/b": IMAGE}
    assert assign(topics, {"image": "/a"}).topics == {"image/compressed": "/a"}
    assert assign(topics, {"image/compressed": "/b"}).topics == {"image": "/b"}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"imu": "/imu_data"},
            "imu:=/imu_data: the bag has no such topic; did you mean /imu/data?",
        ),
        (
            {"imu": "/x"},
            "imu:=/x: the bag has no such topic; it has /image, /imu/data, /voice",
        ),
        (
            {"instruction": "/imu/data"},
            "instruction:=/imu/data: the topic is of type sensor_msgs/msg/Imu, std_msgs/msg/String "
            "is needed",
        ),
        (
            {"image": "/voice"},
            "image:=/voice: the topic is of type std_msgs/msg/String, sensor_msgs/msg/Image is "
            "needed",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_the_bag_is_refused(
    mapping: dict[str, str], message: str
) -> None:
    topics = {"/image": IMAGE, "/imu/data": IMU, "/voice": TEXT}
    with pytest.raises(ReplayError) as caught:
        assign(topics, mapping)
    assert str(caught.value) == message


# ------------------------------------------------------------------------------ by name and type


def test_topics_are_found_by_the_names_of_the_nodes_in_any_namespace() -> None:
    topics = {f"/robot1/{role}": kind for role, kind in ROLES.items() if role != "image"}
    topics |= {"/tf": ROLES["tf"], "/tf_static": ROLES["tf_static"]}
    got = assign(topics, {})
    assert got.topics["image/compressed"] == "/robot1/image/compressed"
    assert got.topics["tf"] == "/tf"
    assert got.topics["depth"] == "/robot1/depth"
    assert got.topics["decision_inputs"] == "/robot1/decision_inputs"
    assert set(got.topics) == set(ROLES) - {"image"}
    assert got.notes == ()


def test_the_topic_of_the_root_is_taken_before_those_of_namespaces() -> None:
    got = assign({"/a/image": IMAGE, "/image": IMAGE, "/a/imu": IMU, "/imu": IMU}, {})
    assert got.topics == {"image": "/image", "imu": "/imu"}


def test_raw_images_are_taken_before_compressed_ones() -> None:
    topics = {"/image/compressed": COMPRESSED, "/image": IMAGE}
    assert assign(topics, {}).topics == {"image": "/image"}


def test_packed_depth_is_found_by_name_or_mapped_and_never_taken_for_the_image() -> None:
    packed = "camera_depth/compressedDepth"
    topics = {"/image": IMAGE, f"/robot1/{packed}": COMPRESSED}
    assert assign(topics, {}).topics == {"image": "/image", packed: f"/robot1/{packed}"}
    elsewhere = "/camera/aligned/compressedDepth"
    topics = {"/rgb/compressed": COMPRESSED, elsewhere: COMPRESSED}
    got = assign(topics, {"camera_depth": elsewhere})
    assert got.topics == {packed: elsewhere, "image/compressed": "/rgb/compressed"}
    assert assign(topics, {}).topics == {"image/compressed": "/rgb/compressed"}


def test_points_of_a_livox_driver_in_its_own_type_are_said_not_to_be_read() -> None:
    topics = {"/image": IMAGE, "/livox/lidar": "livox_ros_driver2/msg/CustomMsg"}
    got = assign(topics, {})
    assert got.topics == {"image": "/image"}
    assert got.notes == (
        "/livox/lidar (livox_ros_driver2/msg/CustomMsg) is not read: publish PointCloud2, with "
        "xfer_format 0 of the driver",
    )


def test_the_only_topic_of_a_type_is_taken_whatever_it_is_called_and_said() -> None:
    topics = {"/front/rgb": IMAGE, "/velodyne": CLOUD, "/xsens": IMU, "/voice": TEXT}
    got = assign(topics, {})
    assert got.topics == {"image": "/front/rgb", "points": "/velodyne", "imu": "/xsens"}
    assert got.notes == (
        "/front/rgb is taken for image",
        "/velodyne is taken for points",
        "/xsens is taken for imu",
    )


def test_depth_is_taken_for_no_image() -> None:
    topics = {"/camera/depth/image_rect_raw": IMAGE, "/camera/color/image_raw": IMAGE}
    assert assign(topics, {}).topics == {"image": "/camera/color/image_raw"}


def test_what_is_named_for_one_role_is_taken_for_no_other() -> None:
    topics = {"/image": IMAGE, "/robot1/obstacles": CLOUD}
    assert assign(topics, {}).topics == {"image": "/image", "obstacles": "/robot1/obstacles"}
    assert assign({"/image": IMAGE, "/depth": IMAGE, "/cloud": CLOUD, **topics}, {}).topics == {
        "image": "/image", "depth": "/depth", "points": "/cloud", "obstacles": "/robot1/obstacles",
    }  # fmt: skip


def test_a_topic_of_the_right_name_but_another_type_is_not_taken() -> None:
    topics = {"/image": IMAGE, "/imu": TEXT, "/points": "sensor_msgs/msg/LaserScan"}
    assert assign(topics, {}).topics == {"image": "/image", "scan": "/points"}


def test_which_of_several_sensors_is_meant_is_asked_for_in_a_note() -> None:
    got = assign({"/image": IMAGE, "/b/data": IMU, "/a/data": IMU}, {})
    assert got.topics == {"image": "/image"}
    assert got.notes == (
        "imu is not used: it may be any of /a/data, /b/data; say which, as --map imu:=/a/data",
    )


@pytest.mark.parametrize(
    ("image", "calibration"),
    [
        ("/front/image_raw", "/front/camera_info"),
        ("/front/image_raw/compressed", "/front/camera_info"),
        ("/rear/image_raw", "/rear/camera_info"),
        ("/image", "/camera_info"),
        ("/other/image_raw", "/camera_info"),
    ],
)
def test_of_several_calibrations_the_one_beside_the_images_is_taken(
    image: str, calibration: str
) -> None:
    kind = COMPRESSED if image.endswith("compressed") else IMAGE
    topics = {image: kind, "/third/image": IMAGE, "/camera_info": INFO, "/rear/info": INFO}
    topics |= {"/front/camera_info": INFO, "/rear/camera_info": INFO}
    assert assign(topics, {"image": image}).topics["camera_info"] == calibration


def test_several_topics_with_images_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ReplayError) as caught:
        assign({"/rear/image_raw": IMAGE, "/front/image_raw": IMAGE}, {})
    assert str(caught.value) == (
        "the bag has several topics with images (/front/image_raw, /rear/image_raw): say which "
        "is meant, as --map image:=/front/image_raw"
    )


@pytest.mark.parametrize(
    ("topics", "listed"),
    [({"/voice": TEXT, "/imu": IMU}, f"/imu ({IMU}), /voice ({TEXT})"), ({}, "none at all")],
)
def test_without_images_there_is_nothing_to_decide_on(topics: dict[str, str], listed: str) -> None:
    with pytest.raises(ReplayError) as caught:
        assign(topics, {})
    assert str(caught.value) == (
        f"the bag has no images (sensor_msgs/msg/Image or CompressedImage), only: {listed}"
    )


# ------------------------------------------------------------------------------ real bags


@pytest.mark.parametrize(
    ("bag", "roles"),
    [
        ("pick_and_place", "image/compressed camera_info points imu odom joint_states "
         "gripper_state instruction tf_static"),
        ("level", "image camera_info scan imu odom joint_states gripper_state instruction"),
        ("loop", "image/compressed camera_info points imu odom joint_states gripper_state "
         "instruction"),
        ("foreign.mcap", "image/compressed camera_info points imu odom tf_static"),
    ],
)  # fmt: skip
def test_the_roles_of_the_test_bags(bag: str, roles: str) -> None:
    with BagReader(BAGS / bag) as opened:
        assert list(assign(opened.topics, {}).topics) == roles.split()
