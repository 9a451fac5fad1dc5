"""The files that subcommands write: whole, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2

from vlam_ros.actions import chunk_to_dict
from vlam_ros.errors import ConfigurationError
from vlam_ros.types import ActionChunk, Uint8Array


def write_picture(path: Path, picture: Uint8Array) -> None:
    """Write uint8[H,W,3] RGB as a PNG, whatever the name; errors as in `write_file`."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_file(path, data.tobytes())


def write_chunk(path: Path, chunk: ActionChunk) -> None:
    """Write a chunk as the JSON that `chunk_from_dict` reads; errors as in `write_file`."""
    text = json.dumps(chunk_to_dict(chunk), indent=2, ensure_ascii=False)
    write_file(path, f"{text}\n".encode())


def write_file(path: Path, data: bytes) -> None:
    """Write a file and the folders above it; a reader never sees half of it.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
