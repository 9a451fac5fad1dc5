"""Perception: one CLIPSeg pass per image; masks become objects, objects get metric positions."""

from vlam_ros.perception.competitors import competitors, opponents, overlap, unknown_words
from vlam_ros.perception.grounder import Grounder, ImageFeatures
from vlam_ros.perception.objects import find_objects
from vlam_ros.perception.perceiver import Perceiver, is_confirmed
from vlam_ros.perception.positions import Position, locate
from vlam_ros.perception.preprocess import preprocess
from vlam_ros.perception.second_look import square_crop

__all__ = [
    "Grounder",
    "ImageFeatures",
    "Perceiver",
    "Position",
    "competitors",
    "find_objects",
    "is_confirmed",
    "locate",
    "opponents",
    "overlap",
    "preprocess",
    "square_crop",
    "unknown_words",
]
