import pytest

from vlam_ros.ros.decision_inputs import inputs_from_message, inputs_to_message
from vlam_ros.types import DecisionInputs, InstructionRequest, SensorInput

SENSORS = (
    SensorInput("camera"),
    SensorInput("depth", stamp=1_700_000_000_123_456_789),
    SensorInput("joints", missing="joints: 0.62 s old, 0.5 s are allowed", lost=True),
)
ASKED = InstructionRequest("go to the réd cup", epoch=2**63 + 5, sequence=7)


@pytest.mark.parametrize("request_", [ASKED, None])
def test_what_a_decision_was_made_on_survives_the_message(
    request_: InstructionRequest | None,
) -> None:
    inputs = DecisionInputs(10**18 + 1, 10**18 + 2, 3, request_, SENSORS, True, False)
    message = inputs_to_message(inputs, "camera_optical")
    assert message.header.frame_id == "camera_optical"
    assert inputs_from_message(message) == inputs
