"""A policy learns of demonstrations: batches, training, confidence."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from demonstrated import SETTINGS, seed_of, task
from policy_world import thing

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.lab.training.policy.confidence import (
    NEAR_BINS,
    expected_calibration_error,
    fit_confidence,
    is_right,
    probability,
)
from vlam_ros.lab.training.policy.data import (
    ANSWERED,
    ASKED,
    BLIND,
    DECIDED,
    FORGOTTEN,
    MANY,
    MEMORY_NOISE,
    MISREAD,
    NO_RELEVANCE,
    PART_NAMES,
    ROWS,
    UNJUDGED,
    DemonstrationBatches,
    Demonstrations,
    inputs_at,
    meant_of,
    misread,
    varied,
    written,
)
from vlam_ros.lab.training.policy.demonstration_policy import (
    ARRAYS,
    Demonstration,
    write_shard,
)
from vlam_ros.lab.training.policy.demonstrations import (
    DemonstrationJob,
    Parts,
    ShardKind,
    demonstrate,
    run_shard,
)
from vlam_ros.lab.training.policy.expert import PLACES, places_text
from vlam_ros.lab.training.policy.questions import ask_about
from vlam_ros.lab.training.policy.train import (
    PolicyLosses,
    PolicyRecipe,
    policy_config,
    train_policy,
)
from vlam_ros.pipeline import Pipeline
from vlam_ros.policies.transformer.checkpoint import load_policy
from vlam_ros.policies.transformer.grammar import Written
from vlam_ros.policies.transformer.inputs import CANDIDATES, FOUND, NOUNS, read_words
from vlam_ros.policies.transformer.model import ActionTransformer
from vlam_ros.policies.transformer.vocabulary import ANSWER, PolicyVocabulary
from vlam_ros.types import Noun, Outcome, Reason


def batches_of(
    data: Demonstrations, size: int, vocabulary: PolicyVocabulary, parts: Parts
) -> DemonstrationBatches:
    read = partial(read_words, word_states=parts.grounder.word_states)
    return DemonstrationBatches(data, vocabulary, read, parts.expert.space, size, 0)


def test_each_token_is_part_of_something(
    data: Demonstrations, vocabulary: PolicyVocabulary
) -> None:
    indices = list(range(len(data)))
    tokens, parts_of = written(data, indices, vocabulary)
    assert tokens.shape[1] == 1 + parts_of.shape[1]
    for row, index in enumerate(indices):
        text = data.rows[index].text
        count = len(vocabulary.encode(text))
        assert (parts_of[row, count:] == UNJUDGED).all()
        rows = int((parts_of[row] == ROWS).sum())
        assert rows == (8 * 5 + 1 if "<execute>" in text else 0)
        assert int((parts_of[row] == DECIDED).sum()) == (
            1 if rows else len(text.split("<verify>")[1].split()) - 6
        )
        # What nobody knows of is not learned.
        unknown = int((parts_of[row, :count] == UNJUDGED).sum())
        assert unknown == 6 - len(set(data.rows[index].known) - {PLACES})


def test_what_is_shown_can_be_told_in_fewer_tokens(
    data: Demonstrations, vocabulary: PolicyVocabulary
) -> None:
    texts = {row.kind: row.text for row in data.shortened(False, 1, 5).rows}
    assert texts["ABSENT"] == "<hold> TARGET_NOT_FOUND <end>"
    turning = next(row.text for row in data.shortened(True, 2, 5).rows if row.kind == "TURN_TO")
    plan, rows = turning.split("<execute>")
    whole = next(row.text for row in data.rows if row.kind == "TURN_TO")
    assert plan == whole.split("<execute>")[0]
    assert rows.split() == [*whole.split("<execute>")[1].split()[:10], "<end>"]
    short = data.shortened(False, 1, 5)
    _, parts_of = written(short, range(len(short)), vocabulary)
    assert set(parts_of.unique().tolist()) == {UNJUDGED, DECIDED, ROWS}


def test_of_episodes_a_share_can_be_learned(data: Demonstrations) -> None:
    assert data.part(1.0) is data
    some = data.part(0.25)
    assert {row.kind for row in some.rows} == {"TURN_TO", "AMBIGUOUS"}
    assert len(some.which["patches"]) == len(some)
    indices = [i for i, row in enumerate(data.rows) if row in some.rows]
    assert np.array_equal(some.which["patches"], data.which["patches"][indices])


def test_batches_are_a_function_of_the_step(
    data: Demonstrations, vocabulary: PolicyVocabulary, parts: Parts
) -> None:
    batches = batches_of(data, 4, vocabulary, parts)
    one, again, other = batches.batch(3), batches.batch(3), batches.batch(4)
    assert torch.equal(one.tokens, again.tokens)
    assert torch.equal(one.inputs.places.nan_to_num(), again.inputs.places.nan_to_num())
    assert not torch.equal(one.inputs.patches, other.inputs.patches)
    noisy = varied(one.inputs, np.random.default_rng(0))
    assert noisy.places.isnan().sum() >= one.inputs.places.isnan().sum()
    assert torch.equal(noisy.patches, one.inputs.patches)


def test_those_objects_are_meant_that_are_where_the_text_says(parts: Parts) -> None:
    objects = torch.full((len(NOUNS), CANDIDATES, len(FOUND)), math.nan)
    objects[0, :2, :3] = torch.tensor([(1.0, -0.5, 0.1), (1.03, 0.46, 0.1)])
    objects[2, 0, :3] = torch.tensor([2.0, 0.0, 0.0])
    doing = task("put the red cup on the blue plate", "place_on", parts)
    found = {
        Noun.TARGET: thing("red cup", 1.0, 0.5, 0.1),
        Noun.DESTINATION: thing("blue plate", 2.0, 0.0, 0.0),
    }
    tokenizer = ActionTokenizer(parts.expert.space)
    at = places_text(found, doing, tokenizer)
    there = places_text({Noun.TARGET: found[Noun.TARGET]}, doing, tokenizer)
    none = [None, None, None]
    for text, target, destination in (
        (f"{at} <verify>", [0, 1, None], [1, None, None]),
        (f"{there} <verify> <hold> DESTINATION_NOT_FOUND", [0, 1, None], [0, None, None]),
        ("<nowhere> <nowhere> <verify> <hold> TARGET_NOT_FOUND", [0, 0, None], none),
        ("<nowhere> <nowhere> <verify> <hold> TARGET_AMBIGUOUS", none, none),
    ):
        row = Demonstration({}, text, (PLACES,), "PUT_ON", 0)
        unknown = replace(row, known=())
        meant = meant_of([row, unknown], objects.expand(2, -1, -1, -1), parts.expert.space)
        told = [[None if math.isnan(x) else x for x in noun] for noun in meant[0].tolist()]
        assert told == [target, none, destination, none], text
        assert meant[1].isnan().all()


def test_it_is_learned_which_objects_are_meant(
    data: Demonstrations, vocabulary: PolicyVocabulary, parts: Parts
) -> None:
    config = policy_config(SETTINGS, parts.grounder, data, PolicyRecipe(width=48, heads=2))
    losses = PolicyLosses(ActionTransformer(config.model), vocabulary)
    batch = batches_of(data, 8, vocabulary, parts).batch(0)
    assert batch.meant.isfinite().any()
    losses(batch)["objects"].backward()
    reads = losses.model.encoder[0].itself.query.weight.grad
    assert reads is not None
    assert reads.any()
    unknown = replace(batch, meant=torch.full_like(batch.meant, math.nan))
    assert "objects" not in losses(unknown)


def test_numbers_are_often_misread_and_nothing_else(
    data: Demonstrations, vocabulary: PolicyVocabulary
) -> None:
    turning = next(i for i, row in enumerate(data.rows) if "<execute>" in row.text)
    tokens, parts = written(data, [turning] * 200, vocabulary)
    read = misread(tokens, parts, vocabulary, np.random.default_rng(0))
    assert read.shape == parts.shape
    told = vocabulary.decode(tokens[0, :-1].tolist()).split()
    wrong = (read != tokens[:, :-1]).float().mean(0).tolist()
    for word, share in zip(told, wrong, strict=True):
        expected = MISREAD * 0.8 if word.isdigit() and MANY <= int(word) < 255 else 0
        assert share == pytest.approx(expected, abs=0.1), word
    assert (read - tokens[:, :-1]).float().mean().abs() < 0.1


def test_a_claim_that_is_not_judged_is_read_either_way(
    data: Demonstrations, vocabulary: PolicyVocabulary
) -> None:
    absent = next(i for i, row in enumerate(data.rows) if row.kind == "ABSENT")
    tokens, parts = written(data, [absent] * 200, vocabulary)
    read = misread(tokens, parts, vocabulary, np.random.default_rng(0))
    said = dict(enumerate(vocabulary.decode(tokens[0, :-1].tolist()).split()))
    denied = {said[i]: (read[:, i] != tokens[:, i]).float().mean().item() for i in said}
    assert denied["<not_found>"] == 0
    assert denied["<single>"] == pytest.approx(0.5, abs=0.1)
    signs = {vocabulary.decode([token]) for token in read.unique().tolist()}
    assert {"<single>", "<ambiguous>", "<there>", "<not_there>"} < signs
    assert "<found>" not in signs


def test_what_is_in_view_is_often_forgotten_and_what_is_not_never(
    data: Demonstrations, parts: Parts
) -> None:
    inputs = inputs_at(data, [0] * 200, lambda said: read_words(said, parts.grounder.word_states))
    seen, unseen = torch.tensor([[1.0, 0.2, 0.1], [9.0, 9.0, 0.0]])[:, None].expand(-1, 200, -1)
    inputs.objects[:, 0, 1, :3] = seen + 0.1
    noisy = varied(
        replace(inputs, remembered=torch.stack([seen, unseen], 1)), np.random.default_rng(0)
    )
    forgotten = noisy.remembered.isnan().any(-1).float().mean(0)
    assert forgotten.tolist() == [pytest.approx(FORGOTTEN, abs=0.1), 0.0]
    off = (noisy.remembered[:, 1] - unseen).std()
    assert float(off) == pytest.approx(MEMORY_NOISE, rel=0.2)
    lost = noisy.relevance.isnan().all(-1).all(-1).float().mean()
    assert float(lost) == pytest.approx(NO_RELEVANCE, abs=0.06)


def test_a_third_of_a_batch_are_questions(
    folder: Path, parts: Parts, vocabulary: PolicyVocabulary, tmp_path: Path
) -> None:
    ask_about(tmp_path, {"rooms": 3}, "train", parts.grounder)
    before = [path.stat().st_mtime_ns for path in tmp_path.iterdir()]
    ask_about(tmp_path, {"rooms": 3}, "train", parts.grounder)
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == before
    data = Demonstrations.load([folder, tmp_path])
    batch = batches_of(data, 300, vocabulary, parts).batch(0)
    asks = batch.tokens[:, 0] == vocabulary[ANSWER]
    assert asks.float().mean() == pytest.approx(1 / 3, abs=0.08)
    assert ((batch.parts == ANSWERED).any(1) == asks).all()
    assert batch.inputs.places[asks].isnan().all()
    with pytest.raises(LearningError, match="ask for one image or more"):
        ask_about(tmp_path, {"rooms": 0}, "train", parts.grounder)


def test_half_of_what_is_done_is_shown_without_images(
    folder: Path, parts: Parts, vocabulary: PolicyVocabulary, tmp_path: Path
) -> None:
    ask_about(tmp_path, {"rooms": 3}, "train", parts.grounder)
    run_shard(DemonstrationJob(tmp_path, seed_of(Kind.GO_TO), 3, ShardKind.BLIND, SETTINGS))
    data = Demonstrations.load([folder, tmp_path])
    batch = batches_of(data, 300, vocabulary, parts).batch(0)
    blind = ~batch.inputs.patches.any(-1).any(-1)
    asks = batch.tokens[:, 0] == vocabulary[ANSWER]
    assert asks.float().mean() == pytest.approx(ASKED, abs=0.08)
    assert blind[~asks].float().mean() == pytest.approx(BLIND, abs=0.1)


# ---------------------------------------------------------------------------------- training


def test_a_policy_learns_what_it_was_shown(
    data: Demonstrations, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_shard(DemonstrationJob(other, seed_of(Kind.BLOCKED), 1, ShardKind.CONTROL, SETTINGS))
    recipe = PolicyRecipe(
        steps=60, batch=8, rate=3e-3, warmup=5, average=0.9, width=48, layers=2, heads=2,
        dropout=0.0, validate_every=60,
    )  # fmt: skip
    out = tmp_path / "policy"
    result = train_policy([folder], [other], out, recipe, SETTINGS)
    assert result.steps == 60
    assert set(PART_NAMES) < set(result.after)
    config, _ = load_policy(out)
    assert config.commands[:2] == ("stop", "go_to")
    assert len(config.confidence) == 5
    assert config.confidence[-1] != 0
    card = (out / "README.md").read_text()
    assert "Trained for 60 steps" in card
    assert f"Of {len(Demonstrations.load([other]))} decisions that it wrote by itself" in card
    pupil = Settings.load(
        model__dtype="float32", policy__kind="transformer", policy__name_or_path=str(out)
    )
    assert Pipeline.from_settings(pupil).policy.name == "transformer"
    again = train_policy([folder], [other], out, recipe, SETTINGS)
    assert dict(again.after) == pytest.approx(dict(result.after), nan_ok=True)
    further = replace(recipe, steps=1)
    on = train_policy([folder], [other], tmp_path / "on", further, SETTINGS, start=out)
    assert on.before["decision"] == pytest.approx(result.after["decision"], abs=0.1)
    for wrong, changes in (
        (r"has another model.width than is to be trained, 48 and not 64", {"width": 64}),
        (r"has another plans than is to be trained, True and not False", {"plans": False}),
        (r"192 channels are not divided by 5 heads", {"width": 192, "heads": 5}),
    ):
        another = replace(further, **changes)
        with pytest.raises(LearningError, match=wrong):
            train_policy([folder], [other], tmp_path / "wide", another, SETTINGS, start=out)


def test_what_a_policy_cannot_write_is_refused_before_it_is_trained(
    data: Demonstrations, folder: Path, tmp_path: Path
) -> None:
    old = [replace(row, text=row.text.replace("<nowhere>", "<at> 255 255")) for row in data.rows]
    assert old != list(data.rows)
    write_shard(tmp_path / "old-0-1.npz", old, {n: list(v) for n, v in data.arrays.items()})
    other = tmp_path / "other"
    other.mkdir()
    run_shard(DemonstrationJob(other, seed_of(Kind.BLOCKED), 1, ShardKind.CONTROL, SETTINGS))
    with pytest.raises(LearningError, match=r"of seed \d+ is of other skills .* make it again"):
        train_policy([tmp_path], [other], tmp_path / "out", PolicyRecipe(steps=1), SETTINGS)


def test_confidence_is_as_often_right_as_it_says() -> None:
    rng = np.random.default_rng(0)
    logs = -rng.exponential(0.1, (4000, 2))
    right = rng.random(4000) < 1 / (1 + np.exp(-(30 * logs[:, 0] + 2)))
    fit = fit_confidence(logs, right)
    assert fit.weights == pytest.approx((30, 0, 2), rel=0.15, abs=2)
    assert fit.error < 0.04 < expected_calibration_error(np.exp(logs[:, 0]), right)
    # However few there are, nothing is certain.
    few = np.full((10, 2), -0.1)
    alike = fit_confidence(few, np.ones(10, bool))
    assert 0.8 < probability(few, alike.weights)[0] < 0.95


def test_a_decision_is_right_if_it_comes_to_what_was_shown() -> None:
    rows = np.full((8, 5), 100, np.uint16)
    shown = Written(("go to cup",), {"found": True}, Outcome.EXECUTE, rows)
    near, far = rows + np.uint16(NEAR_BINS), rows + np.uint16(NEAR_BINS + 1)
    assert is_right(replace(shown, rows=near, claims={}), shown)
    assert not is_right(replace(shown, rows=far), shown)
    assert not is_right(replace(shown, plan=("turn to cup",)), shown)
    held = Written(("go to cup",), {}, Outcome.HOLD, reason=Reason.TARGET_NOT_FOUND)
    assert not is_right(held, shown)
    assert is_right(held, replace(held, plan=()))
    assert not is_right(replace(held, reason=Reason.UNREACHABLE), held)


def test_what_cannot_be_learned_of_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="has no demonstrations"):
        Demonstrations.load([tmp_path])
    broken = tmp_path / "tasks-00000000-00000001.npz"
    broken.write_bytes(b"no shard")
    with pytest.raises(LearningError, match="is no shard of demonstrations"):
        Demonstrations.load([tmp_path])
    empty = tmp_path / "empty"
    empty.mkdir()
    write_shard(empty / "tasks-00000000-00000001.npz", [], {name: [] for name in ARRAYS})
    with pytest.raises(LearningError, match=r"nothing is shown in .*empty"):
        Demonstrations.load([empty])
    with pytest.raises(LearningError, match="the validation has episodes of the training"):
        train_policy([folder], [folder], tmp_path / "out", PolicyRecipe(), SETTINGS)
    with pytest.raises(LearningError, match="ask for one episode or more"):
        demonstrate(tmp_path / "none", SETTINGS, 0, {ShardKind.TASKS: 0})
