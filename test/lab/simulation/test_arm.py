"""The arm reaches, presses gently, and the cup picks up and puts down."""

import math

import numpy as np
import pytest
from simulated import SECOND, joints, reach, rest, simulator, thing

from vlam_ros.lab.simulation.scene import ObjectSpec
from vlam_ros.types import GripperState, JointState

BOX = thing("box", 0.50, 0.10, 0.045, 0.04, 0.05, 0.045)
BALL = thing("ball", 0.45, 0.05, 0.06, 0.06)
CONE = thing("cone", 0.55, 0.0, 0.055, 0.05, 0.11)
PLATE = thing("plate", 0.45, -0.30, 0.01, 0.12, 0.01)


def test_the_tool_goes_where_the_joints_put_it() -> None:
    with simulator() as sim:
        np.testing.assert_allclose(sim.tool, (0.15, 0.0, 0.95), atol=1e-3)
        for x, y, z in ((0.6, 0.2, 0.4), (0.3, -0.5, 0.1), (-0.2, 0.6, 0.8)):
            reach(sim, x, y, z, 2.5)
            base = sim.pose.to_base(np.array([sim.tool]))[0]
            np.testing.assert_allclose(base, (x, y, z), atol=2e-3)


def test_joints_move_at_their_speeds_and_stop_at_their_limits() -> None:
    with simulator() as sim:
        sim.reach((9.0, 9.0, 9.0))
        sim.advance(SECOND // 2)
        for joint, (name, speed) in enumerate(
            (("arm_pan", 1.2), ("arm_extend", 0.6), ("arm_lift", 0.8))
        ):
            states = [a.measured for a in sim.advance(sim.now + SECOND // 10)]
            (first, *_, last) = [s for s in states if isinstance(s, JointState)]
            assert first.names[joint] == name
            moved = last.positions[joint] - first.positions[joint]
            assert moved > speed * (last.stamp - first.stamp) / SECOND
        arrivals = rest(sim, 2.0)
        states = [a.measured for a in arrivals if isinstance(a.measured, JointState)]
        np.testing.assert_allclose(states[-1].positions, [2.6, 0.70, 0.94], atol=2e-3)


def test_a_lowered_tool_rests_on_what_is_below_it_with_a_few_newtons() -> None:
    with simulator(BOX) as sim:
        reach(sim, 0.50, 0.10, 0.30)
        reach(sim, 0.50, 0.10, 0.02, 2.0)
        assert sim.tool[2] == pytest.approx(0.09, abs=2e-3)
        before = sim.contacts
        rest(sim, 1.0)
        (contact,) = sim.contacts
        assert (contact.part, contact.object) == ("cup", 0)
        pressed = (contact.impulse - before[0].impulse) * SECOND / (contact.end - before[0].end)
        assert 1.0 < pressed < 5.0
        assert math.dist(sim.objects[0][0], BOX.position) < 2e-3


@pytest.mark.parametrize("target", [BOX, BALL, CONE], ids=lambda target: target.shape)
def test_it_picks_up_and_puts_on_a_plate(target: ObjectSpec) -> None:
    x, y, z = target.position
    top = 0.11 if target is CONE else 2 * z
    with simulator(target, PLATE) as sim:
        reach(sim, x + 0.005, y - 0.005, top + 0.15)
        reach(sim, x + 0.005, y - 0.005, top - 0.02)
        assert sim.held is None
        sim.grip(True)
        told = [a.measured for a in rest(sim, 0.3) if isinstance(a.measured, GripperState)]
        assert sim.held == 0
        assert [s.holding for s in told][-1]
        reach(sim, x, y, top + 0.2)
        assert sim.objects[0][0][2] == pytest.approx(z + 0.2, abs=0.02)
        reach(sim, 0.45, -0.30, top + 0.2, 2.0)
        reach(sim, 0.45, -0.30, top + 0.02)
        sim.grip(False)
        rest(sim, 0.3)
        assert sim.held is None
        reach(sim, 0.45, -0.30, top + 0.2)
        before = sim.objects[0][0]
        assert math.dist(before[:2], (0.45, -0.30)) < 0.03
        assert before[2] == pytest.approx(z + 0.02, abs=0.005)
        rest(sim, 3.0)
        assert math.dist(sim.objects[0][0], before) < 2e-3


def test_a_cup_without_vacuum_takes_nothing() -> None:
    with simulator(BOX) as sim:
        reach(sim, 0.50, 0.10, 0.30)
        reach(sim, 0.50, 0.10, 0.05)
        reach(sim, 0.50, 0.10, 0.40)
        assert sim.held is None
        assert sim.objects[0][0][2] < 0.05


def test_vacuum_takes_what_it_meets_first() -> None:
    with simulator(BOX, PLATE) as sim:
        sim.grip(True)
        reach(sim, 0.50, 0.10, 0.30)
        assert sim.held is None
        reach(sim, 0.50, 0.10, 0.05)
        assert sim.held == 0


def test_the_tool_pushes_a_box_along() -> None:
    with simulator(thing("box", 0.45, 0.0, 0.05, 0.05, 0.05, 0.05)) as sim:
        reach(sim, 0.34, 0.0, 0.30)
        reach(sim, 0.34, 0.0, 0.04)
        for i in range(20):
            sim.reach(joints(0.34 + 0.01 * i, 0.0, 0.04))
            sim.advance(sim.now + SECOND // 10)
        ((x, y, _), _) = sim.objects[0]
    assert x == pytest.approx(0.34 + 0.19 + 0.062, abs=0.02)
    assert abs(y) < 0.02


def test_the_rod_is_in_the_image_only_when_it_is_lowered() -> None:
    with simulator() as sim:
        before = sim.image()
        reach(sim, 0.7, 0.0, 0.95)
        far = sim.image()
        reach(sim, 0.7, 0.0, 0.1)
        lowered = sim.image()
    assert np.count_nonzero(np.abs(before.astype(int) - far).max(axis=2) > 60) == 0
    assert np.count_nonzero(np.abs(before.astype(int) - lowered).max(axis=2) > 60) > 20
