"""A bag replayed in this process: the same decisions every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.recorded import Recorded
from vlam_ros.lab.replay.redecide import Redecider
from vlam_ros.lab.replay.roles import FUSED, RAW, ROLES, Assignment
from vlam_ros.lab.replay.script import Cue
from vlam_ros.lab.replay.sensing import BagSensors
from vlam_ros.lab.replay.timed import timed_messages
from vlam_ros.runtime import DEPTH_MARGIN, DecisionMaker, DecisionResult


@dataclass(frozen=True)
class ReplayOptions:
    """How a bag is decided on.

    `mapping` names the topics of roles. `script` takes the place of the bag's instructions.
    `period` are the seconds from one decision to the next, 0 for every image. `anew` decides
    anew on a bag that says what its own decisions were made on, and fuses its raw sensors again.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    script: tuple[Cue, ...] = ()
    period: float = 0.4
    redecide: bool = False


def follows_recording(roles: Assignment, options: ReplayOptions) -> bool:
    """Whether the decisions of the recorded run are made again, rather than others."""
    return "decision_inputs" in roles.topics and not (options.redecide or options.script)


def fuses_anew(roles: Assignment, options: ReplayOptions) -> bool:
    """Whether LiDAR and IMU are fused again, rather than what fusion_node made of them taken."""
    raw = any(role in roles.topics for role in RAW)
    return (raw and options.redecide) or not any(role in roles.topics for role in FUSED)


def replay_offline(
    bag: BagReader,
    roles: Assignment,
    maker: DecisionMaker,
    settings: tuple[Settings, FusionNodeSettings],
    options: ReplayOptions,
    notes: Notes,
    progress: Callable[[int], None] = lambda received: None,
) -> Iterator[DecisionResult]:
    """The decisions on an open bag, in order.

    Args:
        bag: the bag.
        roles: its topics.
        maker: the pipeline; it forgets everything first.
        settings: of vlam_node and fusion_node.
        options: how it is decided on.
        notes: takes what is wrong with the bag.
        progress: hears when each message was received, ns.
    """
    own, fusion = settings
    messages = timed_messages(bag, roles, notes, progress)
    if follows_recording(roles, options):
        sensors = BagSensors(own, fusion, fuses=False, notes=notes, checks_ages=False)
        yield from Recorded(sensors, maker, notes).run(messages)
        return
    if not options.script and "instruction" not in roles.topics:
        notes.add(_no_instruction(bag))
    fuses = fuses_anew(roles, options)
    sensors = BagSensors(own, fusion, fuses=fuses, notes=notes)
    wait = own.sensors.lidar_wait + (0.0 if fuses else DEPTH_MARGIN)
    age = own.policy.max_image_age
    source = Redecider(sensors, maker, options.script, wait, options.period, age, notes)
    yield from source.run(messages)


def _no_instruction(bag: BagReader) -> str:
    texts = sorted(topic for topic, kind in bag.topics.items() if kind == ROLES["instruction"])
    which = f", or say which topic has it, as --map instruction:={texts[0]}" if texts else ""
    return f"the bag has no instruction: give one with --instruction{which}"
