"""Images of what the system sees and decides, for people: overlay, depth and top view."""

from vlam_ros.visualization.depth import draw_depth
from vlam_ros.visualization.overlay import draw_overlay
from vlam_ros.visualization.top_view import draw_top_view

__all__ = ["draw_depth", "draw_overlay", "draw_top_view"]
