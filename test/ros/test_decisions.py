"""Decisions to messages and back."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from visualization_msgs.msg import Marker

import vlam_ros.msg
from vlam_ros.configuration import Settings
from vlam_ros.errors import ActionError
from vlam_ros.ros.decisions import (
    chunk_from_message,
    chunk_to_message,
    hold_chunk,
    scene_to_message,
)
from vlam_ros.ros.outputs import markers
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
    InstructionRequest,
    Outcome,
    Plan,
    PositionSource,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Verdict,
)

SPACE = ActionSpace.of(("stop", "go_to"), (-3.0, -3.0, -1.0, -math.pi), (3.0, 3.0, 1.0, math.pi))
REQUEST = InstructionRequest(
    "go to the red cup — ¡ya!", epoch=1_800_000_000_123_456_789, sequence=7
)
STAMP = 1_800_000_001_000_000_002


def chunk(verdict: Verdict) -> ActionChunk:
    return ActionChunk(
        stamp=STAMP,
        frame_id="base_link",
        space=SPACE,
        tokens=np.array([[1, 128, 91, 127, 255], [1, 130, 92, 127, 255]], np.uint16),
        start_offset=200_000_000,
        step=250_000_000,
        request=REQUEST,
        skill="go_to",
        trace="go_to(red cup)",
        verdict=verdict,
    )


def same(one: ActionChunk, other: ActionChunk) -> bool:
    """Whether two chunks are equal in everything."""
    fields = {name: value for name, value in vars(one).items() if name != "tokens"}
    others = {name: value for name, value in vars(other).items() if name != "tokens"}
    return fields == others and np.array_equal(one.tokens, other.tokens)


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(Outcome.EXECUTE, confidence=0.75),
        Verdict(Outcome.DONE, confidence=1.0),
        *[
            Verdict(Outcome.HOLD, reason, f"because of {reason.name}")
            for reason in list(Reason)[1:]
        ],
    ],
)
def test_a_chunk_survives_the_wire(verdict: Verdict) -> None:
    sent = chunk(verdict)
    wire = serialize_message(chunk_to_message(sent))
    received = chunk_from_message(deserialize_message(wire, vlam_ros.msg.ActionChunk))
    assert same(received, sent)
    assert received.tokens.dtype == np.uint16


def test_a_chunk_without_rows_is_refused() -> None:
    message = chunk_to_message(chunk(Verdict(Outcome.EXECUTE)))
    message.tokens = []
    with pytest.raises(ActionError, match="needs a row"):
        chunk_from_message(message)


def test_rows_of_another_width_than_the_space_are_refused() -> None:
    message = chunk_to_message(chunk(Verdict(Outcome.EXECUTE)))
    message.tokens[-1].bins = [1, 2, 3]
    with pytest.raises(ActionError, match="each row needs 4 bins"):
        chunk_from_message(message)


def test_a_chunk_of_a_bag_from_before_spaces_described_themselves_is_read() -> None:
    new = chunk_to_message(chunk(Verdict(Outcome.EXECUTE)))
    names = [name for name in new.get_fields_and_field_types() if name != "policy"]
    old = SimpleNamespace(**{name: getattr(new, name) for name in names})
    old.space = SimpleNamespace(
        commands=["stop", "go_to"], low=SPACE.low, high=SPACE.high, bins=255
    )
    old.tokens = [
        SimpleNamespace(cmd=t.cmd, **dict(zip(("x", "y", "z", "theta"), t.bins, strict=True)))
        for t in new.tokens
    ]
    read = chunk_from_message(old)
    assert (read.tokens == chunk_from_message(new).tokens).all()
    assert (read.space.names, read.space.low, read.policy) == (SPACE.names, SPACE.low, "")


@pytest.mark.parametrize(("outcome", "reason"), [(9, 0), (0, 99), (0, 0), (1, 4)])
def test_a_chunk_with_an_impossible_verdict_is_refused(outcome: int, reason: int) -> None:
    message = chunk_to_message(chunk(Verdict(Outcome.EXECUTE)))
    message.outcome, message.reason = outcome, reason
    with pytest.raises(ValueError, match=r"valid|HOLD needs a reason"):
        chunk_from_message(message)


def test_a_hold_chunk_is_one_stop_row_that_uses_no_dimension() -> None:
    verdict = Verdict(Outcome.HOLD, Reason.STALE_SENSOR, "no image")
    held = hold_chunk(Settings.load().action, STAMP, REQUEST, verdict)
    assert held.tokens.tolist() == [[0, 255, 255, 255, 255]]
    assert held.space.names[0] == "stop"
    assert (held.stamp, held.request, held.verdict) == (STAMP, REQUEST, verdict)


def thing(phrase: str, **known: Any) -> SceneObject:
    return SceneObject(phrase, (1, 2, 30, 40), np.ones((4, 4), bool), 0.9, 0.8, 0.5, **known)


CUP = thing(
    "red cup", position=(1.0, 0.5, 0.0), spread=0.02, size=0.1, source=PositionSource.GROUND_PLANE
)
TRAY, BALL = thing("blue tray", second_look=True), thing("ball", position=(2.0, 0.0, 0.0))


def decision() -> Decision:
    plan = Plan((SkillStep("place", target=CUP, destination=TRAY),))
    verdict = Verdict(Outcome.EXECUTE, confidence=0.75)
    return Decision(Scene(STAMP, (CUP, TRAY, BALL)), plan, verdict, chunk(verdict))


def test_scene_message_has_roles_positions_and_nan_for_unknown() -> None:
    message = scene_to_message(decision())
    kind = vlam_ros.msg.SceneObject
    assert [o.phrase for o in message.objects] == ["red cup", "blue tray", "ball"]
    assert [o.role for o in message.objects] == [kind.TARGET, kind.DESTINATION, kind.OTHER]
    cup, tray, _ = message.objects
    assert (cup.position.x, cup.position.y, cup.position.z) == (1.0, 0.5, 0.0)
    assert cup.position_source == kind.GROUND_PLANE
    assert math.isnan(tray.position.x)
    assert math.isnan(tray.spread)
    assert tray.position_source == kind.NONE
    assert (tray.second_look, cup.second_look) == (True, False)
    assert list(cup.box) == [1, 2, 30, 40]
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_800_000_001, 2)
    assert message.header.frame_id == "base_link"


def test_markers_clear_the_old_ones_and_show_what_has_a_position() -> None:
    first, *shown = markers(decision()).markers
    assert first.action == Marker.DELETEALL
    assert [m.text for m in shown if m.type == Marker.TEXT_VIEW_FACING] == [
        "red cup 0.90",
        "ball 0.90",
    ]
    balls = [m for m in shown if m.type == Marker.SPHERE]
    assert [(m.pose.position.x, m.scale.x) for m in balls] == [(1.0, 0.1), (2.0, 0.05)]
    assert len({(m.ns, m.id) for m in shown}) == len(shown)
