"""Policies: what proposes the robot's next motion for a task.

The planner goes by types alone: what the models measured comes in as objects and cosines. The
transformer reads what the towers know of image and words besides. Further policies are found by
name; see `policies.registry`.
"""

from vlam_ros.policies.choose import choose_skill, means_stop
from vlam_ros.policies.registry import Policy, ReadsFeatures, ShowsAttention, make_policy
from vlam_ros.policies.skills import Skill, load_skills

__all__ = [
    "Policy",
    "ReadsFeatures",
    "ShowsAttention",
    "Skill",
    "choose_skill",
    "load_skills",
    "make_policy",
    "means_stop",
]
