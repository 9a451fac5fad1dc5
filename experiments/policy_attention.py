"""Where an action transformer looks when it writes the first x: pictures of some decisions.

python experiments/policy_attention.py --policy transformer --out docs/attention.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from vlam_ros.cli.main import run_command
from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.evaluation.episodes import Episode, episode_of_seed
from vlam_ros.lab.evaluation.lockstep import run_episode
from vlam_ros.lab.evaluation.task_runs import policy_settings
from vlam_ros.pipeline import Pipeline
from vlam_ros.resources import write_file
from vlam_ros.runtime import DecisionResult
from vlam_ros.types import Outcome, Uint8Array
from vlam_ros.visualization import draw_attention

WIDTH = 480
"""Pixels of a picture."""
COLUMNS = 3


def picture(pipeline: Pipeline, episode: Episode) -> Uint8Array | None:
    """Where the policy looked at the first decision of an episode that it carries out."""
    drawn: list[Uint8Array] = []

    def look(_: float, made: DecisionResult) -> None:
        looked = pipeline.attention()
        if drawn or looked is None or made.verdict.outcome is not Outcome.EXECUTE:
            return
        text = episode.script[0][1]
        drawn.append(draw_attention(made.observation.image, looked, made.decision, text))

    run_episode(episode, pipeline, FusionNodeSettings.load(), ControllerSettings.load(), look)
    return drawn[0] if drawn else None


def mosaic(pictures: Sequence[Uint8Array]) -> Uint8Array:
    """Pictures side by side, in rows of COLUMNS."""
    small = [
        cv2.resize(
            each,
            (WIDTH, round(WIDTH * each.shape[0] / each.shape[1])),
            interpolation=cv2.INTER_AREA,
        )
        for each in pictures
    ]
    height = max(each.shape[0] for each in small)
    rows = -(-len(small) // COLUMNS)
    canvas = np.full((rows * height, COLUMNS * WIDTH, 3), 255, np.uint8)
    for index, each in enumerate(small):
        row, column = divmod(index, COLUMNS)
        canvas[row * height :, column * WIDTH :][: each.shape[0], :WIDTH] = each
    return canvas


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description="Draw where a policy looks in some episodes.")
    parser.add_argument("--policy", required=True, metavar="NAME", help="its folder")
    parser.add_argument("--model", default="embedded", metavar="NAME", help="(%(default)s)")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[46_000_000 + i for i in range(5)], metavar="S",
        help="of the episodes",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("attention.png"), metavar="FILE")
    parser.set_defaults(run=_draw)
    return run_command(parser, arguments)


def _draw(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    settings = Settings.load(model__name_or_path=options.model, **policy_settings(options.policy))
    pipeline = Pipeline.from_settings(settings)
    drawn = [picture(pipeline, episode_of_seed(seed)) for seed in options.seeds]
    pictures = [each for each in drawn if each is not None]
    if not pictures:
        raise ConfigurationError(
            "the policy carries out none of these episodes: name other --seeds"
        )
    canvas = mosaic(pictures)
    done, png = cv2.imencode(".png", canvas[..., ::-1])
    assert done
    write_file(options.out, png.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
