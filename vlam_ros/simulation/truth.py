"""What only a simulator knows, as text for those who judge a robot over ROS."""

from __future__ import annotations

import json
from dataclasses import asdict

from vlam_ros.simulation.simulator import Simulator


def truth_as_json(simulator: Simulator) -> str:
    """What only a simulator knows, as JSON: ns, m, rad, quaternions (w, x, y, z)."""
    return json.dumps(
        {
            "stamp": simulator.now,
            "pose": asdict(simulator.pose),
            "objects": [
                {"phrase": thing.phrase, "position": position, "quaternion": quaternion}
                for thing, (position, quaternion) in zip(
                    simulator.room.scene.objects, simulator.objects, strict=True
                )
            ],
            "held": simulator.held,
            "contacts": [asdict(contact) for contact in simulator.contacts],
        }
    )
