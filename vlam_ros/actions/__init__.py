"""Actions as the robot's controllers read them: space, tokens, chunks and their ensembling."""

from vlam_ros.actions.chunk import (
    chunk_from_dict,
    chunk_to_dict,
    current_row,
    drop_late_rows,
    due_times,
    is_void,
    leads_back,
    read_space,
    stop_chunk,
    tokens_from_text,
    tokens_to_text,
    void_at,
)
from vlam_ros.actions.ensemble import ensemble
from vlam_ros.actions.tokenizer import STOP, ActionTokenizer
from vlam_ros.types import ActionChunk, ActionSpace

__all__ = [
    "STOP",
    "ActionChunk",
    "ActionSpace",
    "ActionTokenizer",
    "chunk_from_dict",
    "chunk_to_dict",
    "current_row",
    "drop_late_rows",
    "due_times",
    "ensemble",
    "is_void",
    "leads_back",
    "read_space",
    "stop_chunk",
    "tokens_from_text",
    "tokens_to_text",
    "void_at",
]
