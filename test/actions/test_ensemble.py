from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlam_ros.actions import ActionChunk, ActionSpace, ActionTokenizer, ensemble
from vlam_ros.errors import ActionError
from vlam_ros.types import InstructionRequest, Odometry, Outcome, Reason, Verdict

SPACE = ActionSpace.of(("stop", "go_to", "release"), (-3.0,) * 4, (3.0,) * 4, 6001)  # 1 mm
TOKENIZER = ActionTokenizer(SPACE)
STEP = 100
STILL = Odometry(0, 0.0, 0.0, 0.0)


def chunk(stamp: int, x: list[float], theta: float = 0.0, cmd: int = 1) -> ActionChunk:
    rows = np.array([[cmd, value, 0.0, np.nan, theta] for value in x])
    return ActionChunk(
        stamp=stamp,
        frame_id="base_link",
        space=SPACE,
        tokens=TOKENIZER.encode(rows, used=~np.isnan(rows[:, 1:])),
        start_offset=0,
        step=STEP,
        request=InstructionRequest("go to the box", 1, 1),
        skill="go_to",
        trace="",
        verdict=Verdict(Outcome.EXECUTE),
    )


def averaged(chunks: list[ActionChunk], now: int = 0, m: float = 0.0) -> np.ndarray:
    result = ensemble(chunks, [STILL] * len(chunks), now, m)
    assert result is not None
    return TOKENIZER.decode(result.tokens)


def test_the_oldest_prediction_weighs_most() -> None:
    chunks = [chunk(0, [0.0, 0.0, 1.0]), chunk(100, [0.0, 2.0]), chunk(200, [3.0])]
    w = np.exp(-0.5 * np.arange(3))
    expected = (w[0] * 1.0 + w[1] * 2.0 + w[2] * 3.0) / w.sum()
    assert averaged(chunks, now=200, m=0.5)[0, 1] == pytest.approx(expected, abs=6e-4)
    assert averaged(chunks[::-1], now=200, m=0.5)[0, 1] == pytest.approx(expected, abs=6e-4)


def test_rows_are_matched_by_time_not_by_index() -> None:
    older, newest = chunk(0, [0.1, 0.2, 0.3, 0.4]), chunk(150, [1.0, 1.0, 1.0, 1.0])
    # Rows of the newest are due at 150, 250, 350, 450; the older one is void from 400.
    np.testing.assert_allclose(averaged([older, newest])[:, 1], [0.6, 0.65, 0.7, 1.0], atol=6e-4)


@pytest.mark.parametrize(("now", "first"), [(0, 0), (199, 0), (200, 1), (399, 2)])
def test_rows_that_have_ended_are_dropped(now: int, first: int) -> None:
    newest = chunk(100, [0.0, 1.0, 2.0])
    result = ensemble([newest], [STILL], now, 0.0)
    assert result is not None
    assert result.start_offset == first * STEP
    np.testing.assert_array_equal(result.tokens, newest.tokens[first:])


def test_nothing_is_left_when_all_rows_have_ended() -> None:
    assert ensemble([chunk(100, [0.0, 1.0])], [STILL], 300, 0.0) is None


def test_angles_are_averaged_on_the_circle() -> None:
    space = ActionSpace.of(("stop", "go_to"), (-3.2,) * 4, (3.2,) * 4, 6401)
    tokenizer = ActionTokenizer(space)
    chunks = []
    for stamp, theta in ((0, 3.0), (1, -3.0)):
        tokens = tokenizer.encode(np.array([[1, 0.0, 0.0, 0.0, theta]]))
        chunks.append(replace(chunk(stamp, [0.0]), space=space, tokens=tokens))
    result = ensemble(chunks, [STILL, STILL], 1, 0.0)
    assert result is not None
    assert abs(tokenizer.decode(result.tokens)[0, 4]) == pytest.approx(np.pi, abs=1e-3)


@given(st.floats(-2.9, 2.9), st.floats(-1.0, 1.0), st.floats(0, 3))
def test_the_mean_of_close_angles_is_between_them(theta: float, apart: float, m: float) -> None:
    other = float(np.clip(theta + apart, -2.9, 2.9))
    mean = averaged([chunk(0, [0.0], theta), chunk(1, [0.0], other)], m=m)[0, 4]
    assert min(theta, other) - 1.1e-3 <= mean <= max(theta, other) + 1.1e-3


def test_opposite_angles_keep_the_newest() -> None:
    space = ActionSpace.of(("stop", "go_to"), (-np.pi,) * 4, (np.pi,) * 4, 5)
    tokens = [np.array([[1, 2, 2, 2, angle]], np.uint16) for angle in (1, 3)]
    older, newest = (replace(chunk(i, [0.0]), space=space, tokens=t) for i, t in enumerate(tokens))
    result = ensemble([older, newest], [STILL, STILL], 1, 0.0)
    assert result is not None
    np.testing.assert_array_equal(result.tokens, tokens[1])


def test_poses_of_older_chunks_follow_the_motion_of_the_base() -> None:
    # The base drove 0.5 m ahead, then turned left by 90°: 1.5 m ahead became 1 m to the right.
    older, newest = chunk(0, [1.5, 1.5], theta=0.0), chunk(100, [0.0], theta=-1.0)
    result = ensemble([older, newest], [STILL, Odometry(100, 0.5, 0.0, np.pi / 2)], 100, 0.0)
    assert result is not None
    mean = TOKENIZER.decode(result.tokens)[0]
    np.testing.assert_allclose(mean[1:3], [0.0, -0.5], atol=1e-3)
    assert mean[4] == pytest.approx((-1.0 - np.pi / 2) / 2, abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"request": InstructionRequest("go to the box", 1, 2)},
        {"skill": "push"},
        {"frame_id": "odom"},
        {"verdict": Verdict(Outcome.HOLD, Reason.PATH_BLOCKED)},
        {"space": ActionSpace.of(SPACE.names, (-4.0,) * 4, SPACE.high, 6001)},
    ],
)
def test_chunks_of_something_else_take_no_part(change: dict) -> None:
    older, newest = replace(chunk(0, [2.0, 2.0]), **change), chunk(100, [1.0])
    assert averaged([older, newest])[0, 1] == 1.0


def test_rows_of_another_command_take_no_part() -> None:
    assert averaged([chunk(0, [2.0, 2.0], cmd=2), chunk(100, [1.0])])[0, 1] == 1.0


@given(st.integers(2, 8), st.floats(0, 2))
def test_the_mean_of_equal_commands_is_that_command(count: int, m: float) -> None:
    # Weights seldom sum up so that 2 stays exactly 2.
    same = [chunk(i, [0.0, 0.0, 0.0], cmd=2) for i in range(count)]
    assert averaged(same, now=count, m=m)[:, 0].tolist() == [2.0, 2.0, 2.0]


def test_a_hold_is_never_averaged_away() -> None:
    hold = replace(chunk(100, [0.0]), verdict=Verdict(Outcome.HOLD, Reason.PATH_BLOCKED))
    result = ensemble([chunk(0, [2.0, 2.0]), hold], [STILL, STILL], 100, 0.0)
    assert result is not None
    assert result.verdict == hold.verdict
    np.testing.assert_array_equal(result.tokens, hold.tokens)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5), st.floats(0, 10))
def test_chunks_that_agree_stay_as_they_are(x: list[float], m: float) -> None:
    same = chunk(0, x)
    result = ensemble([same, same, same], [STILL] * 3, 0, m)
    assert result is not None
    np.testing.assert_array_equal(result.tokens, same.tokens)


def test_wrong_arguments_are_refused() -> None:
    one = chunk(0, [0.0])
    with pytest.raises(ActionError, match="one odometry per chunk"):
        ensemble([], [], 0, 0.0)
    with pytest.raises(ActionError, match="one odometry per chunk"):
        ensemble([one], [], 0, 0.0)
    for m in (-0.1, np.nan, np.inf):
        with pytest.raises(ActionError, match="decay m"):
            ensemble([one], [STILL], 0, m)
