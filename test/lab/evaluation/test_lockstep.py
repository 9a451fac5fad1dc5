"""The closed loop in one process: it carries instructions out, repeats itself, and is blind to
the truth.
"""

from dataclasses import asdict
from functools import cache

import pytest

from vlam_ros.actions import chunk_to_dict
from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.lab.evaluation.baseline import HighestPixel
from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.episodes import Episode, episode_of_seed
from vlam_ros.lab.evaluation.lockstep import Lockstep, RobotProxy, run_episode
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.pipeline import Pipeline
from vlam_ros.runtime import DecisionResult
from vlam_ros.types import Halt, VelocityCommand

FUSION, CONTROLLER = FusionNodeSettings.load(), ControllerSettings.load()


@cache
def pipeline() -> Pipeline:
    return Pipeline.from_settings(Settings.load())


def first_of(kind: Kind, control: bool = False) -> Episode:
    seeds = range(1_000_000, 1_000_200)
    return next(e for s in seeds if (e := episode_of_seed(s, control)).task.kind is kind)


def chunks(episode: Episode, blind: bool, seconds: float = 4.0) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []

    def note(decided: DecisionResult) -> None:
        made.append(chunk_to_dict(decided.decision.chunk))

    with Simulator(episode.task.room, seed=episode.seed) as simulator:
        loop = Lockstep(
            RobotProxy(simulator) if blind else simulator, pipeline(), FUSION, CONTROLLER
        )
        loop.instruct(episode.script[0][1])
        while simulator.now < seconds * 1e9:
            loop.tick(note)
    return made


def test_without_the_truth_the_decisions_are_the_same_and_so_they_are_again() -> None:
    episode = first_of(Kind.STOP)  # which is a long way that nobody stops here
    seen = chunks(episode, blind=False)
    assert len(seen) == 10
    assert {chunk["skill"] for chunk in seen} == {"go_to"}
    assert chunks(episode, blind=True) == seen


def test_a_new_instruction_stops_the_robot_before_anything_is_decided() -> None:
    episode = first_of(Kind.STOP)
    with Simulator(episode.task.room, seed=episode.seed) as simulator:
        loop = Lockstep(simulator, pipeline(), FUSION, CONTROLLER)
        loop.instruct(episode.script[0][1])
        while simulator.now < 2.5e9:
            command = loop.tick(lambda decided: None)
        assert command.velocity.linear > 0.1
        loop.instruct("turn to the giraffe")
        command = loop.tick(lambda decided: None)
        assert (command.velocity, command.halt) == (VelocityCommand(), Halt.HOLD)


def run(kind: Kind, control: bool = False) -> EpisodeRecord:
    return run_episode(first_of(kind, control), pipeline(), FUSION, CONTROLLER)


@pytest.mark.parametrize("kind", [Kind.TURN_TO, Kind.STOP, Kind.PICK_UP])
def test_what_can_be_done_is_done(kind: Kind) -> None:
    record = run(kind)
    assert (record.success, record.wrong_object, record.collisions) == (True, False, ())
    assert record.outcome == "DONE"
    assert EpisodeRecord.from_dict(asdict(record)) == record


def test_what_is_not_there_is_refused_without_a_move() -> None:
    record = run(Kind.ABSENT, control=True)
    assert (record.success, record.outcome, record.reason) == (True, "HOLD", "TARGET_NOT_FOUND")
    assert record.path < 0.02


def test_the_baseline_drives_to_the_highest_pixel_even_of_what_is_not_there() -> None:
    made = pipeline()
    baseline = HighestPixel(made.grounder, made.policy.space, Settings.load().action)
    record = run_episode(first_of(Kind.ABSENT, True), baseline, FUSION, CONTROLLER)
    assert not record.success
    assert record.verdicts.get("EXECUTE NONE", 0) > 3
