"""The gate that every chunk passes, whoever proposed it."""

from vlam_ros.verification.gate import Limits, check_age, held, is_within, unplaced, verify

__all__ = ["Limits", "check_age", "held", "is_within", "unplaced", "verify"]
