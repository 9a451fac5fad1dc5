"""Action chunks in time and on paper: which row is due, stop chunks, and their text and JSON forms.

Times are integer nanoseconds of the clock that stamped the image. Row i of a chunk is current from
`stamp + start_offset + i * step` until the next row is due; after the last row the chunk is void.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from operator import getitem, index
from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.actions.tokenizer import STOP, ActionTokenizer
from vlam_ros.errors import ActionError
from vlam_ros.types import (
    ActionChunk,
    ActionCommand,
    ActionDimension,
    ActionSpace,
    GripperEffect,
    InstructionRequest,
    Outcome,
    PoseFrame,
    Reason,
    Uint16Array,
    Verdict,
)


def due_times(chunk: ActionChunk) -> npt.NDArray[np.int64]:
    """When each row becomes current: int64[H], ns."""
    return chunk.stamp + chunk.start_offset + chunk.step * np.arange(len(chunk.tokens))


def void_at(chunk: ActionChunk) -> int:
    """When the last row ends and nothing of the chunk holds any more, ns."""
    return chunk.stamp + chunk.start_offset + chunk.step * len(chunk.tokens)


def is_void(chunk: ActionChunk, now: int) -> bool:
    """Whether the chunk has expired."""
    return now >= void_at(chunk)


def current_row(chunk: ActionChunk, now: int) -> int | None:
    """The row to be executed at `now`; None before the first is due and when the chunk is void."""
    row = (now - chunk.stamp - chunk.start_offset) // chunk.step
    return row if 0 <= row < len(chunk.tokens) else None


def leads_back(poses: npt.NDArray[np.float64]) -> bool:
    """Whether poses x, y, z, θ, … float64[H,D] of the base lead straight behind it and leave it
    looking as it does, so that it backs up to the last one. Without θ it turns and drives forward.
    """
    x, y, _, theta = poses[-1, :4]
    return bool(x < 0 and abs(y) <= -x and abs(theta) < math.pi / 2)


def drop_late_rows(chunk: ActionChunk, now: int) -> ActionChunk | None:
    """The chunk without the rows that have ended by `now`; None if that is all of them."""
    late = max(0, (now - chunk.stamp - chunk.start_offset) // chunk.step)
    if late >= len(chunk.tokens):
        return None
    start_offset = chunk.start_offset + late * chunk.step
    return replace(chunk, tokens=chunk.tokens[late:], start_offset=start_offset)


def stop_chunk(
    *,
    stamp: int,
    frame_id: str,
    space: ActionSpace,
    step: int,
    request: InstructionRequest,
    verdict: Verdict,
    trace: str = "",
    start_offset: int = 0,
) -> ActionChunk:
    """The chunk of a HOLD or DONE verdict: one STOP row that uses no dimension, `step` ns long."""
    if verdict.outcome is Outcome.EXECUTE:
        raise ActionError(f"a stop chunk needs a HOLD or DONE verdict, got {verdict}")
    tokens = np.array([[STOP, *space.unused]], dtype=np.uint16)
    return ActionChunk(
        stamp=stamp,
        frame_id=frame_id,
        space=space,
        tokens=tokens,
        start_offset=start_offset,
        step=step,
        request=request,
        skill=space.names[STOP],
        trace=trace,
        verdict=verdict,
    )


def tokens_to_text(tokens: Uint16Array) -> str:
    """The text form of RT-2, one row a line: "1 128 91 127 64"."""
    return "\n".join(" ".join(str(token) for token in row) for row in tokens)


def tokens_from_text(text: str, space: ActionSpace) -> Uint16Array:
    """Tokens uint16[H,1+D] from their text form; ActionError if a row is invalid in the space."""
    rows, width = [line.split() for line in text.splitlines()], len(space.columns)
    if not rows or not all(len(row) == width and all(map(_is_token, row)) for row in rows):
        raise ActionError(
            f"lines of {width} token indices such as '1 128 91 127 64' expected, got {text[:60]!r}"
        )
    return _valid(np.array([[int(token) for token in row] for row in rows]), space)


def _is_token(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 5


def chunk_to_dict(chunk: ActionChunk) -> dict[str, Any]:
    """The chunk as what `json.dump` takes; enums by name, nothing is lost."""
    values = asdict(chunk)
    values["tokens"] = chunk.tokens.tolist()
    values["verdict"] |= {
        "outcome": chunk.verdict.outcome.name,
        "reason": chunk.verdict.reason.name,
    }
    return values


def chunk_from_dict(values: Mapping[str, Any]) -> ActionChunk:
    """The inverse of `chunk_to_dict`, also after JSON; ActionError if it is not such a mapping."""
    try:
        verdict = dict(values["verdict"])
        verdict["outcome"] = Outcome[verdict["outcome"]]
        verdict["reason"] = Reason[verdict["reason"]]
        fields: dict[str, Any] = {
            **values,
            **{name: index(values[name]) for name in ("stamp", "start_offset", "step")},
            "space": read_space(values["space"], getitem),
            "request": InstructionRequest(**values["request"]),
            "verdict": Verdict(**verdict),
        }
        fields["tokens"] = _valid(np.array(values["tokens"]), fields["space"])
        return ActionChunk(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ActionError(
            f"not an action chunk as chunk_to_dict writes it: {type(error).__name__}: {error}"
        ) from error


def read_space(values: Any, get: Callable[[Any, str], Any]) -> ActionSpace:
    """An action space from what `asdict` made of it, also after JSON, or from a message.

    Of one that was written before commands and dimensions were described, ranges and names are
    known: enough to decode its rows.

    Args:
        values: the mapping or the message.
        get: reads one of its fields by name: `operator.getitem` or `getattr`.
    """
    try:
        given = get(values, "dimensions")
    except (KeyError, AttributeError):
        return ActionSpace.of(*(get(values, name) for name in ("commands", "low", "high", "bins")))
    commands = [
        ActionCommand(
            get(c, "name"),
            PoseFrame(get(c, "pose_of")),
            bool(get(c, "timed")),
            GripperEffect(get(c, "gripper")),
        )
        for c in get(values, "commands")
    ]
    fields = ("name", "unit", "low", "high", "bins")
    dimensions = [ActionDimension(*(get(d, name) for name in fields)) for d in given]
    return ActionSpace(tuple(commands), tuple(dimensions))


def _valid(tokens: npt.NDArray[np.int64], space: ActionSpace) -> Uint16Array:
    ActionTokenizer(space).decode(tokens)
    return tokens.astype(np.uint16)
