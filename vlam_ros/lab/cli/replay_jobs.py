"""The bags and options of `vlam replay` as jobs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.replay.job import ReplayJob
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.replay.reports import file_of
from vlam_ros.lab.replay.roles import parse_mapping
from vlam_ros.lab.replay.thresholds import Thresholds
from vlam_ros.lab.replay.timed import parse_script


def jobs_of(bags: Sequence[Path], options: argparse.Namespace) -> list[ReplayJob]:
    """What is to be done with each bag.

    Raises:
        ReplayError: an instruction, a mapping or a threshold is none.
        ConfigurationError: a parameter is wrong.
    """
    how = ReplayOptions(
        dict(map(parse_mapping, options.map)),
        parse_script(options.instruction),
        redecide=options.redecide,
    )
    if options.period is not None:
        how = replace(how, period=options.period)
    model = {"model__name_or_path": options.model} if options.model else {}
    settings = Settings.over_defaults(options.params, **model)
    fusion = FusionNodeSettings.over_defaults(options.params)
    thresholds = None
    if options.thresholds or options.baseline:
        thresholds = Thresholds.load(options.thresholds)
    many = len(bags) > 1
    return [
        ReplayJob(
            bag,
            name,
            how,
            settings,
            fusion,
            baseline=file_of(options.baseline, name, many) if options.baseline else None,
            thresholds=thresholds,
        )
        for bag, name in zip(bags, names_of(bags), strict=True)
    ]


def names_of(bags: Sequence[Path]) -> list[str]:
    """What the bags' reports are called: as the bags, and where some are called the same, with the
    names of the folders above them.
    """
    parts = [bag.resolve().with_suffix("").parts[1:] for bag in bags]
    names = [own[-1] for own in parts]
    for depth in range(2, max(map(len, parts)) + 1):
        same = [i for i, name in enumerate(names) if names.count(name) > 1]
        for i in same:
            names[i] = "-".join(parts[i][-depth:])
    return [name if names.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(names)]
