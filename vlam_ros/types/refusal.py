"""The way out of a decision that must not become a motion."""

from vlam_ros.errors import VlamError
from vlam_ros.types import Reason


class Refusal(VlamError):
    """The robot holds, for a typed reason; the message says what is wrong and what to do.

    After a `final` refusal the current step is not started over: it was carried out, and did not
    have its effect, or not one that can be seen.
    """

    def __init__(self, reason: Reason, message: str, final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.final = final
