"""Action spaces from the statistics of a data set, as OpenVLA keeps them beside a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vlam_ros.errors import ActionError
from vlam_ros.types import DIMENSIONS, ActionSpace


def action_space_from_statistics(
    path: str | Path, commands: Sequence[str], dataset: str | None = None, bins: int = 255
) -> ActionSpace:
    """An action space whose ranges are the 1st and 99th percentile of each dimension.

    The file is `{dataset: {"action": {"q01": [x, y, z, theta], "q99": [...]}}}`, in metres and
    radians; other entries are not looked at. Source: OpenVLA (Kim et al. 2024).

    Args:
        path: the JSON file.
        commands: the skill of each command index, "stop" first.
        dataset: which data set's statistics; may be None if there is only one.
        bins: bin centres per dimension, odd.

    Raises:
        ActionError: the file cannot be read, lacks the data set, or has no usable percentiles.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ActionError(f"cannot read the action statistics {path}: {error}") from error
    if not isinstance(document, dict):
        raise ActionError(f"{path} must map data sets to statistics, got {type(document).__name__}")
    if dataset is None and len(document) == 1:
        (dataset,) = document
    if dataset not in document:
        raise ActionError(f"{path} has the data sets {sorted(document)}; name one, got {dataset!r}")
    try:
        action = document[dataset]["action"]
        low, high = (tuple(float(v) for v in action[name]) for name in ("q01", "q99"))
    except (KeyError, TypeError, ValueError) as error:
        raise ActionError(
            f"{path}: {dataset} needs action.q01 and action.q99 for {DIMENSIONS}: {error!r}"
        ) from error
    return ActionSpace.of(commands, low, high, bins)
