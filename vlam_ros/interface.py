"""THE table of topics: what flows where, as which type, how, and for what.

Nodes subscribe and publish by it, launch files remap by it, `vlam record` records and `vlam replay`
finds and plays by it, and the README shows it (`python -m vlam_ros.interface`). A new sensor is a
row here, its converter in `ros/`, and its field of `types.Observation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ROBOT = "robot"
"""The drivers of a robot and its users, as one end of a topic."""
VLAM, FUSION, CONTROLLER = "vlam_node", "fusion_node", "controller_node"
SIMULATOR = "simulator_node"


@dataclass(frozen=True)
class Qos:
    """A quality of service: the last `depth` messages are kept; `deadline` (s) is what a publisher
    offers, and `lease` (s) that of its manual liveliness.

    Only transforms are `latched` (transient local): a latched reader would not match ordinary
    publishers, and an instruction or chunk of yesterday must not move a robot that starts today.
    What `every` publisher says is heard by a subscription for each kind of them.
    """

    reliable: bool
    depth: int = 1
    latched: bool = False
    every: bool = False
    deadline: float | None = None
    lease: float | None = None


NEWEST = Qos(reliable=False)  # of images and sweeps nothing else counts
SECOND = Qos(reliable=False, depth=200)  # of a usual IMU, which deskewing needs without gaps
FUSED = Qos(reliable=False, depth=5)
STATE = Qos(reliable=False, depth=10)
RELIABLE = Qos(reliable=True)
EVERY = Qos(reliable=True, depth=10)  # whoever misses one would be wrong
PRESSED = Qos(reliable=True, depth=10, every=True)
MOVING, FIXED = Qos(reliable=True, depth=100), Qos(reliable=True, latched=True)  # as tf2 has them
COMMAND_DEADLINE = 0.1
"""Seconds: `cmd_vel` is never longer silent, or the middleware tells both ends."""
VELOCITY = Qos(reliable=True, deadline=COMMAND_DEADLINE)
CHUNK_LEASE = 0.2
"""Seconds: a controller stops when the publisher of action chunks was silent for longer."""
CHUNK = Qos(reliable=True, lease=CHUNK_LEASE)


POINTS = "points"
"""The topic of a LiDAR, where nobody says which."""


@dataclass(frozen=True)
class Sensor:
    """What measures: its name in diagnostics, the group of parameters that say where it sits on a
    robot without tf, those of them that its converters take, and the parameter of `sensors` for
    the oldest data that is used.
    """

    name: str
    mount: str = ""
    options: tuple[str, ...] = ()
    max_age: str = ""


CAMERA = Sensor("camera_info", "camera")
LIDAR = Sensor("LiDAR", "lidar", ("min_range", "max_range"), "max_lidar_age")
IMU = Sensor("IMU", "imu", (), "max_imu_age")
ODOMETRY = Sensor("odometry", max_age="max_odometry_age")
DEPTH_CAMERA = Sensor("depth camera", max_age="max_lidar_age")
RANGER = Sensor("range sensor", "range", (), "max_range_age")
BODY = Sensor("robot state", max_age="max_odometry_age")


class Found(Enum):
    """How a replay finds a topic in a bag, if it uses it: by its name in any namespace, or else as
    the only one of its type.
    """

    NOT = 0
    BY_NAME = 1
    BY_TYPE = 2


NOT, BY_NAME, BY_TYPE = Found


@dataclass(frozen=True)
class Topic:
    """A row. The name is relative, or one that no namespace changes ("/…"), or private ("~/…").

    Publisher and subscribers are nodes of this package or ROBOT; without subscribers it is for
    people and other programs. `converter` is what makes data of a message, "module:name" in
    `vlam_ros.ros`; `field` is that of an Observation that the data become, or end in.
    """

    name: str
    type: str
    qos: Qos
    publisher: str
    subscribers: tuple[str, ...]
    about: str
    found: Found = NOT
    converter: str = ""
    field: str = ""
    sensor: Sensor | None = None
    recorded: bool = True

    @property
    def mount(self) -> str:
        """The parameters that say where the sensor sits, of messages in its own frame: what
        fusion_node makes is in `base_link`.
        """
        return self.sensor.mount if self.sensor and self.publisher == ROBOT else ""

    @property
    def path(self) -> str:
        """The name outside of its node: "simulator_node/truth"."""
        return self.name.replace("~", self.publisher)

    @property
    def role(self) -> str:
        """What a replay calls it: "tf"."""
        return self.name.lstrip("/")


IMAGE, CLOUD, BOOL = "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2", "std_msgs/msg/Bool"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
POSE, TEXT, TF = "geometry_msgs/msg/PoseStamped", "std_msgs/msg/String", "tf2_msgs/msg/TFMessage"
ALL, ANY = (VLAM, FUSION, CONTROLLER), "every node"

# fmt: off
TABLE = (
    # What a robot's drivers and users say.
    Topic("image", IMAGE, NEWEST, ROBOT, (VLAM,), "rgb, bgr, rgba, bgra, mono and bayer_* of 8 and "
          "16 bits, uyvy, yuyv, nv12, nv21, nv24", BY_TYPE, "images:image_from_message", "image"),
    Topic("image/compressed", COMPRESSED, NEWEST, ROBOT, (VLAM,), "the same as JPEG or PNG",
          BY_TYPE, "images:image_from_message", "image"),
    Topic("camera_info", "sensor_msgs/msg/CameraInfo", NEWEST, ROBOT, (VLAM, FUSION),
          "calibration, one for each image", BY_TYPE, "camera_info:CameraSource", "camera", CAMERA),
    Topic(POINTS, CLOUD, NEWEST, ROBOT, (FUSION, CONTROLLER), "optional: a 3D LiDAR's sweeps",
          BY_TYPE, "clouds:seeing_sweep", "depth", LIDAR),
    Topic("scan", "sensor_msgs/msg/LaserScan", NEWEST, ROBOT, (FUSION, CONTROLLER),
          "optional: a planar LiDAR's sweeps", BY_TYPE, "clouds:sweep_from_scan", "depth", LIDAR),
    Topic("imu", "sensor_msgs/msg/Imu", SECOND, ROBOT, (FUSION,), "optional (REP-145)", BY_TYPE,
          "robot_state:imu_from_message", "attitude", IMU),
    Topic("odom", "nav_msgs/msg/Odometry", STATE, ROBOT, ALL, "optional; needed to drive", BY_TYPE,
          "robot_state:odometry_from_message", "odometry", ODOMETRY),
    Topic("camera_depth", IMAGE, NEWEST, ROBOT, (FUSION,),
          "optional: an RGB-D camera's, 32FC1 or 16UC1, registered to the image", BY_NAME,
          "images:depth_from_message", "depth", DEPTH_CAMERA),
    Topic("camera_depth/compressedDepth", COMPRESSED, NEWEST, ROBOT, (FUSION,),
          "the same as image_transport packs it, PNG or RVL", BY_NAME, "images:depth_from_message",
          "depth", DEPTH_CAMERA),
    Topic("range", "sensor_msgs/msg/Range", NEWEST, ROBOT, (VLAM,),
          "optional: an ultrasonic or infrared sensor; what it sees is in the way", BY_NAME,
          "ranges:range_from_message", "range", RANGER),
    Topic("joint_states", "sensor_msgs/msg/JointState", STATE, ROBOT, (VLAM, CONTROLLER),
          "needed for an arm", BY_NAME, "robot_state:joints_from_message", "joints", BODY),
    Topic("gripper_state", BOOL, STATE, ROBOT, (VLAM,), "whether it holds something; for an arm",
          BY_NAME, "robot_state:gripper_from_message", "gripper", BODY),
    Topic("instruction", TEXT, RELIABLE, ROBOT, (VLAM,), "what to do, in plain language", BY_NAME),
    Topic("estop", BOOL, PRESSED, ROBOT, (CONTROLLER,), "optional: true stops the robot"),
    Topic("/tf", TF, MOVING, ROBOT, ALL, "optional: where the sensors sit", BY_NAME),
    Topic("/tf_static", TF, FIXED, ROBOT, ALL, "the same", BY_NAME),
    # What fusion_node makes of it; depth last: with its depth an image is decided on.
    Topic("attitude", "geometry_msgs/msg/QuaternionStamped", FUSED, FUSION, (VLAM,),
          "roll and pitch", BY_NAME, "fused:attitude_from_message", "attitude", IMU),
    Topic("floor", POSE, FUSED, FUSION, (VLAM,), "the plane of the floor", BY_NAME,
          "fused:floor_from_message", "floor", LIDAR),
    Topic("obstacles", CLOUD, FUSED, FUSION, (VLAM, CONTROLLER),
          "LiDAR returns, or what a depth camera alone sees, without floor and robot", BY_NAME,
          "fused:obstacles_from_message", "obstacles", LIDAR),
    Topic("depth", IMAGE, FUSED, FUSION, (VLAM,), "32FC1, registered to the image", BY_NAME,
          "images:depth_from_message", "depth", LIDAR),
    # What vlam_node decides.
    Topic("action_chunk", "vlam_ros/msg/ActionChunk", CHUNK, VLAM, (CONTROLLER,),
          "tokens, how to decode them, plan, verdict, reason", BY_NAME,
          "decisions:chunk_from_message"),
    Topic("scene", "vlam_ros/msg/Scene", RELIABLE, VLAM, (),
          "the objects seen, with scores and positions", BY_NAME, "decisions:scene_from_message"),
    Topic("decision_inputs", "vlam_ros/msg/DecisionInputs", EVERY, VLAM, (),
          "what each decision was made on, by stamps, for `vlam replay`", BY_NAME,
          "decision_inputs:inputs_from_message"),
    # What controller_node makes of that.
    Topic("cmd_vel", "geometry_msgs/msg/Twist", VELOCITY, CONTROLLER, (ROBOT,),
          "30 Hz; TwistStamped with `control.stamped_cmd_vel`"),
    Topic("arm", "trajectory_msgs/msg/JointTrajectory", RELIABLE, CONTROLLER, (ROBOT,),
          "positions of the arm's joints"),
    Topic("gripper", BOOL, RELIABLE, CONTROLLER, (ROBOT,), "true closes it"),
    Topic("replan", TEXT, RELIABLE, CONTROLLER, (VLAM,), "an event of the gripper was missed"),
    # What people and other programs may look at.
    Topic("~/overlay", IMAGE, RELIABLE, VLAM, (), "masks, scores, plan, verdict", recorded=False),
    Topic("~/attention", IMAGE, RELIABLE, VLAM, (), "where a learned policy looks", recorded=False),
    Topic("~/markers", "visualization_msgs/msg/MarkerArray", RELIABLE, VLAM, (), "the same in 3D",
          recorded=False),
    Topic("~/depth_dense", IMAGE, RELIABLE, FUSION, (), "depth without gaps", recorded=False),
    Topic("~/path", "nav_msgs/msg/Path", RELIABLE, CONTROLLER, (), "what is followed, for Nav2",
          recorded=False),
    Topic("~/tool_pose", POSE, RELIABLE, CONTROLLER, (), "what the arm does, for MoveIt",
          recorded=False),
    Topic("~/truth", TEXT, RELIABLE, SIMULATOR, (), "the room as JSON, for judges"),
    Topic("~/overview", IMAGE, RELIABLE, SIMULATOR, (), "the room from aside", recorded=False),
    Topic("/clock", "rosgraph_msgs/msg/Clock", NEWEST, SIMULATOR, ALL, "simulated time",
          recorded=False),
    Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, ANY, (),
          "1 Hz: rates, ages, drops, latency, device"),
)
# fmt: on

TOPICS = {name: topic for topic in TABLE for name in (topic.name, topic.path)}
_SHARED = [t for t in TABLE if not t.name.startswith(("/", "~"))]
INPUTS = tuple(t.name for t in _SHARED if t.publisher == ROBOT)
"""What drivers and users tell the nodes."""
OUTPUTS = tuple(t.name for t in _SHARED if ROBOT in t.subscribers)
"""What the nodes tell the drivers."""
_SEEING = (POINTS, "scan", "camera_depth", "camera_depth/compressedDepth", "range", "obstacles")
SAFETY = ("estop", "action_chunk", "instruction", "odom", *_SEEING, "/clock")
"""What stops a robot: nobody may publish on it what cannot be heard."""
RECORDED = tuple(t.path for t in TABLE if t.recorded)
"""All that a replay can use, what drivers were told, and what a simulator knows."""


def subscribed_by(node: str) -> tuple[Topic, ...]:
    """The rows that a node subscribes to."""
    return tuple(topic for topic in TABLE if node in topic.subscribers)


def topic_argument(topic: str) -> str:
    """The launch argument that says what a topic is called on a robot: "image_compressed_topic"."""
    return topic.replace("/", "_") + "_topic"


def markdown() -> str:
    """The table as the README shows it."""
    lines = ["| topic | type | from → to | |", "|---|---|---|---|"]
    for topic in TABLE:
        package, _, kind = topic.type.split("/")
        link = f"[{package}/{kind}](msg/{kind}.msg)" if package == "vlam_ros" else ""
        way = f"{topic.publisher} → {', '.join(topic.subscribers)}".strip()
        lines.append(f"| `{topic.name}` | {link or f'{package}/{kind}'} | {way} | {topic.about} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
