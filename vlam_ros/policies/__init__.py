"""Policies: what proposes the robot's next motion for a task. Nothing here sees an image.

A policy goes by types alone: what the models measured comes in as objects and cosines. Further ones
are found by name; see `policies.registry`.
"""

from vlam_ros.policies.choose import choose_skill, means_stop
from vlam_ros.policies.registry import Policy, make_policy
from vlam_ros.policies.skills import Skill, load_skills

__all__ = ["Policy", "Skill", "choose_skill", "load_skills", "make_policy", "means_stop"]
