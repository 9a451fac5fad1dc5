"""The robot and the world for Gazebo: whole, and the same as in parameters and simulation."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from vlam_ros.configuration import CameraSettings, FusionNodeSettings, SimulatorSettings
from vlam_ros.lab.simulation.mjcf import compiled
from vlam_ros.lab.simulation.robot import ARM
from vlam_ros.lab.simulation.room import RampSpec, RoomSpec, room_xml
from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, CameraSpec, SceneSpec
from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR, ImuSpec
from vlam_ros.lab.simulation.simulator import JOINT_RATE, ODOMETRY_RATE
from vlam_ros.resources import resource_path

FILES = ("robot", "world")
SYSTEMS = {  # of gz-sim 8, Harmonic
    "gz-sim-diff-drive-system": "DiffDrive",
    "gz-sim-imu-system": "Imu",
    "gz-sim-joint-state-publisher-system": "JointStatePublisher",
    "gz-sim-joint-trajectory-controller-system": "JointTrajectoryController",
    "gz-sim-physics-system": "Physics",
    "gz-sim-scene-broadcaster-system": "SceneBroadcaster",
    "gz-sim-sensors-system": "Sensors",
    "gz-sim-user-commands-system": "UserCommands",
}


def root(name: str) -> ET.Element:
    return ET.parse(resource_path(f"gazebo/{name}.sdf")).getroot()


def one(element: ET.Element, path: str) -> ET.Element:
    found = element.findall(path)
    assert len(found) == 1, f"{path}: {len(found)}"
    return found[0]


def text(element: ET.Element, path: str) -> str:
    return (one(element, path).text or "").strip()


def number(element: ET.Element, path: str) -> float:
    return float(text(element, path))


def pose(element: ET.Element) -> tuple[float, ...]:
    """Of an element in its parent: x, y, z in m, roll, pitch, yaw in rad."""
    return tuple(map(float, element.findtext("pose", "0 0 0 0 0 0").split()))


def plugin(element: ET.Element, system: str) -> ET.Element:
    return one(element, f".//plugin[@name='gz::sim::systems::{system}']")


@pytest.fixture(scope="module")
def robot() -> ET.Element:
    return one(root("robot"), "model")


@pytest.fixture(scope="module")
def world() -> ET.Element:
    return one(root("world"), "world")


@pytest.mark.parametrize("name", FILES)
def test_files_are_of_a_version_that_libsdformat_12_reads(name: str) -> None:
    version = root(name).attrib["version"].split(".")
    assert (int(version[0]), int(version[1])) <= (1, 9)


@pytest.mark.parametrize("name", FILES)
def test_no_name_is_there_twice_among_siblings(name: str) -> None:
    for parent in root(name).iter():
        named = [child for child in parent if child.tag not in ("plugin", "noise")]
        names = [child.attrib["name"] for child in named if "name" in child.attrib]
        assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", FILES)
def test_systems_are_those_of_harmonic(name: str) -> None:
    for element in root(name).iter("plugin"):
        system = SYSTEMS[element.attrib["filename"]]
        assert element.attrib["name"] == f"gz::sim::systems::{system}"


@pytest.mark.parametrize("name", FILES)
def test_masses_and_inertias_are_those_of_bodies(name: str) -> None:
    for inertial in root(name).iter("inertial"):
        moments = sorted(number(inertial, f"inertia/{axis}") for axis in ("ixx", "iyy", "izz"))
        assert number(inertial, "mass") > 0
        assert 0 < moments[0] <= moments[1] <= moments[2] <= moments[0] + moments[1]


def test_joints_hang_all_links_on_base_link(robot: ET.Element) -> None:
    links = {link.attrib["name"] for link in robot.findall("link")}
    parents = {text(j, "child"): text(j, "parent") for j in robot.findall("joint")}
    assert set(parents) == links - {"base_link"}
    for link in parents:
        seen = [link]
        while seen[-1] != "base_link":
            seen.append(parents[seen[-1]])
            assert len(seen) <= len(links)


@pytest.fixture(scope="module")
def simulated() -> Any:
    """The model of the simulated robot in an empty room."""
    return compiled(room_xml(RoomSpec(SceneSpec(objects=())), 0.0025))


def test_the_robot_weighs_as_much_as_the_simulated_one(robot: ET.Element, simulated: Any) -> None:
    mass = float(simulated.body("base").subtreemass[0])
    assert sum(number(i, "mass") for i in robot.iter("inertial")) == pytest.approx(mass)


def test_frames_are_those_of_the_parameter_file(robot: ET.Element) -> None:
    settings = FusionNodeSettings.load()
    expected = {
        "camera": settings.camera.frame_id,
        "lidar": settings.lidar.frame_id,
        "imu": settings.imu.frame_id,
    }
    sensors = {s.attrib["name"]: text(s, "gz_frame_id") for s in robot.iter("sensor")}
    assert sensors == expected
    assert text(robot, ".//camera/optical_frame_id") == settings.camera.frame_id
    drive = plugin(robot, "DiffDrive")
    assert [text(drive, f) for f in ("frame_id", "child_frame_id")] == ["odom", "base_link"]


def test_sensors_sit_where_the_parameter_file_says(robot: ET.Element) -> None:
    settings = FusionNodeSettings.load()
    camera: CameraSettings = settings.camera
    lidar, imu = settings.lidar, settings.imu
    base = one(robot, "link[@name='base_link']")
    assert pose(base) == (0, 0, 0, 0, 0, 0)
    poses = {s.attrib["name"]: pose(s) for s in base.findall("sensor")}
    assert poses == {
        "camera": (camera.x, camera.y, camera.height, 0, camera.tilt, camera.yaw),
        "lidar": (lidar.x, lidar.y, lidar.z, lidar.roll, lidar.pitch, lidar.yaw),
        "imu": (0, 0, 0, imu.roll, imu.pitch, imu.yaw),
    }


def test_the_camera_sees_what_the_simulated_one_does(robot: ET.Element) -> None:
    camera = one(robot, ".//camera")
    width, height = number(camera, "image/width"), number(camera, "image/height")
    assert (width, height) == (640, 480)
    half = math.tan(number(camera, "horizontal_fov") / 2)
    assert 2 * math.atan(half * height / width) == pytest.approx(CameraSpec().fovy, abs=1e-6)


def test_the_lidar_has_the_rays_of_the_simulated_one(robot: ET.Element) -> None:
    scan, spec = one(robot, ".//scan"), ROBOT_LIDAR
    assert number(scan, "horizontal/samples") == spec.columns
    assert number(scan, "vertical/samples") == spec.rings
    low, high = (number(scan, f"horizontal/{end}_angle") for end in ("min", "max"))
    assert low == pytest.approx(-math.pi, abs=1e-6)
    assert high - low == pytest.approx(math.tau * (1 - 1 / spec.columns), abs=1e-5)
    vertical = [number(scan, f"vertical/{end}_angle") for end in ("min", "max")]
    assert vertical == pytest.approx([spec.lowest, spec.highest], abs=1e-6)
    assert number(robot, ".//lidar/range/min") == spec.min_range
    assert number(robot, ".//lidar/range/max") == spec.max_range
    assert number(robot, ".//lidar/noise/stddev") == spec.noise


def test_rates_and_noise_are_those_of_the_simulation(robot: ET.Element) -> None:
    imu = ImuSpec()
    rates = {s.attrib["name"]: number(s, "update_rate") for s in robot.iter("sensor")}
    image_rate = SimulatorSettings.load().simulation.image_rate
    expected = {"camera": image_rate, "lidar": ROBOT_LIDAR.rate, "imu": imu.rate}
    assert rates == expected
    assert number(plugin(robot, "DiffDrive"), "odom_publish_frequency") == ODOMETRY_RATE
    assert number(plugin(robot, "JointStatePublisher"), "update_rate") == JOINT_RATE
    for of, noise in (
        ("angular_velocity", imu.gyro_noise),
        ("linear_acceleration", imu.force_noise),
    ):
        found = [float(s.text or "") for s in one(robot, f".//{of}").iter("stddev")]
        assert found == [noise] * 3


def test_wheels_and_drive_agree_with_the_simulation(robot: ET.Element, simulated: Any) -> None:
    radius = simulated.geom("left_wheel").size[0]
    left, right = (float(simulated.body(f"{side}_wheel").pos[1]) for side in ("left", "right"))
    drive = plugin(robot, "DiffDrive")
    assert number(drive, "wheel_separation") == left - right
    assert number(drive, "wheel_radius") == radius
    for side, y in (("left", left), ("right", right)):
        joint = one(robot, f"joint[@name='{text(drive, f'{side}_joint')}']")
        link = one(robot, f"link[@name='{text(joint, 'child')}']")
        assert pose(link) == pytest.approx((0, y, radius, -math.pi / 2, 0, 0))
        assert number(link, "collision/geometry/cylinder/radius") == radius


def test_arm_joints_are_those_of_the_simulation(robot: ET.Element, simulated: Any) -> None:
    axes = {"arm_pan": "0 0 1", "arm_extend": "1 0 0", "arm_lift": "0 0 -1"}
    kinds = {"arm_pan": "revolute", "arm_extend": "prismatic", "arm_lift": "prismatic"}
    for name, speed in ARM.items():
        joint = one(robot, f"joint[@name='{name}']")
        assert joint.attrib["type"] == kinds[name]
        assert text(joint, "axis/xyz") == axes[name]
        limits = [number(joint, f"axis/limit/{end}") for end in ("lower", "upper")]
        assert limits == simulated.joint(name).range.tolist()
        assert number(joint, "axis/limit/velocity") == speed


def test_the_tip_is_where_the_arm_starts(robot: ET.Element, simulated: Any) -> None:
    # Links have no turn at zero, and no pose relative to another link.
    assert not [p for p in robot.iter("pose") if "relative_to" in p.attrib]
    boom, carriage, tool = (simulated.body(name).pos for name in ("boom", "carriage", "tool"))
    assert pose(one(robot, "link[@name='pan_link']"))[:2] == tuple(boom[:2])
    tip = pose(one(robot, "link[@name='lift_link']"))
    assert tip == pytest.approx((*(boom + carriage + tool), 0, 0, 0))
    cup = one(robot, ".//collision[@name='cup_collision']")
    assert pose(cup)[2] == number(cup, "geometry/cylinder/length") / 2


def test_the_arms_controller_and_its_reports_have_the_joints_in_order(robot: ET.Element) -> None:
    for system in ("JointTrajectoryController", "JointStatePublisher"):
        names = [j.text for j in plugin(robot, system).findall("joint_name")]
        assert names == list(ARM)
    control = plugin(robot, "JointTrajectoryController")
    for gain in ("p_gain", "d_gain", "cmd_min", "cmd_max", "cmd_offset"):
        assert len(control.findall(f"position_{gain}")) == len(ARM)


def test_the_lift_presses_as_the_simulated_one(
    robot: ET.Element, world: ET.Element, simulated: Any
) -> None:
    control = plugin(robot, "JointTrajectoryController")
    largest, offset = (
        float(control.findall(f"position_{of}")[2].text or "") for of in ("cmd_max", "cmd_offset")
    )
    gravity = -float(text(world, "gravity").split()[2])
    weight = gravity * number(one(robot, "link[@name='lift_link']"), "inertial/mass")
    assert offset == pytest.approx(-weight, abs=1e-3)
    presses = simulated.actuator("arm_lift").forcerange[1] + weight
    assert largest + weight == pytest.approx(presses, abs=1e-3)


def test_the_world_has_the_systems_that_sensors_and_spawning_need(world: ET.Element) -> None:
    systems = [p.attrib["name"].rpartition("::")[2] for p in world.findall("plugin")]
    assert sorted(systems) == ["Imu", "Physics", "SceneBroadcaster", "Sensors", "UserCommands"]


def things(world: ET.Element) -> dict[tuple[str, str], ET.Element]:
    """The loose objects of the world by colour and shape."""
    names = [m.attrib["name"] for m in world.findall("model") if m.find("static") is None]
    pairs = [name.split("_") for name in names]
    return {
        (colour, shape): one(world, f"model[@name='{colour}_{shape}']") for colour, shape in pairs
    }


def test_objects_have_the_colours_and_shapes_that_the_embedded_model_saw(
    world: ET.Element,
) -> None:
    objects = things(world)
    assert {colour for colour, _ in objects} == set(COLOURS)
    assert {shape for _, shape in objects} == {"box", "ball", "cylinder"}
    assert set(objects) & HELD_OUT_PAIRS == set()
    kinds = {"box": "box", "ball": "sphere", "cylinder": "cylinder"}
    for (colour, shape), model in objects.items():
        for part in ("visual", "collision"):
            assert one(model, f"link/{part}/geometry")[0].tag == kinds[shape]
        rgba = [float(v) for v in text(model, "link/visual/material/diffuse").split()]
        assert rgba == [*COLOURS[colour], 1.0]


def test_objects_stand_on_the_floor_apart_from_each_other_and_from_the_robot(
    world: ET.Element,
) -> None:
    spots = []
    for model in things(world).values():
        shape = one(model, "link/collision/geometry")[0]
        if shape.tag == "box":
            a, b, height = map(float, text(shape, "size").split())
            radius = math.hypot(a, b) / 2
        else:
            radius = number(shape, "radius")
            height = 2 * radius if shape.tag == "sphere" else number(shape, "length")
        x, y, z, *_ = pose(model)
        assert z == pytest.approx(height / 2)
        assert max(abs(x), abs(y)) + radius < 4.0
        spots.append((x, y, radius))
    spots.append((0.0, 0.0, 0.25))
    for i, (x, y, radius) in enumerate(spots):
        for a, b, other in spots[:i]:
            assert math.hypot(x - a, y - b) > radius + other + 0.05


def test_the_ramp_is_that_of_the_simulation_and_begins_on_the_floor(world: ET.Element) -> None:
    ramp, spec = one(world, "model[@name='ramp']"), RampSpec(0.0, 0.0)
    x, _, z, roll, pitch, yaw = pose(ramp)
    length, width, thickness = map(float, text(ramp, ".//collision//size").split())
    assert (length, width) == (spec.length, spec.width)
    assert (roll, -pitch, yaw) == pytest.approx((0, spec.angle, 0), abs=1e-6)
    # The upper edge of the slab's rear end.
    foot = z - math.sin(-pitch) * length / 2 + math.cos(pitch) * thickness / 2
    assert foot == pytest.approx(0.0, abs=1e-3)
    assert abs(x) + length / 2 < 4.0
