"""Settings of a training are in range, and schedules have steps that rise."""

from __future__ import annotations

from typing import Any

import pytest

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.fit import FitSettings, Stepwise


@pytest.mark.parametrize(
    ("values", "wrong"),
    [({"steps": 0}, "steps must be at least 1, got 0"), ({"rate": 0.0}, "rate must be above 0"),
     ({"rate": Stepwise((0, 5), (0.1, 0.0))}, "rate must be above 0"),
     ({"average": 1.0}, "average must be in 0..1, below 1"), ({"dtype": "float16"}, "dtype must"),
     ({"device": "tpu"}, "device must be auto, cpu or cuda, got 'tpu'")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(values: dict[str, Any], wrong: str) -> None:
    with pytest.raises(LearningError, match=wrong):
        FitSettings(**{"steps": 1, **values})


def test_a_stepwise_rate_has_each_value_from_its_start_on() -> None:
    rate = Stepwise((0, 2, 4), (0.0, 1.0, 0.3))
    assert [rate(step) for step in range(-1, 6)] == [0.0, 0.0, 0.0, 1.0, 1.0, 0.3, 0.3]


@pytest.mark.parametrize(
    ("starts", "values", "message"),
    [
        ((1, 2), (1.0, 2.0), r"rising starts from 0 .*got starts \(1, 2\)"),
        ((0, 2, 2), (1.0, 2.0, 3.0), "rising starts"),
        ((0, 2), (1.0,), "as many values"),
        ((), (), "rising starts"),
        ((0, 2), (1.0, -2.0), "from step 2 on: must be in 0..inf"),
    ],
)
def test_starts_that_do_not_rise_and_values_out_of_range_are_refused(
    starts: tuple[int, ...], values: tuple[float, ...], message: str
) -> None:
    with pytest.raises(LearningError, match=message):
        Stepwise(starts, values)
