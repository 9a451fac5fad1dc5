"""Images and chunks as the files that subcommands write."""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from vlam_ros.actions import chunk_to_dict
from vlam_ros.resources import write_file
from vlam_ros.types import ActionChunk, Uint8Array


def write_image(path: Path, image: Uint8Array) -> None:
    """Write uint8[H,W,3] RGB as a PNG, whatever the name; errors as in `write_file`."""
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_file(path, data.tobytes())


def write_chunk(path: Path, chunk: ActionChunk) -> None:
    """Write a chunk as the JSON that `chunk_from_dict` reads; errors as in `write_file`."""
    text = json.dumps(chunk_to_dict(chunk), indent=2, ensure_ascii=False)
    write_file(path, f"{text}\n".encode())
