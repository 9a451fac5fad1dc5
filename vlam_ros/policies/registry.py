"""What a policy is, and how one is found by its name: `policy.kind` of the parameters.

Another package adds one by an entry point in the group `vlam_ros.policies`, whose object is called
with the skills that tasks are chosen from and the settings of policy and actions, and returns a
Policy:

    [options.entry_points]
    vlam_ros.policies =
        mine = my_package.policy:MyPolicy
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import ActionSettings, PolicySettings
from vlam_ros.errors import ConfigurationError
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.policies.skills.skill import Skill
from vlam_ros.types import ActionSpace, Observation, Progress, Proposal, Scene, Task

if TYPE_CHECKING:
    from vlam_ros.perception.clipseg import ClipsegGrounder

GROUP = "vlam_ros.policies"


class Policy(Protocol):
    """Proposes what to do about a task, one observation at a time.

    It has no state of the task: `progress` is all it knows of the past, so that the same arguments
    give the same proposals and a bag can be replayed to the byte.
    """

    @property
    def name(self) -> str:
        """What chunks say of who proposed them."""

    @property
    def space(self) -> ActionSpace:
        """The action space of the rows it proposes."""

    def reset(self) -> None:
        """Close connections and drop caches."""

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        """What to do now, in `base_link` at the stamp of the observation; or a refusal.

        The objects of the scene that are sure are `confirmed`.
        """


@runtime_checkable
class ReadsFeatures(Protocol):
    """A policy that was trained on what a checkpoint sees: `Scene.features`."""

    def attach(self, grounder: ClipsegGrounder) -> None:
        """Read what this grounder sees from now on; ModelError if it was trained on another."""


@runtime_checkable
class ShowsAttention(Protocol):
    """A policy that can say where in the image it looked."""

    def attention(self) -> npt.NDArray[np.float32] | None:
        """How much its last decision looked at each cell of a grid over the image, float32[h,w]
        with a sum of 1 at most; None before the first.
        """


MakePolicy = Callable[[Sequence[Skill], PolicySettings, ActionSettings], Policy]


def _transformer(
    skills: Sequence[Skill], settings: PolicySettings, action: ActionSettings
) -> Policy:
    # Not with the node: it imports torch.
    from vlam_ros.policies.transformer import TransformerPolicy

    return TransformerPolicy(skills, settings, action)


POLICIES: dict[str, MakePolicy] = {"skills": SkillPlanner, "transformer": _transformer}
"""The policies of this package, by `policy.kind`."""


def policy_kinds() -> tuple[str, ...]:
    """The names of all policies, those of other packages too."""
    return (*POLICIES, *(point.name for point in entry_points(group=GROUP)))


def make_policy(
    skills: Sequence[Skill], settings: PolicySettings, action: ActionSettings
) -> Policy:
    """The policy that the settings name.

    Raises:
        ConfigurationError: there is none of this name, or it cannot be made of the settings.
    """
    if settings.kind in POLICIES:
        return POLICIES[settings.kind](skills, settings, action)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if settings.kind not in found:
        known = ", ".join(policy_kinds())
        raise ConfigurationError(f"policy.kind must be one of {known}, got {settings.kind!r}")
    make: MakePolicy = found[settings.kind].load()
    return make(skills, settings, action)
