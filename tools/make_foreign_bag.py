"""Makes a bag as another team would: tools/make_foreign_bag.py [FOLDER].

Nothing of vlam_ros is in it, neither its simulator nor its writer of bags: the world, the robot,
its frames and its topics are the script's own, and MCAP is written with mcap-ros2-support. Two runs
on one machine give the same bytes; on another one pixels and last bits may differ.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")

import cv2
import mujoco
import numpy as np
from bag_manifest import describe, enter
from mcap.writer import CompressionType
from mcap_ros2.writer import Writer
from numpy.typing import NDArray

Array = NDArray[np.float64]

FOLDER = Path(__file__).parents[1] / "test" / "data" / "bags"
NAME = "foreign"
PURPOSE = (
    "Not made by this project: another simulation, another writer (mcap-ros2-support, lz4), other "
    "topics and frames. The lens distorts, the LiDAR is turned and stamps the end of its sweeps, "
    "the IMU is upside down. The robot stands; objects are the centres in base_link, m."
)
SECOND, MS = 10**9, 10**6
START = 1_760_000_000 * SECOND
LENGTH = 3 * SECOND
SAID = {300 * MS: "go to the red cup", 1900 * MS: "bring me the green ball"}

# ------------------------------------------------------------------------------- messages

HEADER = "std_msgs/Header header\n"
DEFINITIONS = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/String": "string data",
    "geometry_msgs/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
    "geometry_msgs/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation",
    "geometry_msgs/Twist": "geometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular",
    "geometry_msgs/PoseWithCovariance": "geometry_msgs/Pose pose\nfloat64[36] covariance",
    "geometry_msgs/TwistWithCovariance": "geometry_msgs/Twist twist\nfloat64[36] covariance",
    "geometry_msgs/Transform":
        "geometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation",
    "geometry_msgs/TransformStamped":
        HEADER + "string child_frame_id\ngeometry_msgs/Transform transform",
    "tf2_msgs/TFMessage": "geometry_msgs/TransformStamped[] transforms",
    "nav_msgs/Odometry":
        HEADER + "string child_frame_id\ngeometry_msgs/PoseWithCovariance pose\n"
        "geometry_msgs/TwistWithCovariance twist",
    "sensor_msgs/CompressedImage": HEADER + "string format\nuint8[] data",
    "sensor_msgs/RegionOfInterest":
        "uint32 x_offset\nuint32 y_offset\nuint32 height\nuint32 width\nbool do_rectify",
    "sensor_msgs/CameraInfo":
        HEADER + "uint32 height\nuint32 width\nstring distortion_model\nfloat64[] d\nfloat64[9] k\n"
        "float64[9] r\nfloat64[12] p\nuint32 binning_x\nuint32 binning_y\n"
        "sensor_msgs/RegionOfInterest roi",
    "sensor_msgs/PointField": "string name\nuint32 offset\nuint8 datatype\nuint32 count",
    "sensor_msgs/PointCloud2":
        HEADER + "uint32 height\nuint32 width\nsensor_msgs/PointField[] fields\nbool is_bigendian\n"
        "uint32 point_step\nuint32 row_step\nuint8[] data\nbool is_dense",
    "sensor_msgs/Imu":
        HEADER + "geometry_msgs/Quaternion orientation\nfloat64[9] orientation_covariance\n"
        "geometry_msgs/Vector3 angular_velocity\nfloat64[9] angular_velocity_covariance\n"
        "geometry_msgs/Vector3 linear_acceleration\nfloat64[9] linear_acceleration_covariance",
}  # fmt: skip
TOPICS = {
    "/tf_static": "tf2_msgs/TFMessage",
    "/voice": "std_msgs/String",
    "/front_rgb/image_color/compressed": "sensor_msgs/CompressedImage",
    "/front_rgb/camera_info": "sensor_msgs/CameraInfo",
    "/velodyne_points": "sensor_msgs/PointCloud2",
    "/imu/data": "sensor_msgs/Imu",
    "/wheel/odom": "nav_msgs/Odometry",
}


def definition(kind: str) -> str:
    """The definition of a type, and behind it those of all types in it."""
    needed, found = [kind], [kind]
    while needed:
        for line in DEFINITIONS[needed.pop()].splitlines():
            inner = line.split()[0].partition("[")[0]
            if inner in DEFINITIONS and inner not in found:
                found.append(inner)
                needed.append(inner)
    parts = [DEFINITIONS[kind], *(f"MSG: {name}\n{DEFINITIONS[name]}" for name in found[1:])]
    return f"\n{'=' * 80}\n".join(parts)


def header(stamp: int, frame: str) -> dict[str, Any]:
    """A std_msgs/Header."""
    return {"stamp": {"sec": stamp // SECOND, "nanosec": stamp % SECOND}, "frame_id": frame}


def xyz(vector: Any) -> dict[str, float]:
    """A Vector3 or Point."""
    return dict(zip("xyz", map(float, vector), strict=True))


# ------------------------------------------------------------------------------- the robot


def turned(roll: float, pitch: float, yaw: float) -> Array:
    """The rotation of a URDF's roll, pitch and yaw (degrees)."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in np.radians((roll, pitch, yaw)))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def quaternion(rotation: Array) -> dict[str, float]:
    """A geometry_msgs/Quaternion."""
    out = np.zeros(4)
    mujoco.mju_mat2Quat(out, rotation.ravel())
    return dict(zip("wxyz", out.tolist(), strict=True))


# Parent, child, place in m, roll, pitch and yaw in degrees.
LINKS = (
    ("base_link", "sensor_head", (0.12, 0.05, 0.50), (0.0, 0.0, 0.0)),
    ("sensor_head", "front_rgb", (0.02, 0.0, 0.15), (0.0, 27.0, -4.0)),
    ("front_rgb", "front_rgb_optical", (0.0, 0.0, 0.0), (-90.0, 0.0, -90.0)),
    ("sensor_head", "velodyne", (-0.10, -0.05, -0.02), (0.0, 0.0, 90.0)),
    ("base_link", "imu_link", (0.0, 0.0, 0.10), (180.0, 0.0, 0.0)),
)


def pose_of(frame: str) -> tuple[Array, Array]:
    """Rotation and position of a frame in base_link."""
    rotation, position = np.eye(3), np.zeros(3)
    while frame != "base_link":
        _, _, place, angles = link = next(link for link in LINKS if link[1] == frame)
        inner = turned(*angles)
        rotation, position = inner @ rotation, inner @ position + place
        frame = link[0]
    return rotation, position


def transforms() -> dict[str, Any]:
    """The links as a TFMessage."""
    return {
        "transforms": [
            {
                "header": header(START, parent),
                "child_frame_id": child,
                "transform": {"translation": xyz(place), "rotation": quaternion(turned(*angles))},
            }
            for parent, child, place, angles in LINKS
        ]
    }


# ------------------------------------------------------------------------------- the world

OBJECTS = {
    "red cup": (0.95, 0.15, 0.055),
    "blue box": (1.25, -0.30, 0.065),
    "yellow cylinder": (1.55, 0.35, 0.08),
}
"""Their centres in base_link, m."""
WIDTH, HEIGHT, FOV = 320, 240, 60.0
BENT = (480, 360)
"""Width and height of an image with the same focal length, which is bent as a lens does."""
LENS = (-0.12, 0.03, 0.0005, -0.0008, 0.0)
"""k1, k2, p1, p2, k3 of plumb_bob."""


def cup(radius: float, height: float) -> str:
    """Vertices and faces of a cup around its centre: walls, a rim and a bottom."""
    low, top = -height / 2, height / 2
    profile = [
        (1e-4, low), (0.8 * radius, low), (radius, top), (0.9 * radius, top),
        (0.7 * radius, low + 0.1 * height), (1e-4, low + 0.1 * height),
    ]  # fmt: skip
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = [(r * np.cos(a), r * np.sin(a), z) for r, z in profile for a in around]
    faces = []
    for ring in range(len(profile) - 1):
        for i in range(24):
            a, b = 24 * ring + i, 24 * ring + (i + 1) % 24
            faces += [(a, b, a + 24), (b, b + 24, a + 24)]
    vertices = " ".join(f"{value:.5f}" for point in points for value in point)
    indices = " ".join(str(index) for face in faces for index in face)
    return f'vertex="{vertices}" face="{indices}" inertia="shell"'


def world() -> str:
    """The world in MuJoCo's XML; base_link is its origin."""
    rotation, position = pose_of("front_rgb_optical")
    axes = " ".join(f"{v:.9f}" for v in (*rotation[:, 0], *-rotation[:, 1]))
    fov = 2 * np.degrees(np.arctan(BENT[1] / HEIGHT * np.tan(np.radians(FOV) / 2)))
    places = {name: " ".join(map(str, place)) for name, place in OBJECTS.items()}
    x, y, z = OBJECTS["red cup"]
    return f"""
<mujoco>
  <visual>
    <global offwidth="{BENT[0]}" offheight="{BENT[1]}"/>
    <headlight ambient=".45 .45 .45" diffuse=".25 .25 .25" specular="0 0 0"/>
    <quality offsamples="4"/>
  </visual>
  <statistic extent="3"/>
  <asset>
    <mesh name="cup" {cup(0.055, 0.11)}/>
    <texture name="tiles" type="2d" builtin="checker" rgb1=".78 .76 .72" rgb2=".72 .70 .67"
             width="128" height="128"/>
    <material name="tiles" texture="tiles" texrepeat="3 3" texuniform="true" specular="0"/>
  </asset>
  <worldbody>
    <light pos="0.5 -1.5 3" dir="0.1 0.5 -1" diffuse=".6 .6 .6" directional="true"/>
    <camera name="front" pos="{" ".join(map(str, position))}" xyaxes="{axes}" fovy="{fov}"/>
    <geom type="plane" size="8 8 .1" material="tiles"/>
    <geom type="box" size=".05 4 1.5" pos="3.5 0 1.5" rgba=".82 .85 .80 1"/>
    <geom type="mesh" mesh="cup" pos="{x} {y} {z}" rgba=".82 .08 .06 1"/>
    <geom type="box" size=".07 .05 .065" pos="{places["blue box"]}" euler="0 0 25"
          rgba=".07 .17 .80 1"/>
    <geom type="cylinder" size=".05 .08" pos="{places["yellow cylinder"]}" rgba=".90 .80 .10 1"/>
  </worldbody>
</mujoco>"""


class Robot:
    """Stands in the world and senses it."""

    def __init__(self) -> None:
        self._model = mujoco.MjModel.from_xml_string(world())
        self._data = mujoco.MjData(self._model)
        mujoco.mj_forward(self._model, self._data)
        self._renderer = mujoco.Renderer(self._model, BENT[1], BENT[0])
        self._chance = np.random.default_rng(7)
        focal = HEIGHT / 2 / np.tan(np.radians(FOV) / 2)
        self.k = np.array([[focal, 0, WIDTH / 2 - 0.5], [0, focal, HEIGHT / 2 - 0.5], [0, 0, 1]])
        pixels = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
        straight = cv2.undistortPoints(
            pixels.reshape(-1, 1, 2).astype(np.float64), self.k, np.array(LENS)
        ).reshape(HEIGHT, WIDTH, 2)
        middle = np.array(BENT) / 2 - 0.5
        self._source = np.moveaxis(straight * focal + middle, -1, 0).astype(np.float32)
        azimuth = np.radians(np.arange(-45, 45, 1.0))
        elevation = np.radians(np.linspace(-38, 6, 24))
        self._rings, self._columns = (
            v.ravel() for v in np.meshgrid(range(24), range(len(azimuth)))
        )
        flat = np.cos(elevation)[self._rings]
        angles = azimuth[self._columns]
        self._rays = np.stack(
            [flat * np.cos(angles), flat * np.sin(angles), np.sin(elevation)[self._rings]], axis=1
        )
        self._rotation, self._origin = pose_of("velodyne")

    def image(self) -> bytes:
        """A JPEG of what the camera sees, through its lens."""
        self._renderer.update_scene(self._data, camera="front")
        x, y = self._source
        seen = cv2.remap(self._renderer.render(), x, y, cv2.INTER_LINEAR)
        seen = np.clip(seen + self._chance.normal(0, 1.0, seen.shape), 0, 255).astype(np.uint8)
        whole, data = cv2.imencode(".jpg", seen[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
        assert whole
        return bytes(data)

    def sweep(self) -> NDArray[Any]:
        """The LiDAR's points; their times are before the end of the sweep."""
        count = len(self._rays)
        hit, distances = np.empty(count, np.int32), np.empty(count)
        mujoco.mj_multiRay(
            self._model, self._data, self._origin, self._rays.ravel(), None, 1, -1, hit, distances,
            None, count, 100.0,
        )  # fmt: skip
        distances += self._chance.normal(0, 0.008, count)
        kept = (hit >= 0) & (distances < 4) & (self._chance.random(count) > 0.03)
        own = np.round(self._rays[kept] * distances[kept, None] @ self._rotation * 512) / 512
        points = np.zeros(len(own), LAYOUT)
        points["x"], points["y"], points["z"] = own.T
        points["intensity"], points["ring"] = 100, self._rings[kept]
        points["time"] = (self._columns[kept] / (self._columns[-1] + 1) - 1) * SWEEP / SECOND
        return points

    def close(self) -> None:
        """Give the GL context back."""
        self._renderer.close()


# ------------------------------------------------------------------------------- the recording

SWEEP = 100 * MS
"""ns that a sweep takes; an image is taken in its middle."""
FIELDS = (("x", 0), ("y", 4), ("z", 8), ("intensity", 12), ("ring", 16), ("time", 18))
"""Of a point, with their offsets; all float32 but the ring, which is uint16."""
LAYOUT = np.dtype([(name, "<u2" if name == "ring" else "<f4") for name, _ in FIELDS])


def cloud(points: NDArray[Any], stamp: int) -> dict[str, Any]:
    """A PointCloud2."""
    fields = [
        {"name": name, "offset": offset, "datatype": 4 if name == "ring" else 7, "count": 1}
        for name, offset in FIELDS
    ]
    return {
        "header": header(stamp, "velodyne"), "height": 1, "width": len(points), "fields": fields,
        "is_bigendian": False, "point_step": LAYOUT.itemsize,
        "row_step": LAYOUT.itemsize * len(points), "data": points.tobytes(), "is_dense": True,
    }  # fmt: skip


def calibration(k: Array, stamp: int) -> dict[str, Any]:
    """A CameraInfo."""
    p = np.hstack([k, np.zeros((3, 1))])
    return {
        "header": header(stamp, "front_rgb_optical"), "height": HEIGHT, "width": WIDTH,
        "distortion_model": "plumb_bob", "d": list(LENS), "k": k.ravel().tolist(),
        "r": np.eye(3).ravel().tolist(), "p": p.ravel().tolist(), "binning_x": 0, "binning_y": 0,
        "roi": {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    }  # fmt: skip


def inertial(chance: np.random.Generator, stamp: int) -> dict[str, Any]:
    """An Imu that stands, and does not know how it is turned."""
    rotation, _ = pose_of("imu_link")
    force = rotation.T @ (0.0, 0.0, 9.81) + chance.normal(0, 0.02, 3)
    unknown = [-1.0, *[0.0] * 8]
    return {
        "header": header(stamp, "imu_link"),
        "orientation": dict.fromkeys("xyzw", 0.0), "orientation_covariance": unknown,
        "angular_velocity": xyz(chance.normal(0, 0.002, 3)),
        "angular_velocity_covariance": [0.0] * 9,
        "linear_acceleration": xyz(force), "linear_acceleration_covariance": [0.0] * 9,
    }  # fmt: skip


def odometry(stamp: int) -> dict[str, Any]:
    """An Odometry of a robot that stands, in the frame on the floor below base_link."""
    zero = xyz((0, 0, 0))
    pose = {"position": xyz((4.0, -2.0, 0.0)), "orientation": {**zero, "w": 1.0}}
    return {
        "header": header(stamp, "odom"), "child_frame_id": "base_footprint",
        "pose": {"pose": pose, "covariance": [0.0] * 36},
        "twist": {"twist": {"linear": zero, "angular": zero}, "covariance": [0.0] * 36},
    }  # fmt: skip


def recording() -> list[tuple[int, str, dict[str, Any]]]:
    """Receive time (ns), topic and message of all that was recorded."""
    robot, chance = Robot(), np.random.default_rng(8)
    found = [(START, "/tf_static", transforms())]
    found += [(START + time, "/voice", {"data": text}) for time, text in SAID.items()]
    for stamp in range(START, START + LENGTH, 20 * MS):
        found.append((stamp + MS, "/imu/data", inertial(chance, stamp)))
    for stamp in range(START, START + LENGTH, 50 * MS):
        found.append((stamp + MS, "/wheel/odom", odometry(stamp)))
    for begin in range(START + 50 * MS, START + LENGTH - SWEEP, 200 * MS):
        taken, end = begin + SWEEP // 2, begin + SWEEP
        image = {
            "header": header(taken, "front_rgb_optical"), "format": "jpeg", "data": robot.image()
        }  # fmt: skip
        found.append((taken + 40 * MS, "/front_rgb/image_color/compressed", image))
        found.append((taken + 40 * MS, "/front_rgb/camera_info", calibration(robot.k, taken)))
        found.append((end + 9 * MS, "/velodyne_points", cloud(robot.sweep(), end)))
    robot.close()
    return sorted(found, key=lambda item: item[0])


def main(folder: Path) -> None:
    """Make the bag in a folder, and enter it in its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}.mcap"
    messages = recording()
    with (
        path.open("wb") as stream,
        Writer(stream, chunk_size=128 * 1024, compression=CompressionType.LZ4) as writer,
    ):
        schemas = {
            kind: writer.register_msgdef(kind.replace("/", "/msg/"), definition(kind))
            for kind in TOPICS.values()
        }
        for received, topic, message in messages:
            writer.write_message(topic, schemas[TOPICS[topic]], message, log_time=received)
    told = [(t, topic, TOPICS[topic].replace("/", "/msg/")) for t, topic, _ in messages]
    instructions = [{"seconds": time / SECOND, "text": text} for time, text in SAID.items()]
    objects = {name: list(place) for name, place in OBJECTS.items()}
    entry = describe(path, PURPOSE, told, instructions=instructions, objects=objects)
    enter(folder, {NAME: entry})
    print(f"{path}: {entry['seconds']:.2f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
