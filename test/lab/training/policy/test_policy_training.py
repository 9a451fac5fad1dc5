"""Demonstrations by an expert that knows the truth, and a policy that learns of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from policy_world import observation, skills, thing
from random_policy import random_policy

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.generators import LabelledImage, Thing
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.simulation.tasks import CONTROL, Kind
from vlam_ros.lab.training.captions import TEST_PATTERNS
from vlam_ros.lab.training.policy.confidence import (
    NEAR_BINS,
    expected_calibration_error,
    fit_confidence,
    is_right,
)
from vlam_ros.lab.training.policy.data import (
    ANSWERED,
    DECIDED,
    FORGOTTEN,
    MEMORY_NOISE,
    NO_RELEVANCE,
    PART_NAMES,
    ROWS,
    UNJUDGED,
    DemonstrationBatches,
    Demonstrations,
    inputs_at,
    varied,
    written,
)
from vlam_ros.lab.training.policy.demonstrations import (
    ARRAYS,
    LIKE,
    THERE,
    DemonstrationJob,
    Parts,
    ShardKind,
    demonstrate,
    names_held_out,
    run_shard,
    show_episode,
    things_to_ask,
    write_shard,
)
from vlam_ros.lab.training.policy.driven import demonstrate_bag
from vlam_ros.lab.training.policy.expert import PLACES, Expert, is_true
from vlam_ros.lab.training.policy.questions import ask_about, questions_about
from vlam_ros.lab.training.policy.train import PolicyRecipe, train_policy
from vlam_ros.language import parse_instruction
from vlam_ros.pipeline import Pipeline
from vlam_ros.policies.transformer.checkpoint import load_policy
from vlam_ros.policies.transformer.grammar import Written
from vlam_ros.policies.transformer.inputs import OF_INSTRUCTION, read_words
from vlam_ros.policies.transformer.vocabulary import ANSWER, PolicyVocabulary
from vlam_ros.types import Outcome, Progress, Reason, Scene, Task

SETTINGS = Settings.load(model__dtype="float32")
SEED = 21_000_000


def seed_of(kind: Kind) -> int:
    """The first seed of an episode of a kind."""
    control = kind in CONTROL
    told = ((seed, episode_of_seed(seed, control, True)) for seed in range(SEED, SEED + 500))
    return next(
        seed
        for seed, episode in told
        if episode.task.kind is kind and not names_held_out(episode.script[0][1])
    )


@pytest.fixture(scope="module")
def parts() -> Parts:
    torch.set_num_threads(1)
    return Parts.load(SETTINGS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of three short episodes, of tasks and of the control set."""
    made = tmp_path_factory.mktemp("demonstrations")
    run_shard(
        DemonstrationJob(made, seed_of(Kind.TURN_TO), 1, ShardKind.TASKS, SETTINGS, made / "bags")
    )
    run_shard(DemonstrationJob(made, seed_of(Kind.ABSENT), 1, ShardKind.CONTROL, SETTINGS))
    run_shard(DemonstrationJob(made, seed_of(Kind.AMBIGUOUS), 1, ShardKind.CONTROL, SETTINGS))
    return made


@pytest.fixture(scope="module")
def data(folder: Path) -> Demonstrations:
    return Demonstrations.load([folder])


@pytest.fixture(scope="module")
def vocabulary(parts: Parts) -> PolicyVocabulary:
    return PolicyVocabulary(parts.grounder.checkpoint.tokenizer, 255)


# ---------------------------------------------------------------------------------- the expert


def task(text: str, skill: str, parts: Parts) -> Task:
    return Task(parse_instruction(text, parts.lexicon), skill, 0.9)


CUP = thing("red cup", 2.0)


@pytest.mark.parametrize(
    ("objects", "sensors", "end", "denied", "known"),
    [
        ([CUP], {}, "<execute> 1 ", "", "found free reachable ready single there"),
        ([], {}, "<hold> TARGET_NOT_FOUND", "<not_found>", "found"),
        (
            [CUP, thing("red cup", 2.0, 1.0)],
            {},
            "<hold> TARGET_AMBIGUOUS",
            "<ambiguous>",
            "found single",
        ),
        (
            [thing("red cup", 3.9)],
            {},
            "<hold> UNREACHABLE",
            "<unreachable>",
            "found reachable single",
        ),
        (
            [thing("red cup", 0.6)],
            {},
            "<done>",
            "<there>",
            "found free reachable ready single there",
        ),
    ],
)
def test_what_the_expert_shows_says_what_is_true(
    objects: list[Any], sensors: dict[str, Any], end: str, denied: str, known: str, parts: Parts
) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    scene = Scene(observation().stamp, tuple(objects))
    asked = task("go to the red cup", "go_to", parts)
    _, shown = expert.show(observation(**sensors), asked, scene, Progress())
    assert shown is not None
    where = "<at> 212 127" if CUP in objects and len(objects) == 1 else "<at> "
    where = "<nowhere>" if "FOUND" in end or "AMBIGUOUS" in end else where
    assert shown.text.startswith(f"<plan> go to red cup {where}")
    assert denied in shown.text
    assert end in shown.text
    assert shown.text.endswith(" <end>")
    assert " ".join(sorted(shown.known - {PLACES})) == known
    assert PLACES in shown.known


def test_of_two_nouns_the_place_of_each_is_told_that_is_seen(parts: Parts) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    asked = task("put the red cup on the blue plate", "place", parts)
    far = thing("blue plate", 3.5, 0.0, size=0.2)
    for objects, where in (
        ([CUP, far], "<at> 212 127 <at> 254 127"),
        ([far], "<nowhere> <at> 254 127"),
        ([CUP], "<at> 212 127 <nowhere>"),
    ):
        scene = Scene(observation().stamp, tuple(objects))
        _, shown = expert.show(observation(), asked, scene, Progress())
        assert shown is not None
        assert f" {where} <verify>" in shown.text
        assert ("<hold>" in shown.text) == (len(objects) == 1)


def test_what_no_policy_can_know_is_not_shown(parts: Parts) -> None:
    expert = Expert(tuple(skills().values()), SETTINGS.policy, SETTINGS.action)
    old = observation(age=5.0)
    asked = task("go to the red cup", "go_to", parts)
    proposal, shown = expert.show(old, asked, Scene(old.stamp, (CUP,)), Progress())
    assert shown is None
    assert proposal.refusal is not None
    assert proposal.refusal.reason is Reason.STALE_SENSOR


def test_a_phrase_is_true_of_what_is_called_so() -> None:
    cup = episode_of_seed(seed_of(Kind.GO_TO)).task.room.scene.objects[0]
    assert is_true(f"{cup.colour} {cup.shape}", cup)
    assert is_true(cup.shape, cup)
    assert is_true(f"{cup.colour} object", cup)
    assert not is_true("transparent object", cup)
    assert not is_true(f"{cup.colour} giraffe", cup)
    assert not is_true("object", replace(cup, colour=None))


def test_an_episode_that_is_trained_on_is_told_in_words_that_are_trained() -> None:
    tested = {pattern.split("{")[0] for many in TEST_PATTERNS.values() for pattern in many}
    assert tested
    for seed in range(SEED, SEED + 40):
        assert not episode_of_seed(seed, trained=True).paraphrased


# ---------------------------------------------------------------------------------- demonstrations


def test_demonstrations_are_of_what_the_towers_see(data: Demonstrations) -> None:
    assert {row.kind for row in data.rows} == {"TURN_TO", "ABSENT", "AMBIGUOUS"}
    count = len(data)
    assert data.arrays["patches"].shape == (count, 401, 160)
    assert data.arrays["places"].shape == data.arrays["floor"].shape == (count, 400, 3)
    assert np.isfinite(data.arrays["places"]).all(-1).mean() > 0.1
    texts = {row.kind: [r.text for r in data.rows if r.kind == row.kind] for row in data.rows}
    assert "<done>" in texts["TURN_TO"][-1]
    assert "<execute> 2 " in texts["TURN_TO"][0]
    assert all("<hold> TARGET_NOT_FOUND" in text for text in texts["ABSENT"])
    assert all("<hold> TARGET_AMBIGUOUS" in text for text in texts["AMBIGUOUS"])
    # Of decisions that say the same, few are kept.
    assert len(texts["ABSENT"]) <= 3


def test_an_episode_is_a_bag_too_that_demonstrates_as_one_of_a_robot(
    folder: Path, parts: Parts, tmp_path: Path
) -> None:
    (bag,) = (folder / "bags").iterdir()
    robot, notes = (SETTINGS, FusionNodeSettings.load()), Notes()
    assert demonstrate_bag(bag, tmp_path, robot, parts.grounder, ReplayOptions(), notes)
    driven = Demonstrations.load([tmp_path])
    (text,) = episode_of_seed(seed_of(Kind.TURN_TO), trained=True).script[0][1:]
    assert {row.words[OF_INSTRUCTION] for row in driven.rows} == {text}
    assert all(row.text.startswith("<plan> turn to ") for row in driven.rows)
    assert "<execute> 2 " in driven.rows[0].text
    assert np.isfinite(driven.arrays["places"]).any()


def test_of_one_image_several_things_are_asked(tmp_path: Path) -> None:
    seed = next(s for s in range(SEED, SEED + 99) if s % 3 and held_out(s) == 0)
    run_shard(DemonstrationJob(tmp_path, seed, 1, ShardKind.STARTS, SETTINGS))
    data = Demonstrations.load([tmp_path])
    assert len(data) > 2
    assert len({row.words[OF_INSTRUCTION] for row in data.rows}) > 2
    assert all(set(row.words) == {OF_INSTRUCTION} for row in data.rows)
    assert len({row.text for row in data.rows}) > 2
    assert np.isnan(data.arrays["remembered"]).all()


def held_out(seed: int) -> bool:
    return names_held_out(episode_of_seed(seed, trained=True).script[0][1])


def test_the_same_is_not_asked_again_and_no_pair_that_is_held_out() -> None:
    for seed in range(SEED, SEED + 60):
        episode = episode_of_seed(seed, trained=True)
        if names_held_out(episode.script[0][1]):
            continue
        asked = things_to_ask(episode, np.random.default_rng(seed))
        assert len(asked) <= 1 + THERE + LIKE
        assert not any(map(names_held_out, asked))
        assert not any(f" {episode.task.noun}" in f" {text}" for text in asked[1:])
    nonsense = episode_of_seed(seed_of(Kind.NONSENSE), True, True)
    assert len(things_to_ask(nonsense, np.random.default_rng(0))) == 1


def test_by_what_is_never_named_to_a_model_nothing_is_shown(tmp_path: Path) -> None:
    seed = next(s for s in range(SEED, SEED + 500) if held_out(s))
    job = DemonstrationJob(tmp_path, seed, 1, ShardKind.TASKS, SETTINGS)
    run_shard(job)
    with np.load(job.path) as shard:
        assert not len(shard["states"])


def test_what_makes_no_sense_is_refused_before_the_expert_is_asked(parts: Parts) -> None:
    policy, record = show_episode(episode_of_seed(seed_of(Kind.NONSENSE), True), parts)
    assert not policy.rows
    assert record.success
    assert record.reason != Reason.INTERNAL_ERROR.name


def test_the_words_say_what_is_under_way(data: Demonstrations) -> None:
    turning = [row.words for row in data.rows if row.kind == "TURN_TO"]
    assert set(turning[0]) == {0}
    assert turning[1][1] == "turn to"


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
    assert len(some.arrays["patches"]) == len(some)
    indices = [i for i, row in enumerate(data.rows) if row in some.rows]
    assert np.array_equal(some.arrays["patches"], data.arrays["patches"][indices])


def test_batches_are_a_function_of_the_step(
    data: Demonstrations, vocabulary: PolicyVocabulary, parts: Parts
) -> None:
    batches = DemonstrationBatches(
        data, vocabulary, lambda said: read_words(said, parts.grounder.word_states), 4, 0
    )
    one, again, other = batches.batch(3), batches.batch(3), batches.batch(4)
    assert torch.equal(one.tokens, again.tokens)
    assert torch.equal(one.inputs.places.nan_to_num(), again.inputs.places.nan_to_num())
    assert not torch.equal(one.inputs.patches, other.inputs.patches)
    noisy = varied(one.inputs, np.random.default_rng(0))
    assert noisy.places.isnan().sum() >= one.inputs.places.isnan().sum()
    assert torch.equal(noisy.patches, one.inputs.patches)


def test_what_is_in_view_is_often_forgotten_and_what_is_not_never(
    data: Demonstrations, parts: Parts
) -> None:
    inputs = inputs_at(data, [0] * 200, lambda said: read_words(said, parts.grounder.word_states))
    patch = int(inputs.places[0].isfinite().all(-1).int().argmax())
    seen, unseen = inputs.places[:, patch], torch.tensor([9.0, 9.0, 0.0]).expand(200, 3)
    noisy = varied(
        replace(inputs, remembered=torch.stack([seen, unseen], 1)), np.random.default_rng(0)
    )
    forgotten = noisy.remembered.isnan().any(-1).float().mean(0)
    assert forgotten.tolist() == [pytest.approx(FORGOTTEN, abs=0.1), 0.0]
    off = (noisy.remembered[:, 1] - unseen).std()
    assert float(off) == pytest.approx(MEMORY_NOISE, rel=0.2)
    lost = noisy.relevance.isnan().all(-1).all(-1).float().mean()
    assert float(lost) == pytest.approx(NO_RELEVANCE, abs=0.06)


def test_a_pupil_drives_and_the_expert_says_what_it_would_have_done(tmp_path: Path) -> None:
    pupil = Settings.load(
        model__dtype="float32",
        policy__kind="transformer",
        policy__name_or_path=str(random_policy(tmp_path)),
    )
    parts = Parts.load(pupil)
    episode = episode_of_seed(seed_of(Kind.TURN_TO), trained=True)
    policy, record = show_episode(episode, parts)
    assert not record.success
    assert policy.rows
    # Wherever the pupil went, it is the expert who turns, or says that all is done.
    assert all("<execute> 2 " in row.text or "<done>" in row.text for row in policy.rows)


# ---------------------------------------------------------------------------------- questions


def test_questions_have_answers_beyond_doubt() -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[40:60, 20:40], labels[40:60, 150:170], labels[70:90, 90:110] = 1, 2, 3
    things = (Thing("box", "red"), Thing("box", "blue"), Thing("cup", "green"))
    shown = LabelledImage(np.zeros((100, 200, 3), np.uint8), labels, things)
    asked = dict(questions_about(shown, np.random.default_rng(0)))
    assert asked["what colour is the left box"] == "red"
    assert asked["what colour is the right box"] == "blue"
    assert asked["what colour is the cup"] == "green"
    assert asked["where is the red box"] == "37 126"
    assert asked["what is there"] == "red box , green cup , blue box"
    counts = {q: a for q, a in asked.items() if q.startswith("how many")}
    assert set(counts.items()) <= {
        ("how many boxes are there", "2"), ("how many cups are there", "1"),
    }  # fmt: skip
    there = {question: answer for question, answer in asked.items() if question.startswith("is")}
    assert set(there.values()) == {"yes", "no"}
    names = {f"is there a {thing.colour} {thing.noun}" for thing in things}
    assert {question for question, answer in there.items() if answer == "yes"} <= names
    # What is half hidden, or has no name, is nothing to ask about.
    small = labels.copy()
    small[72:90, 90:110] = 0
    assert not list(questions_about(replace(shown, labels=small), np.random.default_rng(0)))
    nameless = replace(shown, things=(*things[:2], Thing("?", "green")))
    assert not list(questions_about(nameless, np.random.default_rng(0)))


def test_a_third_of_a_batch_are_questions(
    folder: Path, parts: Parts, vocabulary: PolicyVocabulary, tmp_path: Path
) -> None:
    ask_about(tmp_path, {"rooms": 3}, "train", parts.grounder)
    before = [path.stat().st_mtime_ns for path in tmp_path.iterdir()]
    ask_about(tmp_path, {"rooms": 3}, "train", parts.grounder)
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == before
    data = Demonstrations.load([folder, tmp_path])
    batches = DemonstrationBatches(
        data, vocabulary, lambda said: read_words(said, parts.grounder.word_states), 300, 0
    )
    batch = batches.batch(0)
    asks = batch.tokens[:, 0] == vocabulary[ANSWER]
    assert asks.float().mean() == pytest.approx(1 / 3, abs=0.08)
    assert ((batch.parts == ANSWERED).any(1) == asks).all()
    assert batch.inputs.places[asks].isnan().all()
    with pytest.raises(LearningError, match="ask for one image or more"):
        ask_about(tmp_path, {"rooms": 0}, "train", parts.grounder)


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
    assert config.confidence != (1.0, 0.0)
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
    logs = -rng.exponential(0.1, 2000)
    right = rng.random(2000) < 1 / (1 + np.exp(-(30 * logs + 2)))
    fit = fit_confidence(logs, right)
    assert fit.slope == pytest.approx(30, rel=0.15)
    assert fit.offset == pytest.approx(2, rel=0.15)
    assert fit.error < 0.04 < expected_calibration_error(np.exp(logs), right)
    # However few there are, nothing is certain.
    alike = fit_confidence(np.full(10, -0.1), np.ones(10, bool))
    assert 0.8 < 1 / (1 + np.exp(-(alike.slope * -0.1 + alike.offset))) < 0.95


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
