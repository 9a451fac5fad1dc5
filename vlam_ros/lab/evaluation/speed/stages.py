"""Where the time of our ways goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from vlam_ros.configuration import Settings
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.perception import Perceiver
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.types import Missing, Observation, Uint8Array


def rows(
    title: str, grounder: ClipsegGrounder, images: Sequence[Uint8Array], prompts: Sequence[str]
) -> Iterator[Metric]:
    """Medians (s) of each stage from image to objects and of the whole, of texts never seen, and
    where the checkpoint is calibrated of the second look at two of the prompts.
    """
    settings = Settings.load().perception
    alone = replace(settings, colours=(), nouns=(), distractors=(), crops=0)
    title = f"{title}, {len(prompts)} prompts"
    stages = _stages(Perceiver(grounder, alone), images, prompts)
    for name, seconds in stages.items():
        yield Metric(f"{title}: {name} (s)", median(seconds), len(seconds))
    whole = [sum(parts) for parts in zip(*stages.values(), strict=True)]
    yield Metric(f"{title}: whole step (s)", median(whole), len(whole))
    unseen = [f"{prompt} again" for prompt in prompts]
    begin = time.perf_counter()
    grounder.text_similarity(unseen[0], unseen)
    yield Metric(f"{title}: texts never seen (s)", time.perf_counter() - begin, 1)
    if grounder.calibration is not None:
        second = _stages(Perceiver(grounder, settings), images, prompts[:2])["second look"]
        yield Metric(f"{title}: second look at two of them (s)", median(second), len(second))


def _stages(
    perceiver: Perceiver, images: Sequence[Uint8Array], prompts: Sequence[str]
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {}
    for image in (images[0], *images):
        observation = Observation(0, 0, image, Missing("there is no camera in a race"))
        scene, _ = perceiver.perceive(observation, prompts, prompts)
        for name, value in scene.seconds:
            seconds.setdefault(name, []).append(value)
    return {name: values[1:] for name, values in seconds.items()}  # the first one warms up
