"""Skills of one's own: what is read, what is learned of it, and what stays where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_clipseg import save_tiny_checkpoint

from vlam_ros.errors import LearningError
from vlam_ros.lab.evaluation.skills import UNKNOWN_VERBS
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.training.captions import SKILL_PATTERNS, known_words
from vlam_ros.lab.training.fit import FitSettings
from vlam_ros.lab.training.objectives import drift, skill_contrast
from vlam_ros.lab.training.paraphrases import (
    APPROACHES,
    OTHER_VERBS,
    PARTICLES,
    Paraphrases,
    new_patterns,
    skill_phrase,
)
from vlam_ros.lab.training.skills import learn_skills, learn_skills_file
from vlam_ros.lab.training.understanding import REFUSED, understood
from vlam_ros.perception.clipseg import Calibration, ClipsegGrounder, load_checkpoint
from vlam_ros.policies import Skill, load_skills

OLD = load_skills("skills.yaml")
POLISH = replace(
    OLD[3],
    name="polish",
    id=len(OLD),
    prompts=(
        "polish the object", "wipe the object", "scrub the object", "clean the object",
        "rub the object", "dust the object off", "wipe the object down", "clean up the object",
        "mop the object up", "scrub away at the object",
    ),
)  # fmt: skip
SKILLS = (*OLD, POLISH)
SETTINGS = FitSettings(steps=2, rate=1e-3, warmup=1, device="cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_few_steps_teach_a_skill_and_keep_the_others(tmp_path: Path) -> None:
    checkpoint = load_checkpoint("embedded", "cpu", "float32")
    vision = {n: p.clone() for n, p in checkpoint.model.named_parameters() if "text" not in n}
    settings = replace(SETTINGS, steps=60, rate=3e-3, average=0.9)
    learned = learn_skills(checkpoint, SKILLS, tmp_path, settings, "full")
    before, after = learned.before, learned.after
    assert before is not None
    assert after is not None
    # Untuned, its prompts are known word for word alone, and take nothing else.
    assert before.refused > 0.95
    assert after.refused > 0.95
    assert before.new < 0.5
    assert after.new > 0.75
    assert after.old >= before.old - 0.02
    own = dict(checkpoint.model.named_parameters())
    assert all(torch.equal(own[name], values) for name, values in vision.items())
    # A robot reads the same from the file.
    grounder = ClipsegGrounder.from_pretrained("embedded", "cpu", adapter=tmp_path)
    assert understood(grounder, SKILLS, "please wipe the red cup") == "polish"
    assert understood(grounder, SKILLS, "grab the red cup") == "pick_up"
    shipped, tuned = Calibration.load(tmp_path), checkpoint.calibration
    assert shipped is not None
    assert tuned is not None
    assert shipped.vocabulary == tuned.vocabulary
    assert shipped.skills is not None
    assert set(POLISH.prompts) <= set(shipped.skills["polish"])
    assert learned.carried == (shipped.crop_threshold == tuned.crop_threshold)


def test_paraphrases_depend_on_seed_and_number_alone() -> None:
    first = Paraphrases(SKILLS, seed=3).batch(5)
    again = Paraphrases(SKILLS, seed=3).batch(5)
    assert (first.sentences, first.phrases) == (again.sentences, again.phrases)
    assert torch.equal(first.labels, again.labels)
    assert Paraphrases(SKILLS, seed=4).batch(5).sentences != first.sentences
    assert Paraphrases(SKILLS, seed=3).batch(6).sentences != first.sentences


def test_a_step_reads_new_sentences_old_ones_and_some_of_no_skill() -> None:
    paraphrases = Paraphrases(SKILLS)
    known = known_words()
    verbs = {"polish", "wipe", "scrub", "clean", "rub", "dust", "mop", "off"}
    read = [paraphrases.batch(step) for step in range(4)]
    told = [skill.id for skill in SKILLS if skill.prompts]
    assert {label for r in read for label in r.labels.tolist()} == {-1, *told}
    for reading in read:
        assert len(reading.sentences) == len(reading.labels) == len(reading.old)
        for sentence, label, old in zip(
            reading.sentences, reading.labels.tolist(), reading.old.tolist(), strict=True
        ):
            new_words = set(sentence.split()) & verbs
            if label == POLISH.id:
                assert not old
                # A dropped word may have been the verb.
                assert new_words or set(sentence.split()) <= known | {*PARTICLES}, sentence
            elif label == -1:
                assert not new_words, sentence
                assert not old
            else:
                assert old, sentence


def test_names_that_the_model_has_learned_are_held_as_well() -> None:
    paraphrases = Paraphrases(SKILLS, words=("red", "cup", "object", "mug"))
    assert {"mug", "red mug", "white mug", "cup", "red cup"} <= set(paraphrases.phrases)
    assert not {"red red", "red object object", "mug mug"} & set(paraphrases.phrases)
    assert set(paraphrases.phrases) - set(Paraphrases(SKILLS).phrases) == {
        "mug", *(f"{colour} mug" for colour in vocabulary().colours)
    }  # fmt: skip
    assert any("mug" in paraphrases.batch(step).phrases for step in range(50))
    rng = np.random.default_rng(0)
    assert all("mug" not in paraphrases.no_sentence(rng).split() for _ in range(300))


def test_what_is_no_word_is_never_one_that_is_learned() -> None:
    paraphrases, rng = Paraphrases(SKILLS), np.random.default_rng(0)
    words = {word for prompt in POLISH.prompts for word in prompt.split()} - known_words()
    for _ in range(300):
        assert words.isdisjoint(paraphrases.no_sentence(rng).split())


def test_only_prompts_that_were_not_trained_are_new() -> None:
    assert new_patterns(OLD[3]) == ()
    wider = replace(OLD[3], prompts=(*OLD[3].prompts, "hoist the object onto the destination"))
    assert new_patterns(wider) == ("hoist {t} onto {d}",)
    assert Paraphrases((*OLD[:3], wider)).new == {"pick_up": ("hoist {t} onto {d}",)}


def test_other_verbs_are_read_as_no_skill_unless_a_prompt_has_them() -> None:
    def verbs(skill: Skill) -> set[str]:
        paraphrases, rng = Paraphrases((*OLD, skill)), np.random.default_rng(0)
        return {w for _ in range(1000) for w in paraphrases.no_sentence(rng).split()} & {
            *OTHER_VERBS
        }

    assert len(verbs(POLISH)) > 50
    assert "bake" in verbs(POLISH)
    assert "bake" not in verbs(replace(POLISH, prompts=("bake the object",)))
    # What a model is measured with stays unread.
    assert {*OTHER_VERBS}.isdisjoint(UNKNOWN_VERBS)


def test_verbs_of_a_skill_stand_in_for_each_other() -> None:
    drawn, rng = set(), np.random.default_rng(0)
    paraphrases = Paraphrases(SKILLS)
    for _ in range(1000):
        name, sentence = paraphrases.new_sentence(rng)
        assert name == "polish"
        drawn.add(skill_phrase(sentence))
    # "wipe" for the verb of another prompt, two verbs, a particle, and an approach.
    assert "wipe the object off" in drawn
    assert drawn & {f"wipe and {verb} the object" for verb in ("polish", "scrub", "clean", "rub")}
    assert drawn & {f"clean the object {particle}" for particle in PARTICLES}
    assert drawn & {f"{approach} and scrub the object" for approach in APPROACHES}
    assert set(POLISH.prompts) <= drawn


def test_files_that_teach_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="no prompt that the embedded model was not trained on"):
        Paraphrases(OLD)
    with pytest.raises(LearningError, match=r"skill polish: a prompt has no braces, got 'a \{t\}'"):
        Paraphrases((*OLD, replace(POLISH, prompts=("a {t}",))))
    with pytest.raises(LearningError, match="tuned in float32, got bfloat16"):
        learn_skills(load_checkpoint("embedded", "cpu", "bfloat16"), SKILLS, tmp_path, SETTINGS)


def test_a_sentence_is_compared_as_the_robot_does_it() -> None:
    assert skill_phrase("could you wipe the red cup please") == "wipe the object"
    assert skill_phrase("wipe or scrub the cup") == "wipe or scrub the cup"


def test_a_checkpoint_without_calibration_gets_an_adapter_and_no_figures(tmp_path: Path) -> None:
    base = save_tiny_checkpoint(tmp_path / "base")
    checkpoint = load_checkpoint(base, "cpu", "float32")
    learned = learn_skills(checkpoint, SKILLS, tmp_path / "out", SETTINGS, "prompt")
    assert (learned.before, learned.after) == (None, None)
    assert learned.adaptation.trainable == 4 * 32
    assert Calibration.load(tmp_path / "out") is None
    assert load_checkpoint(base, "cpu", "float32", adapter=tmp_path / "out").calibration is None


def test_a_file_is_taught_and_told_of(tmp_path: Path) -> None:
    entries = "\n".join(
        f"  - {{name: {s.name}, id: {s.id}, prompts: {list(s.prompts)}}}" for s in SKILLS
    )
    source = tmp_path / "mine.yaml"
    source.write_text(f"skills:\n{entries}\n")
    told = learn_skills_file("embedded", source, tmp_path / "out", replace(SETTINGS, steps=1))
    assert "full: 746,241 parameters" in told
    assert "nonsense refused: " in told
    assert (tmp_path / "out" / "adapter.safetensors").is_file()


def test_the_contrast_asks_for_like_skills_and_nothing_like_none() -> None:
    x, y = torch.eye(4)[:2]
    labels = torch.tensor([0, 0, 1, 1, -1])
    apart = skill_contrast(torch.stack([x, x, y, y, torch.eye(4)[2]]), labels)
    mixed = skill_contrast(torch.stack([x, y, x, y, torch.eye(4)[2]]), labels)
    taken = skill_contrast(torch.stack([x, x, y, y, x]), labels)
    assert apart < 1e-3
    assert mixed > 5
    # Twice 0.7 in excess of the limit, squared and weighted by 10.
    assert taken - apart == pytest.approx(2 * 10 * 0.7**2, rel=1e-4)
    with pytest.raises(LearningError, match=r"labels must be \[N\]"):
        skill_contrast(torch.zeros(3, 2), labels)


def test_drift_is_relative_to_the_size_of_what_was_known() -> None:
    known = torch.tensor([[3.0, 4.0], [0.0, 5.0]])
    assert drift(1.1 * known, known) == pytest.approx(0.01, rel=1e-4)
    assert drift(known, known) == 0
    with pytest.raises(LearningError, match="without a text"):
        drift(known[:0], known[:0])


def test_old_skills_are_those_that_have_training_sentences() -> None:
    paraphrases = Paraphrases(SKILLS)
    assert paraphrases.old == tuple(SKILL_PATTERNS)
    renamed = tuple(replace(s, name=f"my_{s.name}") if s.id else s for s in OLD)
    assert Paraphrases(renamed).old == ("stop",)
    assert REFUSED not in paraphrases.names
