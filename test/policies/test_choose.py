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


TAUGHT = {
    "stop": ("stop", "stay here"),
    "go_to": ("go to the object", "come to the object", "move to the object"),
    "push": ("push the object", "push the object away"),
    "pick_up": ("pick up the object", "grab the object and lift it"),
}
"""What a checkpoint was taught; it reads any other text of these words too."""


def taught(**changes: object) -> WordClip:
    return WordClip(
        dataclasses.replace(CALIBRATION, skills={**TAUGHT, **changes}, skill_threshold=0.4)
    )


@pytest.mark.parametrize(
    "phrase",
    [
        "come here",  # nearest to "stay here", of which it has no verb
        "move the object away",  # not as one moves to it, and pushing is called otherwise
        "undo and push the object",
        "tomorrow pick up the object",
        "push the object and move it",
        "open the object",
        "come back",
    ],
)
def test_a_verb_that_was_not_taught_in_that_use_is_no_skill(phrase: str) -> None:
    target = "red cup" if "object" in phrase else ""
    with pytest.raises(Refusal, match="I do not know how to") as refusal:
        choose_skill(SKILLS, taught(), said(phrase, target), blind)
    assert refusal.value.reason is Reason.UNKNOWN_SKILL
    assert "'go to the red cup'" in refusal.value.message
    assert not means_stop(SKILLS, taught(), phrase)


@pytest.mark.parametrize(
    ("phrase", "skill"),
    [
        ("come to the object", "go_to"),
        ("grab the object and push it away", "push"),
        ("pick the object up and hold it", "pick_up"),
        ("stop there", "stop"),
        ("push away at the object", "push"),
        ("go to the object and pick it up", "pick_up"),  # what is said last is the end
        ("pick up the object and push it away", "push"),
    ],
)
def test_a_verb_is_known_in_the_use_that_was_taught(phrase: str, skill: str) -> None:
    target = "red cup" if "object" in phrase else ""
    assert choose_skill(SKILLS, taught(), said(phrase, target), blind).skill == skill


@pytest.mark.parametrize("gone", ["pick_up", "push", "go_to"])
@pytest.mark.parametrize("known", [True, False])
def test_what_means_a_skill_that_is_not_listed_is_done_by_no_other(gone: str, known: bool) -> None:
    left = [skill for skill in SKILLS if skill.name != gone]
    clip = taught() if known else WordClip()
    phrase = next(s for s in SKILLS if s.name == gone).prompts[0]
    with pytest.raises(Refusal) as refusal:
        choose_skill(left, clip, said(phrase), blind)
    assert refusal.value.reason is Reason.UNKNOWN_SKILL
    assert gone.replace("_", " ") not in refusal.value.message.partition("I can")[2]


def test_a_skill_under_another_name_is_listed() -> None:
    drive = dataclasses.replace(SKILLS[1], name="drive", prompts=("go to the object",))
    left = [SKILLS[0], drive, *SKILLS[2:]]
    assert choose_skill(left, taught(), said("go to the object"), blind).skill == "drive"


def test_prompts_of_words_that_were_not_taught_count_word_for_word() -> None:
    follow = dataclasses.replace(SKILLS[1], name="follow", prompts=("follow the object",), id=7)
    listed = [*SKILLS, follow]
    assert choose_skill(listed, taught(), said("follow the object"), blind).skill == "follow"
    for phrase in ("follow the object there", "follow to the object", "come back"):
        with pytest.raises(Refusal):
            choose_skill(listed, taught(), said(phrase), blind)
    learned = taught(follow=follow.prompts)
    assert choose_skill(listed, learned, said("follow the object there"), blind).skill == "follow"


def test_of_two_skills_that_are_as_likely_none_is_chosen() -> None:
    with pytest.raises(Refusal, match="could mean") as refusal:
        choose_skill(SKILLS, WordClip(), said("look the object"), blind)
    assert refusal.value.reason is Reason.UNKNOWN_SKILL
