"""A robot of somebody else: it carries chunks out, and of this package it knows the messages."""

import math
from dataclasses import dataclass, field

from vlam_ros.msg import ActionChunk, ActionCommand, ActionToken


@dataclass
class Stranger:
    """`x`, `y`, `yaw` of the base in the world; where the tool was, and what the gripper did."""

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    tool: list[tuple[float, float, float]] = field(default_factory=list)
    gripped: list[str] = field(default_factory=list)

    def carry_out(self, chunk: ActionChunk) -> None:
        """All rows of a chunk whose poses are relative to where the base stands."""
        if chunk.outcome != ActionChunk.EXECUTE:
            return
        start = self.x, self.y, self.yaw
        for token in chunk.tokens:
            command = chunk.space.commands[token.cmd]
            pose = self.decode(chunk, token)
            if token.cmd == 0:
                return
            if not pose:
                if command.gripper != ActionCommand.KEEP:
                    self.gripped.append("close" if command.gripper == 1 else "open")
            elif command.pose_of == ActionCommand.BASE:
                self.drive(start, pose)
            else:
                self.tool.append((*self.place(start, pose), pose["z"]))

    @staticmethod
    def decode(chunk: ActionChunk, token: ActionToken) -> dict[str, float]:
        """The dimensions that a row uses, by name."""
        return {
            d.name: d.low + index * (d.high - d.low) / (d.bins - 1)
            for d, index in zip(chunk.space.dimensions, token.bins, strict=True)
            if index != d.bins
        }

    @staticmethod
    def place(start: tuple[float, float, float], pose: dict[str, float]) -> tuple[float, float]:
        """A place that is relative to a start, in the world."""
        x, y, yaw = start
        ahead, aside = pose["x"], pose["y"]
        return (
            x + ahead * math.cos(yaw) - aside * math.sin(yaw),
            y + ahead * math.sin(yaw) + aside * math.cos(yaw),
        )

    def drive(self, start: tuple[float, float, float], pose: dict[str, float]) -> None:
        if "x" in pose:
            self.x, self.y = self.place(start, pose)
        if "theta" in pose:
            self.yaw = start[2] + pose["theta"]
