"""A policy that shows what the expert does about each observation, and keeps it.

The expert drives, or a pupil does and the expert says what it would have done (DAgger, Ross et al.
2011). What a policy reads of an image is kept as the towers see it, so that training runs no tower.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.lab.training.batches import relit
from vlam_ros.lab.training.policy.expert import Shown
from vlam_ros.perception import Perceiver, perceived
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.policies import Policy
from vlam_ros.policies.transformer.inputs import (
    inputs_of,
    objects_of,
    remembered_places,
    states_of,
    words_of,
)
from vlam_ros.types import (
    ActionSpace,
    Observation,
    Progress,
    Proposal,
    Scene,
    SceneObject,
    Task,
    Uint8Array,
)

PRECISE = ("objects", "states", "remembered")
"""Those of ARRAYS that are kept in float32."""
ALIKE = 3
"""Decisions in a row that say the same, of which more teach nothing."""
STUCK, HELPED = 5, 8
"""After how many decisions without a change a pupil is helped, and with how many by the expert."""
ARRAYS = ("patches", "places", "floor", "relevance", "objects", "states", "remembered")
"""What of PolicyInputs is kept as arrays, where it is known; what is said is read when one learns.
"""
PERCEIVED, SCORES, SIZES = 0.02, (0.5, 1.0), (0.9, 1.1)
"""How perception finds things: the standard deviation of their places in m, the scores it gives
them, and their sizes as shares of the true ones.
"""
QUESTION = "QUESTION"
"""The kind of a row that is no decision, but an answer about an image."""


@dataclass(frozen=True)
class Demonstration:
    """What was read and what is to be written: whose words say what, by kind, the text of the
    decision, which of its claims are known, and of which episode it is.
    """

    words: dict[int, str]
    text: str
    known: tuple[str, ...]
    kind: str
    seed: int


class Shows(Protocol):
    """Somebody who knows what is to be done."""

    @property
    def space(self) -> ActionSpace:
        """The action space of the rows that are shown."""

    def show(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> tuple[Proposal, Shown | None]:
        """What is done about an observation, and how that is written; None where nobody knows."""


class DemonstrationPolicy:
    """The expert as a policy, or a pupil that the expert looks over the shoulder."""

    name = "demonstration"

    def __init__(
        self, expert: Shows, grounder: ClipsegGrounder, perception: PerceptionSettings, kind: str,
        seed: int, driver: Policy | None,
    ) -> None:  # fmt: skip
        """A policy reads what perception sees, also where what is decided on is the truth."""
        self._expert, self._grounder, self._driver = expert, grounder, driver
        self._perceiver = Perceiver(grounder, perception)
        self._kind, self._seed, self._rng = kind, seed, np.random.default_rng([seed, 5])
        self.space: ActionSpace = expert.space
        self._shown = Progress()
        self._stuck = self._helped = 0
        self.rows: list[Demonstration] = []
        self.arrays: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in ARRAYS}

    def reset(self) -> None:
        """It remembers what it showed."""

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        """What is done; what should be done is kept."""
        own, known_by = self._shown, progress
        if self._driver is not None and progress.plan:
            # What a pupil took for a thing, the expert does not follow.
            known_by = replace(progress, target=own.target, destination=own.destination)
        proposal, shown = self._expert.show(observation, task, scene, known_by)
        self._shown = proposal.progress
        known = shown is not None and self._is_known(shown)
        if shown is not None and not known:
            self._keep(observation, task, scene, progress)
            self.rows.append(
                Demonstration(
                    words_of(task, progress),
                    shown.text,
                    tuple(sorted(shown.known)),
                    self._kind,
                    self._seed,
                )
            )
        if self._driver is None:
            return proposal
        self._stuck = self._stuck + 1 if known else 0
        if self._stuck == STUCK:
            self._helped, self._stuck = HELPED, 0
        seen = self._see(observation, task)
        driven = self._driver.infer(observation, task, seen, progress)
        if self._helped > 0 or (driven.done and not proposal.done):
            # A pupil that gets nowhere, or ends too early, would never see what comes then.
            self._helped -= 1
            return proposal
        return driven

    def _is_known(self, shown: Shown) -> bool:
        last = [row.text for row in self.rows[-ALIKE:]]
        return len(last) == ALIKE and set(last) == {shown.text}

    def _keep(self, observation: Observation, task: Task, scene: Scene, progress: Progress) -> None:
        if self._rng.random() < 0.5:
            observation = replace(observation, image=_relit(observation.image, self._rng))
        seen = self._see(observation, task)
        inputs = inputs_of(observation, task, seen, progress, self._grounder)
        for name, kept in self.arrays.items():
            value = getattr(inputs, name)[0].numpy()
            kept.append(value.astype(np.float32 if name in PRECISE else np.float16))

    def _see(self, observation: Observation, task: Task) -> Scene:
        calibration, texts = self._grounder.calibration, task.instruction.texts
        return perceived(self._perceiver, calibration, observation, texts)


class BlindDemonstrationPolicy(DemonstrationPolicy):
    """The expert, as one learns of it that sees nothing, but knows where all things are."""

    proposal: Proposal | None = None
    """What it did last."""

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        self.proposal = super().infer(observation, task, scene, progress)
        return self.proposal

    def _keep(self, observation: Observation, task: Task, scene: Scene, progress: Progress) -> None:
        seen = replace(scene, objects=tuple(map(self._about, scene.objects)))
        known = {
            "objects": objects_of(task.instruction, seen),
            "remembered": remembered_places(observation, progress),
            "states": states_of(observation, progress),
        }
        for name, values in known.items():
            self.arrays[name].append(np.array(values, np.float32))

    def _about(self, thing: SceneObject) -> SceneObject:
        """A thing about as perception would find it."""
        off = PERCEIVED * self._rng.standard_normal(3)
        x, y, z = (np.array(thing.position) + off).tolist()
        score, size = self._rng.uniform(*SCORES), thing.size * self._rng.uniform(*SIZES)
        return replace(thing, position=(x, y, z), score=score, size=size)


def _relit(image: Uint8Array, rng: np.random.Generator) -> Uint8Array:
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    changed = relit(pixels, rng)[0].permute(1, 2, 0)
    return (changed * 255).round().to(torch.uint8).numpy()


def write_shard(
    path: Path,
    rows: Sequence[Demonstration],
    arrays: Mapping[str, Sequence[npt.NDArray[np.generic]]],
) -> None:
    """Write a shard, whole or not at all."""
    told = json.dumps([asdict(row) for row in rows]).encode()
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        stacked = {name: np.array(values) for name, values in arrays.items()}
        np.savez(file, allow_pickle=False, rows=np.frombuffer(told, np.uint8), **stacked)
    temporary.rename(path)
