"""controller_node over real Fast DDS: what moves the robot, and everything that stops it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import rclpy
from control_world import ControlWorld, is_zero, patient_world, speed
from diagnostic_msgs.msg import DiagnosticStatus
from driven import HOLD, NAN, go_to, halt_chunk, rows_chunk
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from nav_msgs.msg import Path
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from sensor_msgs.msg import JointState, LaserScan
from std_msgs.msg import Bool

from vlam_ros.ros.decisions import chunk_to_message
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import Halt

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
OK, WARN, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.STALE
AHEAD = [[0.27, 0.05 * i, 0.0] for i in range(-3, 4)]
FAR = [[5.0, 3.0, 0.0]]

# Stands in for vlam_node: it renews its lease until it is killed.
PUBLISHER = """
import sys
import rclpy
from driven import go_to
from rclpy.node import Node
from vlam_ros.msg import ActionChunk
from vlam_ros.ros.topics import profile
from vlam_ros.ros.decisions import chunk_to_message
rclpy.init()
node = Node("stand_in")
chunks = node.create_publisher(ActionChunk, "action_chunk", profile("action_chunk"))
node.create_timer(0.05, chunks.assert_liveliness)
def publish():
    stamp = node.get_clock().now().nanoseconds
    chunks.publish(chunk_to_message(go_to(2.9, 0.0, 0.0, horizon=100, stamp=stamp)))
node.create_timer(0.2, publish)
rclpy.spin(node)
"""


@pytest.fixture
def strict_world() -> Iterator[ControlWorld]:
    """With the lease of the design: a publisher that is silent for 0.2 s is lost."""
    world = ControlWorld()
    yield world
    world.close()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    yield from patient_world(monkeypatch)


# ------------------------------------------------------------------------------ the way through


def test_zero_is_published_at_the_rate_until_a_chunk_comes_and_then_the_robot_drives(
    world: ControlWorld,
) -> None:
    world.activate()
    begun, count = time.monotonic(), len(world.velocities)
    world.until(lambda: len(world.velocities) >= count + 30)
    assert 0.8 < time.monotonic() - begun < 2.5, "30 in a second, fewer on a busy machine"
    assert all(map(is_zero, world.velocities))
    assert world.halt is Halt.NO_CHUNK
    world.go()
    level, message, values = world.values()
    assert (level, message, values["halt"]) == (OK, "following", "NONE")
    assert float(values["age of odometry (s)"]) < 0.2


def test_a_base_may_ask_for_a_deadline(world: ControlWorld) -> None:
    heard: list[Twist] = []
    asked = profile("cmd_vel", offered=True)
    world.other.create_subscription(Twist, "cmd_vel", heard.append, asked)
    world.activate()
    world.until(lambda: len(heard) >= 3)


def test_cmd_vel_is_stamped_where_that_is_asked_for(world: ControlWorld) -> None:
    world.activate(TwistStamped, control__stamped_cmd_vel=True)
    world.go()
    assert world.velocities[-1].header.frame_id == "base_link"
    age = world.now() - (
        world.velocities[-1].header.stamp.sec * 10**9 + world.velocities[-1].header.stamp.nanosec
    )
    assert 0 <= age < 10**9


@pytest.mark.parametrize(("kind", "stamped"), [(TwistStamped, False), (Twist, True)])
def test_a_base_that_listens_for_the_other_type_is_named(
    world: ControlWorld, kind: type, stamped: bool
) -> None:
    own = TwistStamped if stamped else Twist
    world.activate(own, control__stamped_cmd_vel=stamped)
    assert "last error" not in world.values()[2]
    context = rclpy.Context()  # Fast DDS has one type of a topic in each
    rclpy.init(context=context)
    base = Node("base", context=context)
    base.create_subscription(kind, "cmd_vel", print, 5)
    heard = world.node.get_subscriptions_info_by_topic
    world.until(lambda: "base" in [listener.node_name for listener in heard("cmd_vel")])
    level, _, values = world.values()
    base.destroy_node()
    rclpy.shutdown(context=context)
    assert level == WARN
    said = f"cmd_vel: base listens for geometry_msgs/msg/{kind.__name__} and hears nothing"
    assert said in values["last error"]
    assert (
        f"set control.stamped_cmd_vel to {'false' if stamped else 'true'}" in values["last error"]
    )


def test_the_arm_moves_and_the_gripper_acts_once(world: ControlWorld) -> None:
    world.activate()
    rows = [[0.5, 0.0, 0.5, 0.0], [NAN] * 4, [0.5, 0.0, 0.5, 0.0], [0.5, 0.0, 0.5, 0.0]]
    names = ["arm_pan", "arm_extend", "arm_lift"]
    state = JointState(name=names, position=[0.0, 0.0, 0.0])
    world.joints.publish(state)
    world.until(lambda: world.node._controller._follower.arm.told)
    world.follow(rows_chunk("pick_up", rows, stamp=world.now()))
    world.until(lambda: world.halt is Halt.EXPIRED)
    assert [grip.data for grip in world.grips] == [True]
    assert world.arms[-1].joint_names == names
    (point,) = world.arms[-1].points
    assert list(point.positions) == pytest.approx([0.0, 0.35, 0.45], abs=0.02)
    assert point.time_from_start.nanosec == pytest.approx(1e9 / 30, abs=1)
    assert all(map(is_zero, world.velocities))
    assert world.replans == []


def test_a_missed_event_asks_for_a_new_chunk_once(world: ControlWorld) -> None:
    world.activate()
    rows = [[0.5, 0.0, 0.5, 0.0], [NAN] * 4, *[[0.5, 0.0, 0.5, 0.0]] * 4]
    world.follow(rows_chunk("place", rows, stamp=world.now()))
    world.until(lambda: world.halt is Halt.EXPIRED)
    (said,) = world.replans
    assert "opens" in said.data
    assert world.grips == []
    assert world.values()[2]["gripper events missed"] == "1"


def test_path_and_tool_are_shown_while_somebody_looks(world: ControlWorld) -> None:
    world.activate()
    paths: list[Path] = []
    tools: list[PoseStamped] = []
    world.other.create_subscription(Path, "controller_node/path", paths.append, 5)
    world.other.create_subscription(PoseStamped, "controller_node/tool_pose", tools.append, 5)
    world.joints.publish(
        JointState(name=["arm_pan", "arm_extend", "arm_lift"], position=[0.0, 0.0, 0.0])
    )
    world.until(lambda: world.node._controller._follower.arm.told)
    world.go()
    world.until(lambda: paths and paths[-1].poses)
    assert paths[-1].header.frame_id == "odom"
    assert paths[-1].poses[-1].pose.position.x == pytest.approx(2.9, abs=0.01)
    world.follow(rows_chunk("push", [[0.4, 0.0, 0.7, 0.0]] * 8, stamp=world.now()))
    world.until(lambda: tools and tools[-1].pose.position.x > 0.39)
    assert tools[-1].header.frame_id == "base_link"
    assert tools[-1].pose.position.z == pytest.approx(0.7, abs=0.05)


# ------------------------------------------------------------------------------ stops


def test_hold_stops(world: ControlWorld) -> None:
    world.activate()
    world.go()
    world.follow(halt_chunk(HOLD, stamp=world.now()))
    world.halted(Halt.HOLD, within=1.0)
    assert world.values()[2]["stops HOLD"] == "1"


def test_the_emergency_stop_stops(world: ControlWorld) -> None:
    world.activate()
    world.go()
    world.estops.publish(Bool(data=True))
    world.halted(Halt.ESTOP, within=1.0)
    level, message, _ = world.values()
    assert (level, message) == (WARN, "the emergency stop is pressed")
    world.estops.publish(Bool(data=False))
    world.go()


def test_silent_odometry_stops(world: ControlWorld) -> None:
    world.activate()
    world.go()
    world.silent = True
    world.halted(Halt.NO_ODOMETRY, within=0.25 + 1.0)


def test_a_chunk_that_runs_out_stops(world: ControlWorld) -> None:
    world.activate()
    world.go(horizon=6)
    world.halted(Halt.EXPIRED, within=2.5)


def test_a_chunk_that_is_none_stops(world: ControlWorld) -> None:
    world.activate()
    sent = chunk_to_message(world.go())
    sent.tokens[0].bins[0] = 40000
    world.chunks.publish(sent)
    world.halted(Halt.UNREADABLE, within=1.0)
    assert "must be a bin" in world.values()[2]["last error"]
    sent.tokens = []
    world.chunks.publish(sent)
    world.halted(Halt.UNREADABLE, within=1.0)
    world.go()


def test_an_obstacle_stops_and_a_lidar_that_falls_silent_too(world: ControlWorld) -> None:
    world.activate()
    world.cloud(FAR)
    sent = go_to(2.9, 0.0, 0.0, horizon=60, stamp=world.now())
    world.follow(sent)
    world.while_doing(lambda: world.cloud(FAR), lambda: speed(world.velocities[-1]) > 0.3)
    world.while_doing(lambda: world.cloud(AHEAD), lambda: is_zero(world.velocities[-1]))
    assert world.halt is Halt.OBSTACLE
    world.while_doing(lambda: world.cloud(FAR), lambda: speed(world.velocities[-1]) > 0.1)
    world.halted(Halt.NO_SCAN, within=0.4 + 1.0)


def test_a_sweep_that_cannot_be_used_stops_a_robot(world: ControlWorld) -> None:
    world.activate()
    world.go()
    world.cloud(FAR, frame="laser")
    world.halted(Halt.NO_SCAN, within=1.0)
    assert "set lidar.frame_id" in world.values()[2]["last error"]


def test_a_scan_serves_as_well(world: ControlWorld) -> None:
    world.activate()
    world.go()
    scan = LaserScan(angle_min=-0.3, angle_increment=0.05, range_min=0.1, range_max=30.0)
    scan.ranges = [0.27] * 13
    scan.header.stamp, scan.header.frame_id = time_message(world.now()), "lidar"
    world.scans.publish(scan)
    world.until(lambda: world.halt is Halt.OBSTACLE)
    world.until(lambda: is_zero(world.velocities[-1]))


def test_a_killed_publisher_stops_the_robot_within_half_a_second(
    strict_world: ControlWorld, request: pytest.FixtureRequest
) -> None:
    world = strict_world
    world.activate(lease=False)
    helpers = str(request.config.rootpath / "test" / "helpers")
    code = f"import sys; sys.path.insert(0, {helpers!r})\n{PUBLISHER}"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        world.until(lambda: speed(world.velocities[-1]) > 0.3)
        process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        world.until(lambda: is_zero(world.velocities[-1]))
        assert time.monotonic() - killed < 0.5
        assert world.halt is Halt.PUBLISHER_LOST
    finally:
        process.kill()
        process.wait()
    # Another one may take its place.
    world.lease()
    world.until(world.chunks.get_subscription_count)
    world.until(lambda: world.halt is Halt.NO_CHUNK)
    world.go(sequence=2)


# ------------------------------------------------------------------------------ time


def test_a_clock_that_stands_still_stops(world: ControlWorld) -> None:
    world.activate(use_sim_time=True)
    at = [100.0]

    def run_clock() -> None:
        at[0] += 0.01
        world.set_time(at[0])

    run_clock()
    world.follow(go_to(2.9, 0.0, 0.0, horizon=400, stamp=world.now()))
    world.while_doing(run_clock, lambda: speed(world.velocities[-1]) > 0.05)
    stopped = time.monotonic()
    world.until(lambda: is_zero(world.velocities[-1]))
    assert world.halt is Halt.CLOCK_FROZEN
    assert time.monotonic() - stopped < 0.25 + 1.0
    world.while_doing(run_clock, lambda: world.halt is Halt.NONE)


def test_a_clock_that_jumps_back_starts_anew(world: ControlWorld) -> None:
    world.activate(use_sim_time=True)
    world.set_time(100.0)
    world.follow(go_to(2.9, 0.0, 0.0, stamp=world.now()))
    world.until(lambda: world.halt is Halt.NONE)
    world.set_time(40.0)
    world.until(lambda: world.halt in (Halt.NO_CHUNK, Halt.CLOCK_FROZEN))
    world.follow(go_to(2.9, 0.0, 0.0, stamp=world.now()))
    at = [40.0]

    def run_clock() -> None:
        at[0] += 0.01
        world.set_time(at[0])

    world.while_doing(run_clock, lambda: world.halt is Halt.NONE)


# ------------------------------------------------------------------------------ life cycle


def test_deactivating_stops_the_robot_first(world: ControlWorld) -> None:
    world.activate()
    world.go()
    world.velocities.clear()
    assert world.node.trigger_deactivate() == SUCCESS
    world.until(lambda: world.velocities and is_zero(world.velocities[-1]))
    count = len(world.velocities)
    assert world.values()[:2] == (STALE, "the controller is not active")
    assert len(world.velocities) == count
    assert world.node.trigger_activate() == SUCCESS
    world.until(lambda: len(world.velocities) > count + 3)
    assert all(map(is_zero, world.velocities[count:])), "the chunk of before is forgotten"
    assert world.halt is Halt.NO_CHUNK


def test_a_node_cleaned_up_can_be_configured_again(world: ControlWorld) -> None:
    world.activate()
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        assert getattr(world.node, f"trigger_{transition}")() == SUCCESS
    world.velocities.clear()
    world.matched()
    world.go()


def test_a_fault_of_the_program_stops_the_robot_and_does_not_end_the_node(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.activate()
    world.go()

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(world.node._controller._follower, "command", fail)
        world.halted(Halt.UNREADABLE, within=1.0)
    assert "ZeroDivisionError: a fault" in world.values()[2]["last error"]
    world.go()


def test_a_wrong_parameter_fails_to_configure_with_its_name(
    world: ControlWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    node = world.start(control__rate=5.0, safety__margins=0.1)
    assert node.trigger_configure() == FAILURE
    said = capfd.readouterr().err
    assert "control.rate out of range" in said
    assert "safety.margins: there is no such parameter" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_cleanly_after_a_zero(
    world: ControlWorld, number: signal.Signals
) -> None:
    world.node = world.other
    process = subprocess.Popen(
        [sys.executable, "-m", "vlam_ros.nodes.controller_node"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        world.until(lambda: world.statuses and world.statuses[-1].status[0].level != STALE)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30.0)
    finally:
        process.kill()
        world.node = None
    assert process.returncode == 0
    assert "Traceback" not in errors
