"""What `vlam ask` and `vlam demo` show of a decision, and the files that they write."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlam_ros.actions import ActionTokenizer, chunk_to_dict, due_times, tokens_to_text
from vlam_ros.resources import write_file
from vlam_ros.types import ActionChunk, Outcome, Plan, PositionSource, SceneObject, Uint8Array

STYLES = {Outcome.EXECUTE: "bold green", Outcome.HOLD: "bold yellow", Outcome.DONE: "bold blue"}
"""Of verdicts."""


def show_decision(console: Console, chunk: ActionChunk, plan: Plan) -> None:
    """Print the plan and where its objects are, the verdict, and the decoded actions."""
    verdict, style = chunk.verdict, STYLES[chunk.verdict.outcome]
    console.print(Text.assemble(("plan     ", "dim"), chunk.trace or "none"))
    for step in plan.steps[plan.current :]:
        for thing in (step.target, step.destination):
            if thing is not None and thing.position is not None:
                console.print(Text.assemble(("place    ", "dim"), _place(thing)))
    line = Text.assemble(("verdict  ", "dim"), (verdict.outcome.name, style))
    if verdict.outcome is Outcome.HOLD:
        line.append(f" {verdict.reason.name}", style)
    else:
        line.append(f" with confidence {verdict.confidence:.2f}")
    console.print(line)
    if verdict.message:
        console.print(Text.assemble(("message  ", "dim"), verdict.message))
    console.print(_action_table(chunk))


def _place(thing: SceneObject) -> str:
    x, y, z = thing.position or (math.nan,) * 3
    how = "measured depth" if thing.source is PositionSource.DEPTH else "the floor"
    return f"{thing.phrase} at ({x:.2f}, {y:.2f}, {z:.2f}) m ± {thing.spread:.2f}, from {how}"


def _action_table(chunk: ActionChunk) -> Table:
    """The rows of a chunk, each due so many seconds after the image was taken."""
    table = Table()
    for header in ("row", "due s", "skill", "x m", "y m", "z m", "θ rad", "tokens"):
        table.add_column(header, justify="left" if header in ("skill", "tokens") else "right")
    actions = ActionTokenizer(chunk.space).decode(chunk.tokens)
    texts = tokens_to_text(chunk.tokens).splitlines()
    for row, (due, action, text) in enumerate(zip(due_times(chunk), actions, texts, strict=True)):
        skill = chunk.space.names[int(action[0])]
        pose = ["–" if math.isnan(value) else f"{value:.2f}" for value in action[1:]]
        table.add_row(str(row), f"{(due - chunk.stamp) / 1e9:.2f}", skill, *pose, text)
    return table


def write_image(path: Path, image: Uint8Array) -> None:
    """Write uint8[H,W,3] RGB as a PNG, whatever the name; errors as in `write_file`."""
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_file(path, data.tobytes())


def write_chunk(path: Path, chunk: ActionChunk) -> None:
    """Write a chunk as the JSON that `chunk_from_dict` reads; errors as in `write_file`."""
    text = json.dumps(chunk_to_dict(chunk), indent=2, ensure_ascii=False)
    write_file(path, f"{text}\n".encode())
