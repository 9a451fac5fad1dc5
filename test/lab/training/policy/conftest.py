"""What is demonstrated once for all tests of learned policies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from demonstrated import SETTINGS, short_episodes

from vlam_ros.lab.training.policy.data import Demonstrations
from vlam_ros.lab.training.policy.demonstrations import Parts
from vlam_ros.policies.transformer.vocabulary import PolicyVocabulary


@pytest.fixture(scope="package")
def parts() -> Parts:
    torch.set_num_threads(1)
    return Parts.load(SETTINGS)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of three short episodes, of tasks and of the control set."""
    made = tmp_path_factory.mktemp("demonstrations")
    short_episodes(made)
    return made


@pytest.fixture(scope="package")
def data(folder: Path) -> Demonstrations:
    return Demonstrations.load([folder])


@pytest.fixture(scope="package")
def vocabulary(parts: Parts) -> PolicyVocabulary:
    return PolicyVocabulary(parts.grounder.checkpoint.tokenizer, 255)
