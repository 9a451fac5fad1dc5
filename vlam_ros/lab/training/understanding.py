"""What skill a sentence leads to, through the pipeline's own steps, and from where one is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.policies import Skill, choose_skill
from vlam_ros.types import Refusal

REFUSED = "refused"
"""What is understood where nothing is."""


def understood(grounder: ClipsegGrounder, skills: Sequence[Skill], sentence: str) -> str:
    """The name of the skill that a robot takes a sentence for, or REFUSED; an image has no say."""
    try:
        instruction = parse_instruction(sentence)
        task = choose_skill(
            skills, grounder, instruction, lambda texts: np.zeros(len(texts), np.float32)
        )
    except (InstructionError, Refusal):
        return REFUSED
    return task.skill


def skill_threshold(
    grounder: ClipsegGrounder, skills: Sequence[Skill], known: Iterable[str], unknown: Iterable[str]
) -> float:
    """Half way between the cosines of known and unknown sentences but for 2 % of either."""
    prompts = [prompt for skill in skills for prompt in skill.prompts]

    def best(sentence: str) -> float:
        try:
            phrase = parse_instruction(sentence).skill_phrase
        except InstructionError:  # the grammar refuses it, whatever the threshold
            return 0.0
        return float(grounder.text_similarity(phrase, prompts).max())

    lowest = np.quantile([best(sentence) for sentence in known], 0.02)
    highest = np.quantile([best(sentence) for sentence in unknown], 0.98)
    return round(float(np.clip((lowest + highest) / 2, 0, 1)), 3)
