"""Plays what a bag holds of a robot's sensors to nodes, under their topics' names, with /clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from vlam_ros.bags import BagReader
from vlam_ros.errors import BagError
from vlam_ros.replay.notes import Notes
from vlam_ros.replay.roles import FUSED, RAW, ROLES, Assignment
from vlam_ros.replay.script import Cue
from vlam_ros.replay.timed import Timed, timed_messages
from vlam_ros.ros.message_types import message_class
from vlam_ros.ros.stamps import time_message

SENSORS = (
    "image",
    "image/compressed",
    "camera_info",
    "points",
    "scan",
    "imu",
    "odom",
    "camera_depth",
    "joint_states",
    "gripper_state",
    "instruction",
    "tf",
    "tf_static",
)
"""The roles that a robot's drivers and users play."""
GAP, SHORTENED = 5_000_000_000, 1_000_000_000
"""ns: of a longer gap only so much is waited."""
CLOCK_STEP = 5_000_000
"""ns from one time of /clock to the next."""
QUEUE = 200
"""Messages of a topic that may be on their way."""

Spin = Callable[[float], None]
"""Lets ROS work for so many seconds."""


class BagPlayer:
    """Publishes through a node of its owner's.

    `topics` are the full names that it publishes.
    """

    def __init__(
        self,
        node: Node,
        bag: BagReader,
        roles: Assignment,
        notes: Notes,
        script: tuple[Cue, ...] = (),
        plays_fused: bool = False,
    ) -> None:
        """Advertise.

        Args:
            node: which publishes.
            bag: open.
            roles: its topics.
            notes: takes what cannot be played.
            script: in place of the bag's instructions.
            plays_fused: what fusion_node made in place of the LiDAR and IMU that it made it of.
        """
        self._bag, self._notes, self._script = bag, notes, script
        wanted: Collection[str] = SENSORS
        if plays_fused:
            wanted = (*(role for role in SENSORS if role not in RAW), *FUSED)
        self._roles = Assignment({r: t for r, t in roles.topics.items() if r in wanted})
        self._clock = node.create_publisher(Clock, "/clock", QoSProfile(depth=10))
        self._publishers: dict[str, Publisher] = {}
        for role in (*self._roles.topics, *(["instruction"] if script else [])):
            self._advertise(node, role)
        self.topics = frozenset(p.topic_name for p in self._publishers.values())

    def unheard(self) -> list[str]:
        """The topics that nobody has subscribed to yet."""
        return [
            publisher.topic_name
            for publisher in self._publishers.values()
            if publisher.get_subscription_count() == 0
        ]

    def play(self, rate: float | None, spin: Spin) -> Iterator[Timed]:
        """Publish all messages, and yield each before; whoever gets one may let time pass before
        going on.

        Args:
            rate: times as fast as recorded; None: as fast as messages are asked for.
            spin: called while there is nothing to do.
        """
        cues = deque(self._script)
        first: int | None = None
        told = last = 0
        due = time.monotonic()
        for timed in timed_messages(self._bag, self._roles, self._notes):
            if first is None:
                first, last = timed.received, timed.now
            if rate is not None:
                gap = 0 if timed.jumped else timed.now - last
                due += (gap if gap <= GAP else SHORTENED) / 1e9 / rate
                while (ahead := due - time.monotonic()) > 0:
                    spin(ahead)
            last = timed.now
            if abs(timed.now - told) >= CLOCK_STEP:
                self._clock.publish(Clock(clock=time_message(timed.now)))
                told = timed.now
            yield timed
            while cues and timed.received - first >= cues[0].seconds * 1e9:
                self._publishers["instruction"].publish(String(data=cues.popleft().text))
            if timed.role in self._publishers and not (
                self._script and timed.role == "instruction"
            ):
                self._publishers[timed.role].publish(timed.data)

    def tick(self, now: int) -> None:
        """Let the clock say a time (ns)."""
        self._clock.publish(Clock(clock=time_message(now)))

    def _advertise(self, node: Node, role: str) -> None:
        if role in self._publishers:
            return
        durability = DurabilityPolicy.VOLATILE
        if role == "tf_static":
            durability = DurabilityPolicy.TRANSIENT_LOCAL
        profile = QoSProfile(
            depth=QUEUE, reliability=ReliabilityPolicy.RELIABLE, durability=durability
        )
        try:
            kind = message_class(ROLES[role])
        except BagError as error:
            self._notes.add(f"{role} is not played: {error}")
            return
        name = f"/{role}" if role in ("tf", "tf_static") else role
        self._publishers[role] = node.create_publisher(kind, name, profile)
