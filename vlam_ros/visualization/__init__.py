"""Images of what the system sees and decides, for people."""

from vlam_ros.visualization.overlay import draw_attention, draw_overlay

__all__ = ["draw_attention", "draw_overlay"]
