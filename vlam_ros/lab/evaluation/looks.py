"""Looks of a model at images, each kept in a file, so that a calibration that was stopped goes on
where it was.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.lab.evaluation.grounding import Candidate, QueryResult, RememberingGrounder, ask
from vlam_ros.lab.evaluation.queries import QueryKind, Question
from vlam_ros.perception import Perceiver
from vlam_ros.perception.clipseg import Calibration, ClipsegGrounder
from vlam_ros.perception.perceiver import Float32Array, SecondLook
from vlam_ros.resources import write_file

Questions = Callable[[int], Iterator[Question]]
"""Those from a number on."""


@dataclass(frozen=True)
class Look:
    """What a model answers about one image, and what a Density knows that image and the close
    crops of its candidates by: float32[1,S], or [0,0] if nothing was asked, and float32[N,S].
    """

    answers: tuple[QueryResult, ...]
    image: Float32Array
    crops: Float32Array

    def save(self, path: Path) -> None:
        """Write it; ConfigurationError if the file cannot be written."""
        every = [candidate for answer in self.answers for candidate in answer.candidates]
        file = io.BytesIO()
        np.savez_compressed(
            file,
            phrases=np.array([a.phrase for a in self.answers], np.str_),
            kinds=np.array([a.kind.name for a in self.answers], np.str_),
            truths=np.array([a.truth for a in self.answers], bool),
            counts=np.array([len(a.candidates) for a in self.answers], np.int64),
            margins=np.array([c.margin for c in every], np.float64),
            scores=np.array([c.score for c in every], np.float64),
            masks=np.array([c.mask for c in every], bool),
            image=self.image,
            crops=self.crops,
        )
        write_file(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> Look | None:
        """Read what `save` wrote; None if there is no such file, or it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            every = [
                Candidate(float(margin), float(score), mask)
                for margin, score, mask in zip(
                    arrays["margins"], arrays["scores"], arrays["masks"], strict=True
                )
            ]
            ends = np.cumsum(arrays["counts"])
            answers = tuple(
                QueryResult(str(phrase), QueryKind[kind], truth, tuple(every[end - count : end]))
                for phrase, kind, truth, count, end in zip(
                    *(arrays[name] for name in ("phrases", "kinds", "truths", "counts")),
                    ends,
                    strict=True,
                )
            )
            return cls(answers, arrays["image"], arrays["crops"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None


class Looker:
    """Asks a model about images, and counts on a bar.

    With a `folder` each look is kept there, and what is kept there is not asked again; it is for
    one model, its settings and its images.
    """

    def __init__(
        self,
        grounder: ClipsegGrounder,
        settings: PerceptionSettings,
        folder: Path | None,
        bar: tqdm[None],
    ) -> None:
        self._grounder = grounder
        self._measured = _Measured(grounder)
        self._eyes = RememberingGrounder(self._measured)
        self._settings = settings
        self._folder = folder
        self._bar = bar
        self._looks: dict[str, Look] = {}

    def ask(
        self,
        count: int,
        calibrations: Sequence[Calibration],
        questions: Questions,
    ) -> list[list[Look]]:
        """The looks by each calibration at up to `count` questions."""

        def answer(question: Question) -> list[QueryResult]:
            return list(ask(self._eyes, self._settings, question))

        return self._through("question", count, calibrations, questions, answer)

    def look_around(self, count: int, calibration: Calibration, questions: Questions) -> list[Look]:
        """Looks at images for what they and their crops are known by; all phrases are asked at
        once, and what is answered is not judged.
        """

        def see(question: Question) -> list[QueryResult]:
            phrases = [query.phrase for query in question.queries]
            perceiver = Perceiver(self._eyes, self._settings)
            perceiver.perceive(question.observation, phrases, phrases)
            return []

        return self._through("room", count, [calibration], questions, see)[0]

    def see(
        self, first: int, count: int, calibration: Calibration, questions: Questions
    ) -> list[Look]:
        """Looks at `count` images from the first on for what they alone are known by: nothing is
        asked.
        """

        def see(question: Question) -> list[QueryResult]:
            image = question.observation.image
            self._eyes.encode_pixels(self._eyes.preprocess(image), image)
            return []

        return self._through(
            f"from-{first}", count, [calibration], lambda i: questions(first + i), see
        )[0]

    def _through(
        self,
        name: str,
        count: int,
        calibrations: Sequence[Calibration],
        questions: Questions,
        see: Callable[[Question], list[QueryResult]],
    ) -> list[list[Look]]:
        kept: list[list[Look]] = []
        while len(kept) < count:
            row = [self._kept(_name(name, len(kept), c)) for c in calibrations]
            if None in row:
                break
            kept.append([look for look in row if look])
        for index, question in enumerate(questions(len(kept)), len(kept)):
            every = [(_name(name, index, c), c) for c in calibrations]
            kept.append([self._kept(key) or self._new(key, c, question, see) for key, c in every])
        return [list(looks) for looks in zip(*kept, strict=True)] or [[] for _ in calibrations]

    def _new(
        self,
        key: str,
        calibration: Calibration,
        question: Question,
        see: Callable[[Question], list[QueryResult]],
    ) -> Look:
        self._grounder.calibration = calibration
        self._measured.crops = []
        answers = tuple(see(question))
        seen = self._eyes.image is question.observation.image
        features = self._eyes.features if seen else None
        none = np.zeros((0, 0), np.float32)
        crops = [some for some in self._measured.crops if len(some)]
        look = Look(
            answers,
            none if features is None else self._grounder.statistics(features),
            np.concatenate(crops) if crops else none,
        )
        if self._folder:
            look.save(self._folder / key)
        self._looks[key] = look
        self._bar.update()
        return look

    def _kept(self, key: str) -> Look | None:
        """What was answered before, in this run or in one that was stopped."""
        if key in self._looks:
            return self._looks[key]
        look = Look.load(self._folder / key) if self._folder else None
        if look:
            self._looks[key] = look
            if not self._bar.disable:
                self._bar.initial += 1  # the rest is estimated by the speed of this run
            self._bar.update()
        return look


def _name(name: str, index: int, calibration: Calibration) -> str:
    return f"{name}-{index:06d}-{calibration.mask_threshold:g}-{calibration.tolerance:g}.npz"


class _Measured:
    """A grounder that keeps what the close crops of all candidates are known by."""

    def __init__(self, grounder: ClipsegGrounder) -> None:
        self._grounder = grounder
        self.crops: list[Float32Array] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grounder, name)

    def second_look(self, crops: Any, texts: Any, prompts: Any) -> SecondLook:
        seen = self._grounder.second_look(crops, texts, prompts)
        self.crops.append(seen.statistics[: len(crops) // 2])  # the other half is looser
        return seen
