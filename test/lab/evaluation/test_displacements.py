"""Turn and move in closed loop with the simulator: as far as was said, and stopped before walls."""

import math
from functools import cache

import pytest
from policy_world import ToldPerceiver, WordClip
from policy_world import pipeline as told_pipeline

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.lab.evaluation.lockstep import Lockstep
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.scene import SceneSpec
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.world import World
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import (
    Halt,
    InstructionRequest,
    Observation,
    Odometry,
    Outcome,
    Reason,
    VelocityCommand,
    Verdict,
)

SECOND = 1_000_000_000
FUSION, CONTROLLER = FusionNodeSettings.load(), ControllerSettings.load()


class Driven:
    """What became of an instruction: metres along and aside, degrees, and the last verdict."""

    def __init__(self, text: str, wall: float = 3.0, seconds: float = 20.0, seed: int = 1) -> None:
        verdicts: list[Verdict] = []
        self.halts: set[Halt] = set()
        with Simulator(RoomSpec(SceneSpec((), wall_distance=wall)), 64, 48, seed=seed) as simulator:
            # What the camera sees has no say in a displacement.
            blind = told_pipeline(WordClip(), ToldPerceiver())
            loop = Lockstep(simulator, blind, FUSION, CONTROLLER)
            while simulator.now < SECOND:
                loop.tick(lambda decided: None)
            start = simulator.pose
            loop.instruct(text)
            while simulator.now < seconds * SECOND:
                command = loop.tick(lambda decided: verdicts.append(decided.verdict))
                if verdicts and verdicts[-1].outcome is Outcome.DONE:
                    break
                self.halts.add(command.halt)
            for _ in range(30):
                command = loop.tick(lambda decided: None)
            assert command.velocity == VelocityCommand()
            x, y = simulator.pose.x - start.x, simulator.pose.y - start.y
            c, s = math.cos(start.yaw), math.sin(start.yaw)
            self.along, self.aside = c * x + s * y, c * y - s * x
            self.turned = math.degrees(math.remainder(simulator.pose.yaw - start.yaw, math.tau))
            self.touched = simulator.contacts
        self.verdict = verdicts[-1]


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("turn left 90 degrees", 90), ("turn right 90 degrees", -90), ("turn right 270 degrees", 90)],
)
def test_it_turns_as_far_as_was_said(text: str, degrees: float) -> None:
    driven = Driven(text)
    assert driven.verdict.outcome is Outcome.DONE
    assert driven.turned == pytest.approx(degrees, abs=3)
    assert math.hypot(driven.along, driven.aside) < 0.03


@pytest.mark.parametrize(
    ("text", "distance"),
    [("move forward half a metre", 0.5), ("go back half a metre", -0.5), ("go back 1.5 m", -1.5)],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_it_moves_as_far_as_was_said_and_looks_as_before(
    text: str, distance: float, seed: int
) -> None:
    driven = Driven(text, seed=seed)
    assert driven.verdict.outcome is Outcome.DONE
    assert driven.along == pytest.approx(distance, abs=0.03)
    # The radius of each wheel is known to 0.5 %, so what odometry takes for straight is an arc.
    assert abs(driven.aside) < 0.04 * abs(distance)
    assert abs(driven.turned) < 3 * abs(distance)


@pytest.mark.parametrize(("text", "side"), [("move forward 2 m", 1), ("go back 2 m", -1)])
def test_it_does_not_begin_what_a_wall_ends(text: str, side: int) -> None:
    driven = Driven(text, wall=1.8, seconds=5.0)
    assert driven.verdict.reason is Reason.PATH_BLOCKED
    assert abs(driven.along) < 0.02
    assert float(driven.verdict.message.split("(")[1].split(",")[0]) == pytest.approx(
        1.8 * side, abs=0.1
    )
    assert driven.touched == []


SENTENCES = {
    "turn left 90 degrees": "turn",
    "move forward half a metre": "move",
    "go back half a metre": "move",
    "turn around": "turn",
    "back up 30 cm": "move",
}


@cache
def embedded() -> Pipeline:
    return Pipeline.from_settings(Settings.load())


@pytest.mark.parametrize("text", SENTENCES)
def test_on_the_demos_first_image_they_are_carried_out(text: str) -> None:
    with World() as world:
        world.load(DEMO_SCENE)
        image, camera = world.render().image, world.camera
    looking = Observation(SECOND, SECOND, image, camera, odometry=Odometry(SECOND, 0.0, 0.0, 0.0))
    decision = embedded().step(looking, InstructionRequest(text, 1, 1))
    embedded().reset()
    assert decision.verdict.outcome is Outcome.EXECUTE, decision.verdict
    assert decision.chunk.skill == SENTENCES[text]
