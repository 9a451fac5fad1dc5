"""What flows between the stages: frozen dataclasses, and the enums of the messages.

Units are SI, angles radians, stamps integer nanoseconds, axes REP-103. Unless a field says
otherwise, positions are in `base_link` at the stamp of the image. Arrays are never written to.
"""

from vlam_ros.types.action import (
    DIMENSIONS,
    ActionChunk,
    ActionCommand,
    ActionDimension,
    ActionSpace,
    Command,
    GripperEffect,
    Halt,
    PoseFrame,
    VelocityCommand,
)
from vlam_ros.types.arrays import BoolArray, FloatArray, Uint8Array, Uint16Array
from vlam_ros.types.camera import Camera, optical_rotation
from vlam_ros.types.decision_inputs import DecisionInputs, SensorInput
from vlam_ros.types.instruction import (
    Instruction,
    InstructionRequest,
    Noun,
    ObjectPhrase,
    Placement,
    Relation,
)
from vlam_ros.types.observation import (
    Attitude,
    DepthImage,
    FloorPlane,
    GripperState,
    ImuSample,
    JointState,
    LidarSweep,
    Missing,
    Observation,
    Obstacles,
    Odometry,
    PlanarPose,
)
from vlam_ros.types.plan import (
    NOT_FOUND,
    Decision,
    Grip,
    Plan,
    Progress,
    Proposal,
    Sighting,
    SkillStep,
    Task,
    said,
)
from vlam_ros.types.scene import PositionSource, Scene, SceneObject
from vlam_ros.types.verdict import Outcome, Reason, Refusal, Verdict

__all__ = [
    "DIMENSIONS",
    "NOT_FOUND",
    "ActionChunk",
    "ActionCommand",
    "ActionDimension",
    "ActionSpace",
    "Attitude",
    "BoolArray",
    "Camera",
    "Command",
    "Decision",
    "DecisionInputs",
    "DepthImage",
    "FloatArray",
    "FloorPlane",
    "Grip",
    "GripperEffect",
    "GripperState",
    "Halt",
    "ImuSample",
    "Instruction",
    "InstructionRequest",
    "JointState",
    "LidarSweep",
    "Missing",
    "Noun",
    "ObjectPhrase",
    "Observation",
    "Obstacles",
    "Odometry",
    "Outcome",
    "Placement",
    "Plan",
    "PlanarPose",
    "PoseFrame",
    "PositionSource",
    "Progress",
    "Proposal",
    "Reason",
    "Refusal",
    "Relation",
    "Scene",
    "SceneObject",
    "SensorInput",
    "Sighting",
    "SkillStep",
    "Task",
    "Uint8Array",
    "Uint16Array",
    "VelocityCommand",
    "Verdict",
    "optical_rotation",
    "said",
]
