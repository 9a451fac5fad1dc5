"""The quality of service of every topic of the design, under the name of what flows there."""

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

CHUNK_LEASE = Duration(seconds=0.2)
"""A controller stops when the publisher of action chunks was silent for so long."""


def _profile(reliability: ReliabilityPolicy, depth: int, **further: object) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        # Volatile everywhere: a transient-local reader would not match ordinary publishers, and
        # an instruction or chunk of yesterday must not move a robot that starts today.
        durability=DurabilityPolicy.VOLATILE,
        **further,
    )


IMAGE = _profile(ReliabilityPolicy.BEST_EFFORT, 1)
"""image, image/compressed, camera_info, camera_depth: only the newest counts."""

SWEEP = _profile(ReliabilityPolicy.BEST_EFFORT, 1)
"""points, scan."""

IMU = _profile(ReliabilityPolicy.BEST_EFFORT, 200)
"""imu: one second of a usual one, which deskewing needs without gaps."""

FUSED = _profile(ReliabilityPolicy.BEST_EFFORT, 5)
"""depth, attitude, floor, obstacles."""

ROBOT_STATE = _profile(ReliabilityPolicy.BEST_EFFORT, 10)
"""odom, joint_states, gripper_state."""

INSTRUCTION = _profile(ReliabilityPolicy.RELIABLE, 1)
"""instruction, replan."""

ESTOP = _profile(ReliabilityPolicy.RELIABLE, 10)

CLOCK = _profile(ReliabilityPolicy.BEST_EFFORT, 1)
"""/clock, as rclpy listens to it."""

COMMAND = _profile(ReliabilityPolicy.RELIABLE, 1)
"""arm, gripper; cmd_vel as a base listens to it, which may ask for a deadline besides."""

VELOCITY = _profile(ReliabilityPolicy.RELIABLE, 1, deadline=Duration(seconds=0.1))
"""cmd_vel as it is published: never longer silent, or the middleware tells both ends."""

OUTPUT = _profile(ReliabilityPolicy.RELIABLE, 1)
"""scene, ~/overlay, ~/markers, ~/depth_dense, /diagnostics."""

DECISION_INPUTS = _profile(ReliabilityPolicy.RELIABLE, 10)
"""decision_inputs: whoever records them needs every one."""

ACTION_CHUNK = _profile(
    ReliabilityPolicy.RELIABLE,
    1,
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=CHUNK_LEASE,
)
