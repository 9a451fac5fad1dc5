"""Whether sentences never trained on lead to the right skill, through the pipeline's own steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from vlam_ros.lab.report.table import Table
from vlam_ros.lab.training.captions import SENTENCES, SKILL_PATTERNS, test_sentences
from vlam_ros.lab.training.understanding import REFUSED, understood
from vlam_ros.language import parse_instruction
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.policies import Skill

UNKNOWN_VERBS: list[str] = SENTENCES["unknown_verbs"]
"""Verbs of no skill: they may be refused, but not be taken for one."""


@dataclass(frozen=True)
class SkillReport:
    """Sentences from patterns never trained on, and sentences with unknown verbs.

    `wrong` lists (sentence, meant, understood); REFUSED is understood where nothing was.
    """

    sentences: int
    right: int
    unknown: int
    unknown_refused: int
    wrong: tuple[tuple[str, str, str], ...]

    @property
    def accuracy(self) -> float:
        return self.right / self.sentences


def misread_table(title: str, wrong: Iterable[tuple[str, str, str]]) -> Table:
    return Table(title, ("sentence", "meant", "understood"), tuple(dict.fromkeys(wrong)))


def evaluate_skills(grounder: ClipsegGrounder, skills: Sequence[Skill]) -> SkillReport:
    """Parse and choose for every test sentence; the image has no say here."""
    wrong, right = [], 0
    patterns = chain.from_iterable(SKILL_PATTERNS.values())
    trained = {pattern.format(t="the object", d="the destination") for pattern in patterns}
    meant = [
        (s, t) for s, t in test_sentences() if parse_instruction(t).skill_phrase not in trained
    ]
    for skill, sentence in meant:
        heard = understood(grounder, skills, sentence)
        right += heard == skill
        if heard != skill:
            wrong.append((sentence, skill, heard))
    unknown = [f"{verb} the red cup" for verb in UNKNOWN_VERBS]
    misread = [(s, understood(grounder, skills, s)) for s in unknown]
    wrong += [(s, "none", skill) for s, skill in misread if skill != REFUSED]
    unknown_refused = sum(skill == REFUSED for _, skill in misread)
    return SkillReport(len(meant), right, len(unknown), unknown_refused, tuple(wrong))
