"""How sure a taught policy may be of a decision: as often as like decisions of the validation are
right (Platt scaling; Guo et al., On Calibration of Modern Neural Networks, 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from vlam_ros.errors import LearningError, ModelError
from vlam_ros.lab.training.policy.data import Demonstrations, Read, inputs_at
from vlam_ros.lab.training.policy.demonstration_policy import QUESTION
from vlam_ros.language import Lexicon, parse_instruction
from vlam_ros.policies import Skill
from vlam_ros.policies.transformer.checkpoint import PolicyConfig
from vlam_ros.policies.transformer.grammar import Grammar, Written
from vlam_ros.policies.transformer.inputs import OF_INSTRUCTION
from vlam_ros.policies.transformer.model import ActionTransformer
from vlam_ros.policies.transformer.policy import mean_logs, possible_steps
from vlam_ros.policies.transformer.vocabulary import ACT, PolicyVocabulary
from vlam_ros.types import ActionSpace

MOST = 1000
"""Decisions that are enough, of all kinds: each takes as long as on the robot."""
NEAR_BINS, NEAR_SHARE = 2, 0.9
"""Rows are right if so many of their numbers are as near as that to what was shown."""
INTERVALS = 10
SHRINK = 1e-5
"""Of the squared weights; what tells nothing gets none."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConfidenceFit:
    """Weights of F values and the offset, float[F+1], of the log-odds that a decision is right, and
    the expected calibration error where one half of the decisions is judged by what the other says.
    """

    weights: tuple[float, ...]
    error: float
    right: float
    decisions: int


def fit_confidence(logs: Floats, right: Bools) -> ConfidenceFit:
    """Of N decisions: their mean logarithms float64[N,F], and whether they are right, bool[N]."""
    halves = np.arange(len(logs)) % 2 == 0
    judged = np.empty(len(logs))
    for half in (halves, ~halves):
        judged[half] = probability(logs[half], _logistic(logs[~half], right[~half]))
    error = expected_calibration_error(judged, right)
    return ConfidenceFit(_logistic(logs, right), error, float(right.mean()), len(right))


def expected_calibration_error(confidences: Floats, right: Bools) -> float:
    """Σ share of each of INTERVALS · |mean confidence − share right| in it."""
    which = np.minimum((confidences * INTERVALS).astype(int), INTERVALS - 1)
    gaps = [abs((confidences - right)[which == i].sum()) for i in range(INTERVALS)]
    return float(sum(gaps) / len(right))


def probability(logs: Floats, weights: tuple[float, ...]) -> Floats:
    """That decisions are right, float64[N], by values float64[N,F] and what a fit says of them."""
    values: Floats = 1 / (1 + np.exp(-(logs @ weights[:-1] + weights[-1])))
    return values


def _logistic(logs: Floats, right: Bools) -> tuple[float, ...]:
    """Maximum likelihood, by Platt's targets: never quite sure, however few were wrong."""
    hits = int(right.sum())
    yes, no = (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2)
    targets, values = torch.from_numpy(np.where(right, yes, no)), torch.from_numpy(logs)
    weights = torch.zeros(logs.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    fit = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        fit.zero_grad()
        odds = values @ weights[:-1] + weights[-1]
        value = functional.binary_cross_entropy_with_logits(odds, targets)
        (value + SHRINK * weights[:-1].square().sum()).backward()
        return value

    fit.step(loss)
    return tuple(weights.tolist())


@dataclass(frozen=True)
class Decider:
    """A model that decides by itself where something was shown."""

    model: ActionTransformer
    config: PolicyConfig
    read: Read
    vocabulary: PolicyVocabulary
    skills: Sequence[Skill]
    space: ActionSpace
    lexicon: Lexicon
    _grammars: dict[str, Grammar] = field(default_factory=dict, init=False, repr=False)

    def check(self, data: Demonstrations) -> None:
        """LearningError if something was shown that a policy cannot write."""
        for row in data.rows:
            if row.kind == QUESTION:
                continue
            try:
                self._grammar(row.words[OF_INSTRUCTION]).read(self.vocabulary.encode(row.text))
            except ModelError as error:
                raise LearningError(
                    f"the demonstration {row.kind} of seed {row.seed} is of other skills or "
                    f"chunks, or made by an earlier version: {error}; make it again"
                ) from error

    def decisions(self, data: Demonstrations) -> tuple[Floats, Bools]:
        """What the model writes by itself where something was shown, up to MOST times: `mean_logs`
        of each decision, float64[N,4], and whether it is what was shown.
        """
        shown = [i for i, row in enumerate(data.rows) if row.kind != QUESTION]
        some = np.linspace(0, len(shown) - 1, min(MOST, len(shown))).astype(int)
        logs, right = [], []
        for i in (shown[which] for which in some):
            grammar = self._grammar(data.rows[i].words[OF_INSTRUCTION])
            choices, inputs = grammar.choices(), inputs_at(data, [i], self.read)
            act = [self.vocabulary[ACT]]
            out = self.model.write(inputs, act, choices, draft=grammar.draft)
            logs.append(mean_logs(out, self.vocabulary))
            wanted = grammar.read(self.vocabulary.encode(data.rows[i].text))
            right.append(is_right(choices.written, wanted))
        return np.array(logs), np.array(right)

    def _grammar(self, text: str) -> Grammar:
        """That of an instruction; many decisions are about the same."""
        if text not in self._grammars:
            self._grammars[text] = self._new_grammar(text)
        return self._grammars[text]

    def _new_grammar(self, text: str) -> Grammar:
        instruction = parse_instruction(text, self.lexicon)
        index = {name: i for i, name in enumerate(self.space.names)}
        possible = possible_steps(self.skills, instruction)
        steps = {text: index[step.skill] for text, step in possible.items()}
        config, nouns = self.config, len(instruction.named)
        return Grammar(self.vocabulary, self.space, config.horizon, steps, nouns, config.plans)


def is_right(written: Written, shown: Written) -> bool:
    """Whether a decision comes to what was shown: the same step, and rows that are near, or the
    same reason to hold.
    """
    if (written.outcome, written.reason) != (shown.outcome, shown.reason):
        return False
    if written.rows is None or shown.rows is None:
        return True
    off = np.abs(written.rows.astype(int) - shown.rows.astype(int))
    same_step = written.plan[:1] == shown.plan[:1]
    return same_step and bool(np.mean(off <= NEAR_BINS) >= NEAR_SHARE)
