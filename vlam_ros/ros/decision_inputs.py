"""What a decision was made on, as a message."""

from __future__ import annotations

import vlam_ros.msg
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import DecisionInputs, InstructionRequest


def inputs_to_message(inputs: DecisionInputs, frame_id: str) -> vlam_ros.msg.DecisionInputs:
    """The picture in `frame_id`, the time, the instruction and the sensors of a decision."""
    request = inputs.request or InstructionRequest("")
    message = vlam_ros.msg.DecisionInputs(
        now=time_message(inputs.now),
        era=inputs.era,
        instructed=inputs.request is not None,
        instruction=request.text,
        epoch=request.epoch,
        sequence=request.sequence,
        sensors=[
            vlam_ros.msg.SensorInput(
                name=sensor.name,
                stamp=time_message(sensor.stamp),
                missing=sensor.missing,
                lost=sensor.lost,
            )
            for sensor in inputs.sensors
        ],
        holding=inputs.holding,
        published=inputs.published,
    )
    message.header.stamp = time_message(inputs.stamp)
    message.header.frame_id = frame_id
    return message
