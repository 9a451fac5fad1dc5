"""The topics that a robot's drivers and users share with the nodes.

Topics among the nodes (`depth`, `action_chunk`, …) are their own affair.
"""

INPUTS = (
    "image",
    "image/compressed",
    "camera_info",
    "camera_depth",
    "points",
    "scan",
    "imu",
    "odom",
    "joint_states",
    "gripper_state",
    "instruction",
    "estop",
)
"""What the nodes are told."""

OUTPUTS = ("cmd_vel", "arm", "gripper")
"""What the nodes tell the drivers."""


def topic_argument(topic: str) -> str:
    """The launch argument that says what a topic is called on a robot: "image_compressed_topic"."""
    return topic.replace("/", "_") + "_topic"
