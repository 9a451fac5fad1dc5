"""Demonstrations without images, of a robot that moves as it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demonstrated import SETTINGS, seed_of

from vlam_ros.errors import LearningError
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.lab.training.policy import demonstrations
from vlam_ros.lab.training.policy.data import (
    NONE,
    Demonstrations,
    inputs_at,
)
from vlam_ros.lab.training.policy.demonstrations import (
    DemonstrationJob,
    Parts,
    ShardKind,
    run_shard,
    show_blind,
)
from vlam_ros.policies.transformer.inputs import OF_STEP, STATES, read_words


def test_without_images_it_is_shown_what_is_done_to_the_end(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demonstrations, "START_TURNED", 0.0)
    monkeypatch.setattr(demonstrations, "BEFORE_THINGS", 0.0)
    episode = episode_of_seed(seed_of(Kind.PICK_UP), trained=True)
    (_, text), *_ = episode.script
    policy = show_blind(episode, parts, [text], [])
    last = policy.rows[-1].text
    assert "<there> <done> <end>" in last
    commands = [
        row.text.split("<execute> ")[1][0] for row in policy.rows if "<execute>" in row.text
    ]
    assert sorted(commands) == commands
    assert set(commands) <= {"1", "3"}
    assert not policy.arrays["patches"]
    arrays = {name: np.array(values) for name, values in policy.arrays.items() if values}
    objects, states = arrays["objects"], arrays["states"]
    # Far off it is seen, close by it is remembered.
    assert np.isfinite(objects[0, 0, 0]).all()
    assert np.isfinite(arrays["remembered"][1:, 0]).all()
    assert np.isnan(arrays["remembered"][:, 1]).all()
    assert np.isnan(objects[:, 2:]).all()
    assert np.isfinite(states).all()
    holding = states[:, STATES.index("holding")]
    assert not holding[0]
    assert holding[-1]
    again = show_blind(episode, parts, [text], [])
    assert again.rows == policy.rows
    first = show_blind(episode, parts, [], [text])
    assert [row.text for row in first.rows] == [policy.rows[0].text]


def test_a_robot_that_is_told_to_moves_things(parts: Parts) -> None:
    for kind, _moved in ((Kind.PUT_NEXT_TO, 0), (Kind.PUSH, 0)):
        episode = episode_of_seed(seed_of(kind), trained=True)
        policy = show_blind(episode, parts, [episode.script[0][1]], [])
        assert "<done>" in policy.rows[-1].text, kind
        assert {row.words.get(OF_STEP, "").split()[0] for row in policy.rows[1:]} >= {"go"}


def test_of_what_is_known_without_images_nothing_is_made_up(
    folder: Path, parts: Parts, tmp_path: Path
) -> None:
    run_shard(DemonstrationJob(tmp_path, seed_of(Kind.GO_TO), 3, ShardKind.BLIND, SETTINGS))
    with pytest.raises(LearningError, match="has patches, places, floor, relevance: add some"):
        Demonstrations.load([tmp_path])
    data = Demonstrations.load([tmp_path, folder])
    blind = data.which["patches"] == NONE
    assert 0 < blind.sum() < len(data)
    inputs = inputs_at(
        data, range(len(data)), lambda said: read_words(said, parts.grounder.word_states)
    )
    for row, sees in enumerate(~blind):
        assert bool(inputs.patches[row].any()) == sees
        assert bool(inputs.floor[row].isfinite().any()) == sees
        assert inputs.states[row].isfinite().any()
