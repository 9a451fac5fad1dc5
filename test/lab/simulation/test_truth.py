"""The truth as text, and back."""

import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.rooms import named_room
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.truth import truth_from_json, truth_of, truth_to_json


def test_the_truth_survives_being_told() -> None:
    with Simulator(named_room("demo")) as simulator:
        simulator.reach((0.2074, 0.5276, 0.94))
        simulator.grip(True)
        simulator.advance(2_000_000_000)
        truth = truth_of(simulator, look=True)
    assert truth.held == 0
    assert truth.contacts
    assert truth.stamp == 2_000_000_000
    assert truth.visible is not None
    assert len(truth.visible) == len(truth.objects) == 5
    assert truth.visible[1] > 500
    assert truth_from_json(truth_to_json(truth)) == truth


def test_what_is_visible_is_counted_where_it_is_asked_for_only() -> None:
    with Simulator(named_room("demo")) as simulator:
        truth = truth_of(simulator)
    assert truth.visible is None
    assert truth_from_json(truth_to_json(truth)).visible is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stamp": 3}'])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(SimulationError, match="not the truth of a simulation"):
        truth_from_json(text)
