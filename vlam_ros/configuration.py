"""The parameters of the system: descriptor and range here, the one default in `config/vlam.yaml`.

The ROS node declares its parameters from these classes; the command line and the tests build the
same classes from the same file. A wrong value never gets past `Settings.from_mapping`.
"""

from __future__ import annotations

import json
import math
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlam_ros.errors import ConfigurationError
from vlam_ros.resources import NODES, parameter_entries, read_parameters, resource_path
from vlam_ros.settings import NodeSettings, parameter, parameters, parameters_of_nodes


@dataclass(frozen=True)
class ModelSettings:
    """Which checkpoints are used, and on what."""

    name_or_path: str = parameter("CLIPSeg checkpoint: 'embedded', a folder or a hub id")
    adapter: str = parameter("what was tuned on the checkpoint, a folder or a file; empty: nothing")
    backend: str = parameter(
        "what runs it; all but torch need a folder that `vlam export` wrote",
        choices=("torch", "onnxruntime", "tensorrt", "openvino"),
    )
    compiled: bool = parameter("whether torch compiles it to CUDA graphs, which takes minutes")
    clip: str = parameter("separate CLIP checkpoint for skills, a folder or a hub id; empty: none")
    device: str = parameter("where the models run", choices=("auto", "cpu", "cuda"))
    dtype: str = parameter(
        "precision of the towers", choices=("auto", "float32", "bfloat16", "float16", "int8")
    )


@dataclass(frozen=True)
class CameraSettings:
    """Which camera it is, and where it sits on the robot, for robots without tf."""

    frame_id: str = parameter("frame of the images that the mount is of; empty: any")
    rectified: bool = parameter("whether the images are rectified: P of camera_info, no D")
    x: float = parameter("optical centre ahead of base_link, m", -5, 5)
    y: float = parameter("optical centre left of base_link, m", -5, 5)
    height: float = parameter("optical centre above the floor, m", 0.01, 10)
    tilt: float = parameter("downward tilt of the optical axis, rad", -1.5, 1.57)
    yaw: float = parameter("leftward turn of the optical axis, rad", -3.15, 3.15)


@dataclass(frozen=True)
class SensorSettings:
    """How long an image waits for its depth, and when other sensors' data is too old."""

    lidar_wait: float = parameter("longest wait of an image for its LiDAR sweep, s", 0, 5)
    max_lidar_age: float = parameter("oldest sweep, depth and obstacles used, s", 0.01, 10)
    max_imu_age: float = parameter("oldest IMU reading and attitude used, s", 0.01, 10)
    max_odometry_age: float = parameter("oldest odometry and robot state used, s", 0.01, 10)
    max_range_age: float = parameter("oldest reading of the range sensor used, s", 0.01, 10)


@dataclass(frozen=True)
class MountSettings:
    """Which sensor it is, and where it sits on the robot without tf."""

    frame_id: str = parameter("frame of the messages that the mount is of; empty: any")
    x: float = parameter("ahead of base_link, m", -5, 5)
    y: float = parameter("left of base_link, m", -5, 5)
    z: float = parameter("above base_link, m", -5, 10)
    roll: float = parameter("turn about x, rad", -3.15, 3.15)
    pitch: float = parameter("turn about y, rad", -3.15, 3.15)
    yaw: float = parameter("turn about z, rad", -3.15, 3.15)


@dataclass(frozen=True)
class RangeSettings(MountSettings):
    """Where the ultrasonic or infrared sensor sits, which looks along the x axis of its frame."""


@dataclass(frozen=True)
class LidarSettings(MountSettings):
    """Where the LiDAR sits, and what it can measure."""

    min_range: float = parameter("nearer returns are ignored, m", 0, 10)
    max_range: float = parameter("farther returns are ignored, m", 0.1, 1000)


@dataclass(frozen=True)
class ImuSettings:
    """Which IMU it is, and how it is turned against `base_link` without tf."""

    frame_id: str = parameter("frame of the readings that the mount is of; empty: any")
    roll: float = parameter("turn about x, rad", -3.15, 3.15)
    pitch: float = parameter("turn about y, rad", -3.15, 3.15)
    yaw: float = parameter("turn about z, rad", -3.15, 3.15)


@dataclass(frozen=True)
class FusionSettings:
    """What of a sweep is floor, robot or obstacle."""

    floor_tolerance: float = parameter("returns this near to the floor are floor, m", 0.005, 0.5)
    obstacle_height: float = parameter("returns higher above the floor block nothing, m", 0.1, 10)
    robot_box: tuple[float, ...] = parameter(
        "box of the robot: rear and front x, half width, height in base_link, m", length=4
    )


@dataclass(frozen=True)
class PerceptionSettings:
    """How masks become objects. Thresholds live beside the checkpoint, in calibration.json."""

    colours: tuple[str, ...] = parameter("colour words: competitors of a colour in a phrase")
    nouns: tuple[str, ...] = parameter("object words: competitors of a noun in a phrase")
    distractors: tuple[str, ...] = parameter("further phrases that always compete")
    min_area: int = parameter("smallest object, pixels of the mask", 1, 10_000)
    crops: int = parameter("candidates that get a second look, per image", 0, 16)
    crop_margin: float = parameter("context around a candidate's crop, share of its size", 0, 2)


@dataclass(frozen=True)
class PolicySettings:
    """When the robot may move, and where it stops."""

    kind: str = parameter(
        "what proposes the motions: 'skills', 'transformer', or the name of an entry point"
    )
    name_or_path: str = parameter("'embedded' or a trained one's folder; of kind transformer")
    skills: str = parameter("skill definitions: a file, or a name in config/")
    verify: str = parameter(
        "whether what the gate refuses is held back, is done and told, or is done; the last two in "
        "simulation only",
        choices=("enforce", "report", "off"),
    )
    max_image_age: float = parameter("oldest image that may move the robot, s", 0.01, 60)
    max_spread: float = parameter("largest standard deviation of a position, m", 0.001, 5)
    ambiguity: float = parameter(
        "score from which an unconfirmed object competes with another", 0, 1
    )
    standoff: float = parameter("distance kept from an object one goes to, m", 0.05, 5)
    corridor: float = parameter("half width of the path that must be free, m", 0.05, 5)
    reach: float = parameter("farthest floor distance the arm reaches, m", 0.05, 5)
    reach_ahead: float = parameter("nearest x in base_link the arm reaches, m", -5, 5)


@dataclass(frozen=True)
class ActionSettings:
    """The action space and the timing of chunks."""

    low: tuple[float, ...] = parameter("lower end of x, y, z (m) and theta (rad)", length=4)
    high: tuple[float, ...] = parameter("upper end of x, y, z (m) and theta (rad)", length=4)
    bins: int = parameter("bin centres per dimension, odd", 3, 65535)
    horizon: int = parameter("rows of a chunk", 1, 256)
    step: float = parameter("time between rows, s", 0.01, 10)
    start_offset: float = parameter("expected latency: age of the image at row 0, s", 0, 10)


@dataclass(frozen=True)
class ControlSettings:
    """How the base follows a chunk, and how fast it may change what it does."""

    rate: float = parameter("commands per second", 20, 200)
    max_speed: float = parameter("fastest forward, m/s", 0.01, 5)
    max_turn: float = parameter("fastest turn, rad/s", 0.01, 10)
    acceleration: float = parameter("largest change of speed, m/s²", 0.05, 20)
    turn_acceleration: float = parameter("largest change of turn, rad/s²", 0.05, 50)
    jerk: float = parameter("largest change of acceleration, m/s³", 0.1, 1000)
    turn_jerk: float = parameter("largest change of turn acceleration, rad/s³", 0.1, 1000)
    lookahead: float = parameter("distance along the path of the point steered at, m", 0.05, 5)
    goal_tolerance: float = parameter("as near to the last waypoint the base is there, m", 0.005, 1)
    angle_tolerance: float = parameter("as near to an angle the base is turned, rad", 0.005, 1)
    ensemble: bool = parameter("whether overlapping chunks of one skill are averaged")
    ensemble_decay: float = parameter("decay m of the weights exp(-m i), i = 0 the oldest", 0, 10)
    stamped_cmd_vel: bool = parameter("whether cmd_vel is TwistStamped, not Twist")


@dataclass(frozen=True)
class SafetySettings:
    """When the robot is stopped whatever the chunk says."""

    radius: float = parameter("of the round base, m", 0.05, 5)
    margin: float = parameter("distance that base and obstacles keep, m", 0, 2)
    reaction: float = parameter("from a LiDAR return to brakes that take hold, s", 0, 2)
    floor_height: float = parameter("returns lower than this at the robot are floor, m", 0, 1)
    floor_slope: float = parameter("what this rises by per metre of distance, m", 0, 1)
    robot_height: float = parameter("returns higher than this are above the robot, m", 0.1, 5)
    max_odometry_age: float = parameter("oldest odometry that moves the robot, s", 0.02, 5)
    max_scan_age: float = parameter("oldest sweep that moves a robot with a LiDAR, s", 0.02, 5)
    clock_patience: float = parameter("longest standstill of the clock, s", 0.05, 5)


@dataclass(frozen=True)
class ArmSettings:
    """An arm that pans about a mast, extends along its boom, and lowers the tool."""

    joints: tuple[str, ...] = parameter("joint names: pan, extend, lift", length=3)
    mast_x: float = parameter("axis of pan ahead of base_link, m", -5, 5)
    mast_y: float = parameter("axis of pan left of base_link, m", -5, 5)
    radius: float = parameter("of the tool about the mast at extend 0, m", 0, 5)
    top: float = parameter("of the tool's tip above base_link at lift 0, m", 0, 5)
    pan_limit: float = parameter("pan goes so far to either side, rad", 0.1, 3.15)
    extend_max: float = parameter("extend goes from 0 to this, m", 0.01, 5)
    lift_max: float = parameter("lift goes from 0 to this, downwards, m", 0.01, 5)
    speeds: tuple[float, ...] = parameter(
        "fastest pan (rad/s), extend, lift (m/s)", 0.01, 10, length=3
    )


@dataclass(frozen=True)
class SimulationSettings:
    """Which room is simulated, and how fast."""

    scene: str = parameter(
        "the room", choices=("demo", "pick_and_place", "random:N", "task:N", "control:N")
    )
    seed: int = parameter("of the errors of the sensors", 0, 2**31 - 1)
    rate: float = parameter("simulated seconds a second, where the machine can", 0.01, 100)
    image_rate: float = parameter("images per simulated second", 0.1, 50)
    stamped_cmd_vel: bool = parameter("whether cmd_vel is TwistStamped, not Twist")


@dataclass(frozen=True)
class Settings(NodeSettings):
    """All parameters of vlam_node: the decision pipeline."""

    NODE: ClassVar[str] = "vlam_node"

    model: ModelSettings
    camera: CameraSettings
    range: RangeSettings
    sensors: SensorSettings
    perception: PerceptionSettings
    policy: PolicySettings
    action: ActionSettings


@dataclass(frozen=True)
class FusionNodeSettings(NodeSettings):
    """All parameters of fusion_node."""

    NODE: ClassVar[str] = "fusion_node"

    camera: CameraSettings
    sensors: SensorSettings
    lidar: LidarSettings
    imu: ImuSettings
    fusion: FusionSettings


@dataclass(frozen=True)
class ControllerSettings(NodeSettings):
    """All parameters of controller_node."""

    NODE: ClassVar[str] = "controller_node"

    control: ControlSettings
    safety: SafetySettings
    arm: ArmSettings
    lidar: LidarSettings
    fusion: FusionSettings


@dataclass(frozen=True)
class SimulatorSettings(NodeSettings):
    """All parameters of simulator_node."""

    NODE: ClassVar[str] = "simulator_node"

    simulation: SimulationSettings
    lidar: LidarSettings


def check_parameter_file(path: str | Path, namespace: str = "") -> None:
    """Raises ConfigurationError if anything in a parameter file is wrong for the nodes of this
    package in a namespace.
    """
    for node in NodeSettings.__subclasses__():
        node.over_defaults(path, namespace)
    ours = parameters_of_nodes()
    for entry, values in parameter_entries(path).items():
        name = entry.rpartition("/")[2]
        if name not in NODES and "*" not in name and values and set(values) <= ours:
            known = ", ".join(NODES)
            raise ConfigurationError(f"{path}: there is no node {name}, of {entry}: known: {known}")


def markdown() -> str:
    """The parameters as docs/parameters.md shows them."""
    lines = [
        "# Parameters",
        "",
        "Made by `python -m vlam_ros.configuration > docs/parameters.md` from",
        "[vlam_ros/configuration.py](../vlam_ros/configuration.py), the defaults from",
        "[config/vlam.yaml](../config/vlam.yaml). Each takes effect when its node is configured.",
    ]
    kinds: dict[str, list[type[NodeSettings]]] = {}
    for kind in NodeSettings.__subclasses__():
        for group in dict.fromkeys(name.partition(".")[0] for name, _ in parameters(kind)):
            kinds.setdefault(group, []).append(kind)
    for group, nodes in kinds.items():
        lines += ["", f"## {group}", "", f"Of {', '.join(kind.NODE for kind in nodes)}.", ""]
        lines += ["| parameter | meaning, unit | values | default |", "|---|---|---|---|"]
        default = read_parameters(resource_path("config/vlam.yaml"), nodes[0].NODE)
        for name, field in parameters(nodes[0]):
            if name.startswith(f"{group}."):
                about = field.metadata["description"].replace("|", "\\|")
                values = _values(field).replace("|", "\\|")
                lines.append(f"| `{name}` | {about} | {values} | `{json.dumps(default[name])}` |")
    return "\n".join(lines) + "\n"


def _values(field: Field[Any]) -> str:
    """Which values a parameter takes, in words."""
    about = field.metadata
    kind = {"str": "text", "int": "whole number", "bool": "true, false", "float": "number"}
    words = kind.get(str(field.type), "texts" if "str" in str(field.type) else "numbers")
    if about["choices"]:
        words = ", ".join(f"`{choice}`" for choice in about["choices"])
    if about["length"]:
        words = f"{about['length']} {words}"
    return words if math.isinf(about["low"]) else f"{words}, {about['low']:g} to {about['high']:g}"


if __name__ == "__main__":
    print(markdown(), end="")
