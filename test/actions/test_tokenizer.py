import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vlam_ros.actions import STOP, ActionSpace, ActionTokenizer
from vlam_ros.errors import ActionError

COMMANDS = ("stop", "go_to", "pick_up")
SPACE = ActionSpace.of(COMMANDS, (-3.0, -3.0, -1.0, -3.14159265), (3.0, 3.0, 1.0, 3.14159265))
TOKENIZER = ActionTokenizer(SPACE)


def row(
    cmd: float = 1, x: float = 0.0, y: float = 0.0, z: float = 0.0, theta: float = 0.0
) -> np.ndarray:
    return np.array([[cmd, x, y, z, theta]])


@st.composite
def spaces(draw: st.DrawFn) -> ActionSpace:
    bins = draw(st.integers(1, 2000)) * 2 + 1
    low = draw(st.tuples(*[st.floats(-50, 50)] * 4))
    width = draw(st.tuples(*[st.floats(0.01, 50)] * 4))
    return ActionSpace.of(
        COMMANDS, low, tuple(a + b for a, b in zip(low, width, strict=True)), bins
    )


@st.composite
def actions(draw: st.DrawFn) -> tuple[ActionTokenizer, np.ndarray, np.ndarray]:
    """A tokenizer, values of its space with junk where unused, and which are used."""
    space = draw(spaces())
    rows = draw(st.integers(1, 6))
    shares = draw(hnp.arrays(np.float64, (rows, 4), elements=st.floats(0, 1)))
    poses = space.low + shares * (np.array(space.high) - space.low)
    used = draw(hnp.arrays(np.bool_, (rows, 4)))
    poses[~used] = draw(st.sampled_from([np.nan, np.inf, 1e300, 0.0]))
    commands = draw(hnp.arrays(np.int64, (rows, 1), elements=st.integers(0, len(COMMANDS) - 1)))
    return ActionTokenizer(space), np.hstack([commands, poses]), used


@given(actions())
def test_a_round_trip_is_within_half_a_bin_and_nan_exactly_where_unused(
    case: tuple[ActionTokenizer, np.ndarray, np.ndarray],
) -> None:
    tokenizer, values, used = case
    tokens = tokenizer.encode(values, used)
    decoded = tokenizer.decode(tokens)
    assert tokens.dtype == np.uint16
    assert decoded.dtype == np.float64
    np.testing.assert_array_equal(decoded[:, 0], values[:, 0])
    np.testing.assert_array_equal(~np.isnan(decoded[:, 1:]), used)
    np.testing.assert_array_equal(tokens[:, 1:] == tokenizer.space.unused, ~used)
    error = np.abs(decoded - values)[:, 1:]
    assert (error <= tokenizer.half_bins * (1 + 1e-9) + 1e-13)[used].all()


@given(actions())
def test_decoded_actions_encode_to_the_same_tokens(
    case: tuple[ActionTokenizer, np.ndarray, np.ndarray],
) -> None:
    tokenizer, values, used = case
    tokens = tokenizer.encode(values, used)
    again = tokenizer.encode(tokenizer.decode(tokens), used)
    np.testing.assert_array_equal(again, tokens)


@given(high=st.floats(1e-3, 1e3), half=st.integers(1, 1000))
def test_zero_is_exact_over_symmetric_ranges(high: float, half: int) -> None:
    space = ActionSpace.of(COMMANDS, (-high,) * 4, (high,) * 4, 2 * half + 1)
    tokens = ActionTokenizer(space).encode(row())
    np.testing.assert_array_equal(tokens, [[1, half, half, half, half]])
    np.testing.assert_array_equal(ActionTokenizer(space).decode(tokens), row())


def test_centres_are_the_linspace_of_the_range() -> None:
    for centres, low, high in zip(TOKENIZER.centres, SPACE.low, SPACE.high, strict=True):
        np.testing.assert_allclose(centres, np.linspace(low, high, 255), rtol=0, atol=1e-15)
        assert (centres[0], centres[127], centres[254]) == (low, 0.0, high)


def test_tokens_of_known_values() -> None:
    values = row(2, -3.0, 3.0, 0.4, 1.0)
    np.testing.assert_array_equal(TOKENIZER.encode(values), [[2, 0, 254, 178, 167]])
    used = np.array([[True, False, False, True]])
    np.testing.assert_array_equal(TOKENIZER.encode(values, used), [[2, 0, 255, 255, 167]])


def test_a_stop_row_may_use_no_dimension() -> None:
    tokens = TOKENIZER.encode(row(STOP, np.nan, np.nan, np.nan, np.nan), np.zeros((1, 4), bool))
    np.testing.assert_array_equal(tokens, [[0, 255, 255, 255, 255]])
    assert np.isnan(TOKENIZER.decode(tokens)[0, 1:]).all()


@given(theta=st.floats(-3.0, 3.0), turns=st.integers(-1000, 1000))
def test_theta_wraps_into_its_range(theta: float, turns: int) -> None:
    wrapped = TOKENIZER.decode(TOKENIZER.encode(row(theta=theta + 2 * np.pi * turns)))
    assert abs(wrapped[0, 4] - theta) <= TOKENIZER.half_bins[3] + 1e-9


@pytest.mark.parametrize("theta", [np.pi, -np.pi, 3.0 * np.pi])
def test_half_a_turn_is_half_a_turn(theta: float) -> None:
    decoded = TOKENIZER.decode(TOKENIZER.encode(row(theta=theta)))
    assert np.cos(decoded[0, 4]) == pytest.approx(-1.0)


def test_an_angle_that_no_turn_brings_into_its_range_is_refused() -> None:
    tokenizer = ActionTokenizer(ActionSpace.of(COMMANDS, (-1,) * 4, (1,) * 4))
    assert tokenizer.encode(row(theta=2 * np.pi - 1))[0, 4] == 0
    with pytest.raises(ActionError, match="theta must be in"):
        tokenizer.encode(row(theta=2.0))


def test_float32_rounding_at_the_end_of_a_range_is_no_error() -> None:
    tokenizer = ActionTokenizer(ActionSpace.of(COMMANDS, (-0.1,) * 4, (0.1,) * 4))
    value = np.float32(0.1)
    assert float(value) > 0.1
    assert tokenizer.encode(row(x=value).astype(np.float32))[0, 1] == 254


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (row(x=3.0001), r"row 0: x must be in .* got 3.0001"),
        (row(y=-4), "y must be in"),
        (row(z=1e308), "z must be in"),
        (row(x=np.nan), "x must be finite"),
        (row(theta=np.inf), "theta must be finite"),
        (row(cmd=3), r"cmd must be 0\.\.2"),
        (row(cmd=-1), "cmd must be"),
        (row(cmd=0.5), "cmd must be"),
        (row(cmd=np.nan), "cmd must be"),
        (np.zeros(5), "shape"),
        (np.zeros((2, 4)), "shape"),
    ],
)
def test_what_cannot_be_encoded_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ActionError, match=message):
        TOKENIZER.encode(values)


@pytest.mark.parametrize("used", [np.ones((1, 5), bool), np.ones((1, 4)), np.ones((2, 4), bool)])
def test_a_wrong_mask_of_used_dimensions_is_refused(used: np.ndarray) -> None:
    with pytest.raises(ActionError, match="used must be bool"):
        TOKENIZER.encode(row(), used)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[3, 0, 0, 0, 0]], r"cmd must be 0\.\.2"),
        ([[1, 0, 256, 0, 0]], "y must be a bin"),
        ([[1, -1, 0, 0, 0]], "x must be a bin"),
        ([[1.0, 0.0, 0.0, 0.0, 0.0]], "integers"),
        ([[1, 0, 0, 0]], "integers"),
        ([1, 0, 0, 0, 0], "integers"),
    ],
)
def test_an_invalid_row_does_not_decode(tokens: list, message: str) -> None:
    with pytest.raises(ActionError, match=message):
        TOKENIZER.decode(np.array(tokens))


def test_a_range_without_room_for_its_bins_is_refused() -> None:
    with pytest.raises(ActionError, match="too narrow for 255 bins"):
        ActionTokenizer(ActionSpace.of(COMMANDS, (1e16,) * 4, (1e16 + 2,) * 4))
