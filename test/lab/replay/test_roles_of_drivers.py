"""Which topics of real drivers are taken for what, and what is said of it."""

from __future__ import annotations

import pytest

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.roles import ROLES, assign

IMAGE, COMPRESSED = ROLES["image"], ROLES["image/compressed"]
INFO, CLOUD, IMU, ODOM = (ROLES[r] for r in ("camera_info", "points", "imu", "odom"))


def topics(kind: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, kind)


def camera(*names: str) -> dict[str, str]:
    """Images, each with its calibration beside it."""
    return topics(IMAGE, *names) | topics(
        INFO, *(f"{n.rpartition('/')[0]}/camera_info" for n in names)
    )


REALSENSE = camera(
    "/camera/camera/infra1/image_rect_raw", "/camera/camera/infra2/image_rect_raw",
    "/camera/camera/depth/image_rect_raw", "/camera/camera/aligned_depth_to_color/image_raw",
    "/camera/camera/color/image_raw",
)  # fmt: skip
REALSENSE |= topics(IMU, *(f"/camera/camera/{n}" for n in ("imu", "gyro/sample", "accel/sample")))
REALSENSE |= topics(COMPRESSED, "/camera/camera/color/image_raw/compressed")
REALSENSE |= topics(CLOUD, "/camera/camera/depth/color/points")
ZED = camera(
    "/zed/zed_node/left/image_rect_color", "/zed/zed_node/right/image_rect_color",
    "/zed/zed_node/rgb/image_rect_color", "/zed/zed_node/depth/depth_registered",
    "/zed/zed_node/confidence/confidence_map", "/zed/zed_node/stereo/image_rect_color",
) | topics(IMU, "/zed/zed_node/imu/data", "/zed/zed_node/imu/data_raw")  # fmt: skip
ZED |= topics(CLOUD, "/zed/zed_node/point_cloud/cloud_registered")
ZED |= topics(ODOM, "/zed/zed_node/odom")
OAK = camera(
    "/oak/left/image_raw", "/oak/right/image_raw", "/oak/stereo/image_raw", "/oak/rgb/image_raw"
)
KINECT = camera(
    "/depth/image_raw", "/depth_to_rgb/image_raw", "/ir/image_raw", "/rgb/image_raw",
    "/rgb_to_depth/image_raw",
)  # fmt: skip
KITTI = camera(
    *(f"/kitti/camera_{c}_{s}/image_raw" for c in ("gray", "color") for s in ("right", "left"))
)
OUSTER = topics(
    IMAGE, "/ouster/range_image", "/ouster/signal_image", "/ouster/reflec_image",
    "/ouster/nearir_image", "/cam/image_raw",
) | topics(IMU, "/ouster/imu", "/imu/data")  # fmt: skip
GAZEBO = topics(IMAGE, "/depth_camera/depth_image", "/depth_camera/image")
OURS = topics(IMAGE, "/vlam_node/overlay", "/fusion_node/depth_dense", "/rgb/image_raw")
MASKS = topics(IMAGE, "/segmentation/image", "/yolo/dbg_image", "/usb_cam/image_raw")
TURTLEBOT = topics(IMAGE, "/oakd/rgb/preview/image_raw", "/oakd/rgb/preview/depth")


@pytest.mark.parametrize(
    ("bag", "role", "topic"),
    [
        (REALSENSE, "image", "/camera/camera/color/image_raw"),
        (REALSENSE, "camera_info", "/camera/camera/color/camera_info"),
        (REALSENSE | topics(IMU, "/imu/data"), "imu", "/imu/data"),
        (REALSENSE, "imu", "/camera/camera/imu"),
        (REALSENSE | topics(CLOUD, "/velodyne_points"), "points", "/velodyne_points"),
        (REALSENSE | topics(CLOUD, "/livox/lidar", "/map_cloud"), "points", "/livox/lidar"),
        (ZED, "image", "/zed/zed_node/rgb/image_rect_color"),
        (ZED, "camera_info", "/zed/zed_node/rgb/camera_info"),
        (ZED, "imu", "/zed/zed_node/imu/data"),
        (ZED | topics(IMU, "/imu"), "imu", "/imu"),
        (ZED | topics(ODOM, "/wheels/odom"), "odom", "/wheels/odom"),
        (ZED | topics(CLOUD, "/ouster/points"), "points", "/ouster/points"),
        (OAK, "image", "/oak/rgb/image_raw"),
        (KINECT, "image", "/rgb/image_raw"),
        (KITTI, "image", "/kitti/camera_color_left/image_raw"),
        (KITTI, "camera_info", "/kitti/camera_color_left/camera_info"),
        (OUSTER, "image", "/cam/image_raw"),
        (OUSTER, "imu", "/imu/data"),
        (GAZEBO, "image", "/depth_camera/image"),
        (OURS, "image", "/rgb/image_raw"),
        (MASKS, "image", "/usb_cam/image_raw"),
        (TURTLEBOT, "image", "/oakd/rgb/preview/image_raw"),
        (topics(IMAGE, "/camera/rgb/image_color", "/camera/depth/image"), "image",
         "/camera/rgb/image_color"),
        (topics(COMPRESSED, "/a/rgb/image_raw/compressed", "/a/depth/image/compressed"),
         "image/compressed", "/a/rgb/image_raw/compressed"),
        (topics(IMAGE, "/infra1/image_rect_raw") | topics(COMPRESSED, "/color/image/compressed"),
         "image/compressed", "/color/image/compressed"),
        (topics(IMAGE, "/robot1/cam/image_raw") | topics(ODOM, "/robot1/odom", "/robot2/odom"),
         "odom", "/robot1/odom"),
        (topics(IMAGE, "/a/image") | topics(ODOM, "/odometry/filtered", "/odometry/gps"), "odom",
         "/odometry/filtered"),
    ],
)  # fmt: skip
def test_of_several_topics_the_one_that_is_meant_is_taken(
    bag: dict[str, str], role: str, topic: str
) -> None:
    for listed in (bag, dict(reversed(bag.items()))):
        got = assign(listed, {})
        assert got.topics.get(role) == topic
        assert "depth" not in got.topics
        others = [t for t, kind in bag.items() if kind == bag[topic] and t != topic]
        if role in ("image", "imu", "odom", "points") and len(others) > 1 and topic != "/imu":
            assert any(note.startswith(f"{topic} is taken for {role}") for note in got.notes)


def test_what_is_passed_by_is_named() -> None:
    stereo = camera("/stereo/right/image_raw", "/stereo/left/image_raw")
    assert assign(stereo, {}).notes == (
        "/stereo/left/image_raw is taken for image, rather than /stereo/right/image_raw",
    )


def test_a_calibration_of_other_images_is_not_used() -> None:
    bag = topics(IMAGE, "/camera/rgb/image_raw") | topics(INFO, "/camera/depth/camera_info")
    got = assign(bag, {})
    assert got.topics == {"image": "/camera/rgb/image_raw"}
    assert got.notes[-1] == (
        "camera_info is not used: /camera/depth/camera_info is of other images; say if it is not, "
        "as --map camera_info:=/camera/depth/camera_info"
    )
    elsewhere = topics(IMAGE, "/image_raw") | topics(INFO, "/usb_cam/camera_info")
    got = assign(elsewhere, {})
    assert got.topics["camera_info"] == "/usb_cam/camera_info"
    assert "/usb_cam/camera_info is taken for camera_info" in got.notes


def test_a_camera_s_own_depth_is_not_what_fusion_node_made() -> None:
    bag = topics(IMAGE, "/color/video/image", "/stereo/depth") | topics(CLOUD, "/points")
    assert assign(bag, {}).topics == {"image": "/color/video/image", "points": "/points"}
    bag |= {"/stereo/attitude": ROLES["attitude"]}
    assert assign(bag, {}).topics["depth"] == "/stereo/depth"


def test_depth_alone_is_no_image() -> None:
    with pytest.raises(ReplayError, match="the bag has no images"):
        assign(camera("/camera/depth/image_rect_raw"), {})


def test_two_cameras_alike_are_asked_for() -> None:
    with pytest.raises(ReplayError, match="/CAM_BACK/image, /CAM_FRONT/image"):
        assign(topics(IMAGE, "/CAM_FRONT/image", "/CAM_BACK/image"), {})
