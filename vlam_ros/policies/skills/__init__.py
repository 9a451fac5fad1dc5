"""The planner's skills, written by hand, one file each; the classes register themselves."""

from vlam_ros.policies.skills.go_to import GoTo
from vlam_ros.policies.skills.move import Move
from vlam_ros.policies.skills.pick_up import PickUp
from vlam_ros.policies.skills.place import Place
from vlam_ros.policies.skills.push import Push
from vlam_ros.policies.skills.search import Search
from vlam_ros.policies.skills.skill import Skill, load_skills
from vlam_ros.policies.skills.stop import Stop
from vlam_ros.policies.skills.turn import Turn
from vlam_ros.policies.skills.turn_to import TurnTo

__all__ = [
    "GoTo",
    "Move",
    "PickUp",
    "Place",
    "Push",
    "Search",
    "Skill",
    "Stop",
    "Turn",
    "TurnTo",
    "load_skills",
]
