"""Instruction text -> skill phrase, target, destination and relations."""

from vlam_ros.language.instruction import PLAIN, parse_instruction
from vlam_ros.language.lexicon import Lexicon

__all__ = ["PLAIN", "Lexicon", "parse_instruction"]
