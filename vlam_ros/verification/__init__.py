"""The gate that every chunk passes, whoever proposed it."""

from vlam_ros.verification.checks import check_age, check_familiar, is_within, unplaced
from vlam_ros.verification.gate import Limits, held, verify

__all__ = ["Limits", "check_age", "check_familiar", "held", "is_within", "unplaced", "verify"]
