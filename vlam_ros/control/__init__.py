"""From action chunks to commands for base, arm and gripper, with a safety gate at the end."""

from vlam_ros.control.controller import Controller
from vlam_ros.control.follower import ChunkFollower
from vlam_ros.control.gate import SafetyGate

__all__ = ["ChunkFollower", "Controller", "SafetyGate"]
