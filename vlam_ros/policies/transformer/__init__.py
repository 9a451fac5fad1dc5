"""The learned policy: an action transformer on the hidden states of a CLIPSeg."""

from vlam_ros.policies.transformer.policy import TransformerPolicy

__all__ = ["TransformerPolicy"]
