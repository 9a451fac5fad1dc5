import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import CALIBRATION, WordClip, skills

from vlam_ros.policies import choose_skill, means_stop
from vlam_ros.policies.choose import AFFORDANCE_WEIGHT, UNFIT, combine
from vlam_ros.types import Instruction, ObjectPhrase, Reason, Refusal

SKILLS = tuple(skills().values())
BY_WORDS = [skill for skill in SKILLS if skill.prompts]


def blind(texts: Sequence[str]) -> np.ndarray:
    return np.zeros(len(texts), np.float32)


def said(phrase: str, target: str = "red cup") -> Instruction:
    return Instruction(phrase, phrase, ObjectPhrase(target) if target else None)


def choose(phrase: str, clip: WordClip | None = None) -> str:
    return choose_skill(SKILLS, clip or WordClip(), said(phrase), blind).skill


@pytest.mark.parametrize(
    ("phrase", "skill"),
    [
        ("halt", "stop"),
        ("drive to the object", "go_to"),
        ("face the object", "turn_to"),
        ("grab the object", "pick_up"),
        ("put the object on the destination", "place"),
        ("push the object", "push"),
        ("where is the object", "search"),
    ],
)
def test_a_prompt_means_its_own_skill(phrase: str, skill: str) -> None:
    assert choose(phrase) == skill


def test_probabilities_follow_the_formula() -> None:
    words, images = np.array([0.9, 0.7, 0.1]), np.array([0.2, 0.3, -np.inf])
    # The third skill is always possible and counts like the most possible one.
    scores = np.exp(10 * words) * np.exp(10 * np.array([0.2, 0.3, 0.3])) ** AFFORDANCE_WEIGHT
    alike = np.ones(3)
    assert combine(words, images, alike, 10.0) == pytest.approx(scores / scores.sum(), rel=1e-12)
    assert combine(words, None, alike, 10.0)[0] == pytest.approx(
        1 / (1 + np.exp(-2.0) + np.exp(-8.0)), rel=1e-12
    )
    fits = np.array([UNFIT, 1.0, 1.0])
    scores = np.exp(10 * words) * fits
    assert combine(words, None, fits, 10.0) == pytest.approx(scores / scores.sum(), rel=1e-12)


def test_the_image_decides_between_equal_words() -> None:
    words, images = np.array([0.5, 0.5]), np.array([0.1, 0.3])
    assert combine(words, images, np.ones(2), 20.0).argmax() == 1


cosines = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array)


@given(cosines, cosines, st.floats(0.01, 200))
def test_a_tenth_of_what_the_images_differ_by_is_all_they_can_outvote(
    words: np.ndarray, images: np.ndarray, temperature: float
) -> None:
    probabilities = combine(words, images, np.ones(3), temperature)
    assert probabilities.sum() == pytest.approx(1)
    second, first = np.sort(words)[-2:]
    if first - second > AFFORDANCE_WEIGHT * np.ptp(images) + 1e-9:
        assert probabilities[words.argmax()] == probabilities.max()


def test_of_skills_that_sound_alike_the_one_is_meant_whose_nouns_are_named() -> None:
    # Cosine 0.77 with "pick up the object", 0.81 with "… and put it on the destination".
    phrase = "pick up the object and it"
    cup, plate = ObjectPhrase("red cup"), ObjectPhrase("blue plate")
    meant = [
        choose_skill(SKILLS, WordClip(), Instruction(phrase, phrase, cup, to), blind).skill
        for to in (None, plate)
    ]
    assert meant == ["pick_up", "place"]


def test_words_unlike_all_prompts_are_no_skill() -> None:
    with pytest.raises(Refusal, match="'juggle the object': I can stop, go to") as refusal:
        choose("juggle the object")
    assert refusal.value.reason is Reason.UNKNOWN_SKILL


def test_a_cosine_that_is_no_number_is_no_skill() -> None:
    class Broken(WordClip):
        def text_similarity(self, text: str, texts: Sequence[str]) -> np.ndarray:
            return np.full(len(texts), np.nan, np.float32)

    with pytest.raises(Refusal) as refusal:
        choose("stop", Broken())
    assert refusal.value.reason is Reason.UNKNOWN_SKILL
    assert not means_stop(SKILLS, Broken(), "halt now")


def test_without_calibration_nothing_is_chosen() -> None:
    with pytest.raises(Refusal, match=r"calibration\.json") as refusal:
        choose("pick up the object", WordClip(None))
    assert refusal.value.reason is Reason.LOW_CONFIDENCE


def test_the_task_is_the_instruction_with_its_skill_and_how_probable_that_is() -> None:
    instruction = said("push the object")
    task = choose_skill(SKILLS, WordClip(), instruction, blind)
    assert (task.instruction, task.skill) == (instruction, "push")
    words = [max(WordClip().text_similarity("push the object", s.prompts)) for s in BY_WORDS]
    fits = np.array([UNFIT if s.name == "place" else 1.0 for s in BY_WORDS])  # no destination
    alike = combine(np.array(words, np.float64), None, fits, CALIBRATION.skill_temperature)
    assert task.confidence == pytest.approx(alike.max())


def test_affordances_are_asked_of_the_target() -> None:
    asked: list[str] = []

    def affordance(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return blind(texts)

    choose_skill(SKILLS, WordClip(), said("grab the object"), affordance)
    assert asked.count("there is a red cup") == 5
    asked.clear()
    choose_skill(SKILLS, WordClip(), said("halt", target=""), affordance)
    assert asked == []


def test_stop_needs_no_model_in_its_own_words() -> None:
    clip = WordClip(None)
    assert means_stop(SKILLS, clip, "stand still")
    assert not means_stop(SKILLS, clip, "stand quite still")
    assert clip.compared == []


def test_stop_is_understood_in_other_words_if_they_are_close_enough() -> None:
    assert means_stop(SKILLS, WordClip(), "do not move here")  # cosine 3 / sqrt(12) = 0.87
    strict = dataclasses.replace(CALIBRATION, skill_threshold=0.9)
    assert not means_stop(SKILLS, WordClip(strict), "do not move here")
    assert not means_stop(SKILLS, WordClip(), "move to the object")
