"""A trained policy as a folder: config.json, model.safetensors, and a card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.loader import MODELS
from vlam_ros.policies.transformer.model import ActionTransformer, ActionTransformerConfig
from vlam_ros.resources import write_file
from vlam_ros.types import ActionSpace

SHIPPED = {"embedded": MODELS / "action-transformer-1"}
"""The policies that come with the package, which read the checkpoint of the same name."""
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
KIND = "vlam_ros action transformer"


@dataclass(frozen=True)
class PolicyConfig:
    """What a policy was trained for.

    Attributes:
        model: sizes of the transformer.
        tower: name of the CLIPSeg whose hidden states it reads.
        tower_prints: fingerprints of that checkpoint by the dtype that it is loaded in.
        pieces: pieces of words of its tokenizer.
        commands: names of the commands, by their index.
        low, high: of x, y, z (m) and theta (rad).
        bins: of each dimension.
        horizon: rows of a chunk.
        step: seconds from one row to the next.
        plans: whether plan and claims are written before what they come to.
        confidence: weights of `policy.mean_logs` in the log-odds that a decision is right, and
            their offset.
    """

    model: ActionTransformerConfig
    tower: str
    tower_prints: Mapping[str, str]
    pieces: int
    commands: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    bins: int
    horizon: int
    step: float
    plans: bool = True
    confidence: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.0)

    def check_space(self, space: ActionSpace, horizon: int, step: float) -> None:
        """ModelError unless it is what the robot's commands and chunks are."""
        bins = {dimension.bins for dimension in space.dimensions}
        for name, ours, theirs in (
            ("skills", self.commands, space.names),
            ("action.low", self.low, space.low),
            ("action.high", self.high, space.high),
            ("action.bins", {self.bins}, bins),
            ("action.horizon", self.horizon, horizon),
            ("action.step", self.step, step),
        ):
            if ours != theirs:
                raise ModelError(
                    f"the policy was trained with {name} {_told(ours)}, the robot has "
                    f"{_told(theirs)}: set that, or train another one"
                )


def save_policy(folder: Path, config: PolicyConfig, model: ActionTransformer, card: str) -> None:
    """Write a policy, its weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    write_file(folder / WEIGHTS, save(weights))
    values = {"kind": KIND, **asdict(config)}
    write_file(folder / CONFIG, (json.dumps(values, indent=2) + "\n").encode())
    write_file(folder / CARD, card.encode())


def load_policy(name_or_path: str | Path) -> tuple[PolicyConfig, ActionTransformer]:
    """The policy in a folder, in float32 and evaluation mode.

    Raises:
        ModelError: there is none, a part of it is missing, or its weights are of another model.
    """
    folder, config = folder_of(name_or_path), read_config(name_or_path)
    transformer = ActionTransformer(config.model)
    try:
        weights = load_file(folder / WEIGHTS)
        transformer.load_state_dict({name: value.float() for name, value in weights.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        path = folder / WEIGHTS
        raise ModelError(f"{path} does not fit its config; train it again: {error}") from error
    if not all(bool(torch.isfinite(value).all()) for value in transformer.state_dict().values()):
        raise ModelError(f"{folder / WEIGHTS} has weights that are not finite: train it again")
    return config, transformer.eval()


def folder_of(name_or_path: str | Path) -> Path:
    """The folder of a policy of SHIPPED, or that of another one."""
    return SHIPPED.get(str(name_or_path)) or Path(name_or_path)


def read_config(name_or_path: str | Path) -> PolicyConfig:
    """What a policy was trained for; ModelError if there is none."""
    folder = folder_of(name_or_path)
    if not folder.is_dir():
        raise ModelError(
            f"there is no policy '{name_or_path}': name the folder of one that was trained"
        )
    try:
        values: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if values.pop("kind", None) != KIND:
            raise ValueError(f"it does not say that it is a {KIND}")
        model = ActionTransformerConfig(**_tuples(values.pop("model")))
        return PolicyConfig(model, **_tuples(values))
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ModelError(f"{folder / CONFIG} is not of a policy: {error}") from error


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _told(value: object) -> str:
    listed = sorted(value) if isinstance(value, set) else value
    return ", ".join(map(str, listed)) if isinstance(listed, list | tuple) else str(listed)
