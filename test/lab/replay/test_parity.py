"""Nodes in processes of their own decide on a bag that is played to them twice, and what they do is
recorded. Decided again offline, in this process, the recording gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from rclpy.serialization import serialize_message
from sensed_bag import EPOCH, RAW, SECOND, sensed_bag

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.interface import RECORDED
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.bags.definitions import known_types
from vlam_ros.lab.bags.recorder import in_namespace, recording
from vlam_ros.lab.live.node_process import START_PATIENCE, node_processes
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.collected import Collected, recorded_run
from vlam_ros.lab.replay.offline import ReplayOptions, replay_offline
from vlam_ros.lab.replay.over_topics import LiveReplay
from vlam_ros.lab.replay.records import DecisionRecord
from vlam_ros.lab.replay.roles import DECISIONS, FUSED, assign
from vlam_ros.pipeline import Pipeline
from vlam_ros.ros.decisions import chunk_to_message
from vlam_ros.runtime import DecisionResult

SECONDS, PERIOD, ROUNDS = 2.4, 0.4, 2
IMAGES = [EPOCH + round((0.04 + i * PERIOD) * SECOND) for i in range(6)]
"""The stamps of those that are decided on in each round."""
FIRST, SECOND_ONE = "go to the red cup", "go to the green box"
SAID_TO_IT = {0.3: FIRST, 1.3: SECOND_ONE}
SLACK = 0.35
CHUNK = "vlam_ros/msg/ActionChunk"


@dataclass(frozen=True)
class Parity:
    """Both runs, and the recording that was made of the first."""

    live: list[Collected]
    offline: list[DecisionResult]
    notes: tuple[str, ...]
    bag: Path


@pytest.fixture(scope="module")
def parity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parity]:
    folder = tmp_path_factory.mktemp("parity")
    sensed = sensed_bag(folder / "sensed", SECONDS, SAID_TO_IT)
    with pytest.MonkeyPatch.context() as patch:
        # Two threads wait for each other very long where something else runs as well.
        patch.setenv("OMP_NUM_THREADS", "1")
        live = play(sensed, folder / "live", folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings, notes = (Settings.load(), FusionNodeSettings.load()), Notes()
    with BagReader(folder / "live") as bag:
        roles = assign(bag.topics, {})
        pipeline = Pipeline.from_settings(settings[0])
        offline = list(replay_offline(bag, roles, pipeline, settings, ReplayOptions(), notes))
        yield Parity(live, offline, (*bag.notes, *notes.lines), folder / "live")
    torch.set_num_threads(threads)


def play(sensed: Path, kept: Path, logs: Path) -> list[Collected]:
    """Play a bag to vlam_node and fusion_node, and record it; what was decided."""
    simulated = {"use_sim_time": True}
    notes = Notes()
    with (
        node_processes({"vlam_node": simulated, "fusion_node": simulated}, logs) as check,
        BagReader(sensed) as bag,
        LiveReplay(bag, assign(bag.topics, {}), notes, slack=SLACK) as live,
        recording(kept, in_namespace(RECORDED)) as recorder,
    ):
        wanted = [*live.player.topics, *(f"/{topic}" for topic in (*FUSED, *DECISIONS))]

        def lacking() -> str:
            return ", ".join(topic for topic in wanted if not recorder.hears(topic))

        live.wait_until_heard(START_PATIENCE, lambda waiting_for: check(), lacking)
        for _ in range(ROUNDS):
            live.play(None, lambda waiting_for: check(), period=PERIOD)
        assert notes.lines == ()
    assert not +recorder.lost, "best-effort topics are published reliably, and nothing was lost"
    return live.decisions


def test_every_image_is_decided_on_in_both_rounds_under_both_instructions(
    parity: Parity,
) -> None:
    for era in range(ROUNDS):
        told = [d.record for d in parity.live if d.record.era == era]
        assert sorted({d.stamp for d in told}) == IMAGES
        assert Counter(d.instruction for d in told)[FIRST] >= 3
        assert Counter(d.instruction for d in told)[SECOND_ONE] >= 3
    outcomes = Counter(d.record.outcome for d in parity.live)
    assert outcomes["EXECUTE"] >= 6
    assert outcomes["HOLD"] >= 1
    assert all(0 < d.seconds < 20 for d in parity.live)


def test_decisions_are_made_of_fused_sensors_and_the_state_of_the_robot(parity: Parity) -> None:
    seen = [{s.name for s in decided.inputs.sensors if not s.missing} for decided in parity.offline]
    every = {"camera", "depth", "attitude", "floor", "obstacles", "odometry", "gripper", "joints"}
    every |= {"range"}
    assert sum(sensors == every for sensors in seen) >= 8
    with BagReader(parity.bag) as bag:
        assert all(bag.counts[f"/{role}"] for role in (*RAW, *FUSED, *DECISIONS, "instruction"))
        assert bag.counts["/image"] == ROUNDS * len(IMAGES)


def test_what_the_range_sensor_saw_blocked_the_path_from_then_on(parity: Parity) -> None:
    by_range = [
        d.record.stamp
        for d in parity.live
        if d.record.message.startswith("something at (0.50, -0.04) is in the way")
    ]
    assert by_range == [IMAGES[-1]] * ROUNDS


def test_offline_decides_the_same_to_the_byte(parity: Parity) -> None:
    live = [collected.record.to_json() for collected in parity.live]
    offline = [DecisionRecord.of(d.decision, d.inputs).to_json() for d in parity.offline]
    assert offline == live
    assert parity.notes == ("the recorder's clock is not the one of the stamps: the stamps are "
                            "the time",)  # fmt: skip


def test_the_recording_tells_the_same_decisions(parity: Parity) -> None:
    with BagReader(parity.bag) as bag:
        run = recorded_run(bag, assign(bag.topics, {}))
    assert run is not None
    live = [collected.record.to_json() for collected in parity.live]
    assert [decision.to_json() for decision in run.decisions] == live


def test_the_chunks_are_the_same_to_the_byte(parity: Parity) -> None:
    with BagReader(parity.bag) as bag:
        recorded = [canonical(message.data) for message in bag.messages(["/action_chunk"])]
    # Without an instruction only the node knows its order.
    chunks = [d.decision.chunk for d in parity.offline if d.inputs.request]
    made = [canonical(serialize_message(chunk_to_message(chunk))) for chunk in chunks]
    assert len(set(made)) == len(made) >= 12
    # Between them are those that stop the robot where there is no image to decide on.
    remaining = iter(recorded)
    assert all(chunk in remaining for chunk in made), "each is in the recording, in this order"


def canonical(data: bytes) -> bytes:
    """The same message with zeros in the gaps between its fields, where rclpy leaves anything."""
    types = known_types("jazzy")
    return bytes(types.serialize_cdr(types.deserialize_cdr(data, CHUNK), CHUNK))
