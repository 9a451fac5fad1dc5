"""Which skill an instruction means, by CLIP.

With c_k the best text-text cosine between the instruction's skill phrase and the prompts of skill
k, a_k the best image-text cosine between the image and its affordance prompts, and T the
calibrated temperature, the score of skill k is

    p_k ∝ softmax(T c)_k · softmax(T a)_k ^ AFFORDANCE_WEIGHT · n_k

as in SayCan (Ahn et al. 2022): what the words mean times what the scene allows. SayCan learns
what is possible by trial; a cosine of a whole image is a much weaker witness, hence the exponent.
n_k is 1 if the instruction names what the skill needs and no more than it accepts, else UNFIT:
"grab it and lift it" sounds like putting something somewhere, but names no place.

An instruction that says how far to move or to turn can only mean a skill that moves by a distance
or an angle, and no other instruction can: it is chosen by that, and CLIP has no say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vlam_ros.language.verbs import ALONE, open_words, taught_usages, usages
from vlam_ros.perception.calibration import Calibration
from vlam_ros.policies.skills import Skill, load_skills
from vlam_ros.types import FloatArray, Instruction, Noun, Reason, Refusal, Task

Float64Array = npt.NDArray[np.float64]

AFFORDANCE_WEIGHT = 0.1
"""The image outvotes the words only where its cosines differ ten times as much as theirs."""
UNFIT = 0.1
"""How often people leave out what a skill needs, or name what it has no use for."""

CLEARLY = 1.2
"""How many times as likely as the next one a skill has to be."""


class SkillClip(Protocol):
    """The CLIP that skills are chosen by."""

    @property
    def calibration(self) -> Calibration | None:
        """The thresholds of the checkpoint; None if it has none."""

    def text_similarity(self, text: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Cosines float32[T] of one text with others."""


def means_stop(skills: Sequence[Skill], clip: SkillClip, phrase: str) -> bool:
    """Whether a skill phrase means stop: by the words alone, and in so many words without model."""
    skills = _by_words(skills)
    if phrase in skills[0].prompts:
        return True
    if clip.calibration is None:
        return False
    known = _Known(skills, clip.calibration)
    words = _language(known, clip, phrase)
    meant = words.argmax() == 0 and words[0] >= clip.calibration.skill_threshold
    return bool(meant and known.has(phrase, skills[0]))


def choose_skill(
    skills: Sequence[Skill],
    clip: SkillClip,
    instruction: Instruction,
    affordance: Callable[[Sequence[str]], FloatArray],
) -> Task:
    """The task that an instruction means: its skill, with the probability as confidence.

    Args:
        skills: in the order of their ids.
        clip: compares the skill phrase with the prompts.
        instruction: its skill phrase, target and destination are used.
        affordance: cosines float[T] of the image with texts.

    Raises:
        Refusal: LOW_CONFIDENCE without calibration; UNKNOWN_SKILL if no prompt is close enough, if
            the checkpoint was not taught the verb in that use, if it means a skill that is not
            listed, or if two skills are about as likely.
    """
    if clip.calibration is None:
        raise Refusal(
            Reason.LOW_CONFIDENCE,
            "the checkpoint has no calibration.json, so nothing it sees may be acted on: run "
            "`vlam calibrate FOLDER`, or use 'embedded'",
        )
    if instruction.displacement is not None:
        return _by_measure(skills, instruction)
    phrase, images = instruction.skill_phrase, None
    spoken = _by_words(skills)
    known = _Known(spoken, clip.calibration)
    words = _language(known, clip, phrase)
    # Negated, so that NaN means nothing that is known.
    if not words.max() >= clip.calibration.skill_threshold:
        raise _unknown(skills, f"I do not know how to '{phrase}'")
    if instruction.target:
        name = instruction.target.text
        prompts = [[p.format(target=name) for p in skill.affordance] for skill in known.skills]
        images = _best_of_each(prompts, affordance)
    fits = np.array([1.0 if _fits(skill, instruction) else UNFIT for skill in known.skills])
    probabilities = combine(words, images, fits, clip.calibration.skill_temperature)
    able = np.array([known.has(phrase, skill) for skill in known.skills])
    likely = np.where(able & (words >= clip.calibration.skill_threshold), probabilities, 0.0)
    second, chosen = (int(i) for i in likely.argsort(kind="stable")[-2:])
    if chosen >= len(spoken) or not likely[chosen] > 0:
        raise _unknown(skills, f"I do not know how to '{phrase}'")
    if likely[chosen] < CLEARLY * likely[second]:
        others = f"'{known.skills[chosen].said}' or '{known.skills[second].said}'"
        raise _unknown(skills, f"'{phrase}' could mean {others}")
    return Task(instruction, known.skills[chosen].name, float(probabilities[chosen]))


class _Known:
    """What a checkpoint was taught, and the skills it tells apart: those of the robot, and those
    that the robot has not, so that what means one of them is not taken for the nearest.
    """

    def __init__(self, skills: Sequence[Skill], calibration: Calibration) -> None:
        taught = calibration.skills
        self._taught = taught
        listed = {prompt for skill in skills for prompt in skill.prompts}
        names = {skill.name for skill in skills}
        others = _shipped() if taught is None else [_skill_of(*item) for item in taught.items()]
        rivals = [s for s in others if s.name not in names and listed.isdisjoint(s.prompts)]
        self.skills = (*skills, *rivals)
        said = [text for sentences in (taught or {}).values() for text in sentences]
        self._words = frozenset().union(*map(open_words, said))
        self._usages = taught_usages(said)

    def reads(self, phrase: str) -> bool:
        """Whether its words were taught."""
        return self._taught is None or open_words(phrase) <= self._words

    def has(self, phrase: str, skill: Skill) -> bool:
        """Whether the verbs of a phrase were taught as they are used here, and for this skill."""
        if self._taught is None or phrase in skill.prompts:
            return True
        own = taught_usages([*self._taught.get(skill.name, ()), *filter(self.reads, skill.prompts)])
        used, verbs = usages(phrase), open_words(phrase)
        acting = [usage for usage in used if usage[1] != ALONE and usage[0] in verbs]
        # What is said last is the end: "go to the object and pick it up".
        meant = acting[-1:] or used
        return self.reads(phrase) and self._usages | own >= {*acting} and not own.isdisjoint(meant)


@cache
def _shipped() -> tuple[Skill, ...]:
    return tuple(_by_words(load_skills("skills.yaml")))


def _skill_of(name: str, sentences: Sequence[str]) -> Skill:
    """A skill that a checkpoint was taught, by its sentences."""
    nouns = {Noun.TARGET: "the object", Noun.DESTINATION: "the destination"}
    named = [{noun for noun, said in nouns.items() if said in text} for text in sentences]
    needs = frozenset(set.intersection(*named))
    return Skill(name, -1, tuple(sentences), (), needs, frozenset(set.union(*named)) - needs)


def _unknown(skills: Sequence[Skill], what: str) -> Refusal:
    known = ", ".join(skill.said for skill in skills)
    example = next((s.example for s in skills if s.needs), skills[0].example)
    return Refusal(
        Reason.UNKNOWN_SKILL, f"{what}: I can {known}; say it in those words, as '{example}'"
    )


def _by_words(skills: Sequence[Skill]) -> Sequence[Skill]:
    """Those that CLIP chooses from; the others are not compared, so that they change no choice."""
    return [skill for skill in skills if not skill.MEASURE]


def _by_measure(skills: Sequence[Skill], instruction: Instruction) -> Task:
    """The first skill that moves by what the instruction says: nothing is left to be guessed."""
    for skill in skills:
        if skill.MEASURE and getattr(instruction.displacement, skill.MEASURE):
            return Task(instruction, skill.name, 1.0)
    raise _unknown(skills, f"I do not know how to '{instruction.skill_phrase}'")


def combine(
    words: Float64Array, images: Float64Array | None, fits: Float64Array, temperature: float
) -> Float64Array:
    """The probabilities p [K] of the formula above.

    Args:
        words: the c_k, float64[K].
        images: the a_k, float64[K]; None if the words decide alone. Minus infinity stands for a
            skill without affordance prompts, which is always possible, like "done" in SayCan.
        fits: the n_k, float64[K].
        temperature: T.
    """
    scores = _log_softmax(temperature * words) + np.log(fits)
    if images is not None and np.isfinite(images).any():
        possible = np.where(np.isneginf(images), images.max(), images)
        scores += AFFORDANCE_WEIGHT * _log_softmax(temperature * possible)
    return np.exp(_log_softmax(scores))


def _fits(skill: Skill, instruction: Instruction) -> bool:
    named = instruction.named.keys()
    # A robot told to stop stops, whatever else the sentence names.
    return skill.id == 0 or skill.needs <= named <= skill.needs | skill.accepts


def _language(known: _Known, clip: SkillClip, phrase: str) -> Float64Array:
    """The c_k of the formula above, float64[K]. A prompt with words that were not taught is like
    any other text of such words: it counts for itself alone.
    """
    prompts = [[p for p in s.prompts if p == phrase or known.reads(p)] for s in known.skills]
    return _best_of_each(prompts, lambda texts: clip.text_similarity(phrase, texts))


def _best_of_each(
    groups: Sequence[Sequence[str]], cosines: Callable[[Sequence[str]], FloatArray]
) -> Float64Array:
    """The best cosine within each group of texts, all measured at once; -inf for an empty group."""
    values = np.asarray(cosines([text for group in groups for text in group]), np.float64)
    ends = np.cumsum([len(group) for group in groups])
    return np.array([part.max(initial=-np.inf) for part in np.split(values, ends[:-1])])


def _log_softmax(values: Float64Array) -> Float64Array:
    shifted: Float64Array = values - values.max()
    return shifted - np.log(np.exp(shifted).sum())
