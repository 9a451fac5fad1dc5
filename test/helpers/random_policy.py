"""A policy of kind transformer that nobody has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vlam_ros.configuration import Settings
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint
from vlam_ros.perception.clipseg.adapters.attach import fingerprints
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.policies.skills.skill import load_skills
from vlam_ros.policies.transformer.checkpoint import PolicyConfig, save_policy
from vlam_ros.policies.transformer.grammar import Grammar
from vlam_ros.policies.transformer.model import ActionTransformer, ActionTransformerConfig
from vlam_ros.policies.transformer.vocabulary import PolicyVocabulary


def random_policy(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write one with small layers for the embedded checkpoint and the shipped settings."""
    settings, checkpoint = Settings.load(), load_checkpoint("embedded", "cpu", "float32")
    config = policy_config(settings, checkpoint)
    torch.manual_seed(seed)
    save_policy(
        folder,
        PolicyConfig(**{**vars(config), **changes}),
        ActionTransformer(config.model),
        "Random.",
    )
    return folder


def policy_config(settings: Settings, checkpoint: Checkpoint) -> PolicyConfig:
    action, tower = settings.action, checkpoint.config
    planner = SkillPlanner(load_skills("skills.yaml"), settings.policy, action)
    vocabulary = PolicyVocabulary(checkpoint.tokenizer, action.bins)
    steps = {"pick up a thing that has quite a long name": 1}
    longest = Grammar(vocabulary, planner.space, action.horizon, steps, 2).longest
    model = ActionTransformerConfig(
        tokens=len(vocabulary),
        patches=(tower.vision_config.image_size // tower.vision_config.patch_size) ** 2,
        tower_width=tower.vision_config.hidden_size,
        text_width=tower.text_config.hidden_size,
        longest=longest,
        width=48,
        layers=2,
        heads=2,
    )
    return PolicyConfig(
        model=model,
        tower="embedded",
        tower_prints=fingerprints(checkpoint.model),
        pieces=len(checkpoint.tokenizer),
        commands=planner.space.names,
        low=action.low,
        high=action.high,
        bins=action.bins,
        horizon=action.horizon,
        step=action.step,
    )
