"""Perception: one CLIPSeg pass per image; masks become objects, objects get metric positions."""

from vlam_ros.perception.competitors import competitors, opponents, overlap, unknown_words
from vlam_ros.perception.objects import find_objects
from vlam_ros.perception.perceiver import Grounder, Perceiver, is_confirmed, perceived
from vlam_ros.perception.positions import Position, locate

__all__ = [
    "Grounder",
    "Perceiver",
    "Position",
    "competitors",
    "find_objects",
    "is_confirmed",
    "locate",
    "opponents",
    "overlap",
    "perceived",
    "unknown_words",
]
