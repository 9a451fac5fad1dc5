"""Turn and move: led by odometry from where they began to where they end, and no farther."""

import math

import numpy as np
import pytest
from policy_world import START, WordClip, World, gripper, odometry, poses, skills

from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.policies import choose_skill
from vlam_ros.types import Decision, Missing, Obstacles, Odometry, Outcome, Reason, Refusal

NO_LIDAR = "the path is not checked: no LiDAR"


class Base:
    """A base that is where its last chunk led, or as much of the way as it is told to go."""

    def __init__(self, x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> None:
        self.x, self.y, self.yaw = x, y, yaw
        self.seconds = 0.0

    @property
    def odometry(self) -> Odometry:
        yaw = math.remainder(self.yaw, math.tau)
        return odometry(self.x, self.y, yaw, seconds=self.seconds)

    def carry_out(self, decision: Decision, share: float = 1.0) -> None:
        self.seconds += 0.5
        if decision.verdict.outcome is Outcome.EXECUTE:
            x, y, _, theta = poses(decision)[-1, 1:]
            if not math.isnan(x):
                c, s = math.cos(self.yaw), math.sin(self.yaw)
                self.x += share * (c * x - s * y)
                self.y += share * (s * x + c * y)
            self.yaw += share * theta


def run(world: World, base: Base, text: str, share: float = 1.0) -> Decision:
    """The last decision, when it is done or after 20 images."""
    decision = world.ask(text, base.seconds, odometry=base.odometry)
    for _ in range(20):
        if decision.verdict.outcome is Outcome.DONE:
            break
        assert decision.verdict.outcome is Outcome.EXECUTE, decision.verdict
        base.carry_out(decision, share)
        decision = world.ask(text, base.seconds, odometry=base.odometry)
    return decision


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("yaw", [0.0, 3.0, -2.0])
@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("turn left 90 degrees", 90),
        ("turn right 30°", -30),
        ("turn around", 180),
        ("turn right 270 degrees", -270),
        ("make a full turn", 360),
    ],
)
def test_a_turn_is_as_long_as_was_asked_for_also_beyond_half_a_turn(
    text: str, degrees: float, yaw: float, share: float
) -> None:
    base = Base(1.0, -2.0, yaw)
    assert run(World(), base, text, share).verdict.outcome is Outcome.DONE
    assert math.degrees(base.yaw - yaw) == pytest.approx(degrees, abs=3)
    assert (base.x, base.y) == (1.0, -2.0)


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize(
    ("text", "distance"),
    [
        ("move forward half a metre", 0.5),
        ("drive forward 3 m", 3.0),
        ("back up 30 cm", -0.3),
        ("go back", -0.5),
    ],
)
def test_a_move_goes_as_far_as_was_asked_for_the_way_the_base_looks(
    text: str, distance: float, share: float
) -> None:
    base = Base(1.0, -2.0, 2.5)
    assert run(World(), base, text, share).verdict.outcome is Outcome.DONE
    along = (base.x - 1) * math.cos(2.5) + (base.y + 2) * math.sin(2.5)
    aside = (base.y + 2) * math.cos(2.5) - (base.x - 1) * math.sin(2.5)
    assert along == pytest.approx(distance, abs=0.03)
    assert (aside, base.yaw) == (pytest.approx(0, abs=0.03), pytest.approx(2.5, abs=0.03))


def test_the_chunk_and_the_plan_say_what_is_done() -> None:
    world, base = World(), Base()
    decision = world.ask("go back half a metre", odometry=base.odometry, gripper=gripper(True))
    assert (decision.verdict.outcome, decision.verdict.confidence) == (Outcome.EXECUTE, 1.0)
    assert (decision.chunk.skill, decision.plan.trace) == ("move", "move back 0.50 m")
    rows = poses(decision)[:, 1:]
    assert rows[-1, [0, 1, 3]] == pytest.approx([-0.515, 0.0, 0.0], abs=0.012)
    assert (np.diff(rows[:, 0]) < 0).all()
    assert world.perceiver.asked == [([], [])], "nothing is looked for"
    turning = world.ask("turn left 90 degrees", 1.0, sequence=2, odometry=base.odometry)
    assert (turning.chunk.skill, turning.plan.trace) == ("turn", "turn left 90 degrees")
    rows = poses(turning)[:, 1:]
    assert np.isnan(rows[:, :3]).all()
    assert rows[-1, 3] == pytest.approx(math.pi / 2, abs=0.013)


def test_what_was_interrupted_goes_on_to_where_it_was_to_end() -> None:
    world, base = World(), Base()
    text = "move forward 2 m"
    base.carry_out(world.ask(text, odometry=base.odometry), share=0.5)
    wall = np.array([[0.6, y, 0.3] for y in (-0.05, 0.05)], np.float32)
    stopped = world.ask(
        text, base.seconds, odometry=base.odometry, obstacles=Obstacles(START + 5 * 10**8, wall)
    )
    assert stopped.verdict.reason is Reason.PATH_BLOCKED
    assert stopped.verdict.message == "something at (0.60, -0.05) is in the way: clear the path"
    lost = world.ask(text, base.seconds, odometry=Missing("odometry: 1.0 s old", lost=True))
    assert (lost.verdict.reason, lost.verdict.message) == (
        Reason.STALE_SENSOR,
        "nobody can tell how far I move or turn: odometry: 1.0 s old; publish odom",
    )
    assert run(world, base, text).verdict.outcome is Outcome.DONE
    assert base.x == pytest.approx(2.0, abs=0.03)


def test_what_has_not_begun_begins_where_the_base_is_then() -> None:
    world, base = World(), Base()
    wall = Obstacles(START, np.array([[0.4, y, 0.3] for y in (-0.05, 0.05)], np.float32))
    held = world.ask("move forward 1 m", odometry=base.odometry, obstacles=wall)
    assert held.verdict.reason is Reason.PATH_BLOCKED
    base.x = -5.0  # somebody pushes it back
    assert run(world, base, "move forward 1 m").verdict.outcome is Outcome.DONE
    assert base.x == pytest.approx(-4.0, abs=0.03)


@pytest.mark.parametrize("text", ["turn left 90 degrees", "move forward 1 m"])
def test_without_odometry_nothing_is_begun(text: str) -> None:
    verdict = World().ask(text).verdict
    assert verdict.reason is Reason.PRECONDITION
    assert "no odometry; publish odom" in verdict.message


@pytest.mark.parametrize("text", ["turn left 90 degrees", "move forward 1 m", "go back 30 cm"])
def test_a_base_that_was_carried_away_holds_and_does_not_try_to_come_back(text: str) -> None:
    world, base = World(), Base()
    base.carry_out(world.ask(text, odometry=base.odometry), share=0.3)
    base.y += 0.5
    for _ in range(2):
        verdict = world.ask(text, base.seconds, odometry=base.odometry).verdict
        assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.PRECONDITION)
        assert "0.50 m beside my way" in verdict.message


def test_a_base_that_comes_no_farther_is_told_so_in_the_end() -> None:
    world, base = World(), Base()
    for second in (0, 30, 59):
        decision = world.ask("move forward 1 m", second, odometry=base.odometry)
        assert decision.verdict.outcome is Outcome.EXECUTE
    verdict = world.ask("move forward 1 m", 61, odometry=base.odometry).verdict
    assert verdict.reason is Reason.PRECONDITION
    assert "after 60 s 1.00 m of 'move' are left: what holds me?" in verdict.message


def test_a_base_that_rolls_on_beyond_the_end_is_not_sent_back() -> None:
    world, base = World(), Base()
    world.ask("move forward 1 m", odometry=base.odometry)
    beyond = odometry(1.08, speed=0.2, seconds=0.5)
    decision = world.ask("move forward 1 m", 0.5, odometry=beyond)
    assert decision.verdict.outcome is Outcome.EXECUTE
    assert poses(decision)[-1, 1] == pytest.approx(0.015, abs=0.012)
    assert world.ask("move forward 1 m", 1.0, odometry=odometry(1.1, seconds=1.0)).plan.current == 1


# ---------------------------------------------------------------------------------- behind


def seen(*places: tuple[float, float]) -> Obstacles:
    pairs = [(x, y + side, 0.3) for x, y in places for side in (0.0, 0.05)]
    return Obstacles(START, np.array(pairs, np.float32))


@pytest.mark.parametrize(
    ("text", "obstacles", "reason"),
    [
        ("go back 1 m", seen((-3.0, 0.5)), Reason.NONE),
        ("go back 1 m", seen((-1.1, 0.1)), Reason.PATH_BLOCKED),
        ("go back 1 m", seen((2.0, 0.0), (-1.0, 2.0)), Reason.STALE_SENSOR),
        ("go back 1 m", Missing("no LiDAR"), Reason.STALE_SENSOR),
        ("go back half a metre", Missing("no LiDAR"), Reason.NONE),
        ("go back half a metre", seen((2.0, 0.0)), Reason.NONE),
        ("go back half a metre", seen((-0.6, 0.0)), Reason.PATH_BLOCKED),
        ("go back half a metre", Missing("1 s old", lost=True), Reason.STALE_SENSOR),
        ("move forward 1 m", seen((-0.5, 0.0)), Reason.NONE),
        ("turn around", seen((0.5, 0.0)), Reason.NONE),
        ("turn around", seen((-0.15, 0.05)), Reason.PATH_BLOCKED),
        ("turn around", Missing("1 s old", lost=True), Reason.STALE_SENSOR),
    ],
)
def test_the_way_is_checked_where_it_leads(
    text: str, obstacles: Obstacles | Missing, reason: Reason
) -> None:
    verdict = World().ask(text, odometry=odometry(), obstacles=obstacles).verdict
    assert verdict.reason is reason, verdict


# ---------------------------------------------------------------------------------- the choice


@pytest.mark.parametrize(("text", "skill"), [("turn right", "turn"), ("go back 1 m", "move")])
def test_it_is_chosen_by_its_measure_and_no_model_is_asked(text: str, skill: str) -> None:
    clip = WordClip()
    task = choose_skill(list(skills().values()), clip, parse_instruction(text), lambda texts: texts)
    assert (task.skill, task.confidence, clip.compared) == (skill, 1.0, [])


def test_a_robot_without_the_skill_says_what_it_can() -> None:
    some = [skill for skill in skills().values() if skill.name != "move"]
    with pytest.raises(Refusal, match=r"'go back 1 m': I can stop, .*, turn") as refused:
        choose_skill(some, WordClip(), parse_instruction("go back 1 m"), lambda texts: texts)
    assert refused.value.reason is Reason.UNKNOWN_SKILL


def test_what_cannot_be_measured_holds_with_the_reason() -> None:
    with pytest.raises(InstructionError):
        parse_instruction("move forward 3 bananas")
    verdict = World().ask("move forward 3 bananas", odometry=odometry()).verdict
    assert verdict.reason is Reason.INSTRUCTION_INVALID
    assert "I do not know the unit 'bananas'" in verdict.message
