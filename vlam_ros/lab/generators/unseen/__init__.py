"""The generator that nothing is trained, chosen or calibrated on: the test of a wider world."""

from vlam_ros.lab.generators.unseen.images import Unseen

__all__ = ["Unseen"]
