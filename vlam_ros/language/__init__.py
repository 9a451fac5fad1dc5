"""Instruction text -> skill phrase, target, destination and relations."""

from vlam_ros.language.instruction import parse_instruction

__all__ = ["parse_instruction"]
