"""Readings of an ultrasonic or infrared sensor: where what it sees may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import RangeReading

if TYPE_CHECKING:
    from sensor_msgs.msg import Range

SPACING = 0.05
"""Metres from one point of an arc to the next, at most: nothing fits through between them."""
LONGEST = 100.0
"""Metres; a longer arc is so far away that it may have gaps."""


def range_from_message(message: Range, mount: Mount) -> RangeReading:
    """The arc in the x-y plane of the sensor's frame, about its x axis and as wide as its view, on
    all of which something may be; infinity (REP-117) says that there is nothing.

    Raises:
        SensorError: the range is NaN or outside of the sensor's own limits, or its limits or its
            view make no sense.
    """
    low, high, view = message.min_range, message.max_range, message.field_of_view
    if not (0 <= low <= high and 0 <= view <= math.tau):
        raise SensorError(
            f"a range sensor needs 0 <= min_range <= max_range and a field_of_view up to 2 pi, got "
            f"{low:g}, {high:g} m, {view:g} rad"
        )
    stamp, distance = nanoseconds(message.header.stamp), float(message.range)
    if distance == math.inf:
        return RangeReading(stamp, distance, np.zeros((0, 3), np.float32))
    if not low <= distance <= high:
        raise SensorError(
            f"a range must be from {low:g} to {high:g} m, or infinite for nothing, got {distance:g}"
        )
    half = max(1, math.ceil(min(view * distance, LONGEST) / 2 / SPACING))
    angles = np.linspace(-view / 2, view / 2, 2 * half + 1)
    own = distance * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))])
    return RangeReading(stamp, distance, (own @ mount.rotation.T + mount.position).astype("<f4"))
