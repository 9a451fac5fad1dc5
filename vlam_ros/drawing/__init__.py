"""Pictures of what the system sees and decides, for people: overlay, depth and top view."""

from vlam_ros.drawing.depth import draw_depth
from vlam_ros.drawing.overlay import draw_overlay
from vlam_ros.drawing.top_view import draw_top_view

__all__ = ["draw_depth", "draw_overlay", "draw_top_view"]
