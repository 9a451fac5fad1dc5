"""Images that reports show of a decision beside its overlay: from above, and its depth."""

from vlam_ros.lab.visualization.depth import draw_depth
from vlam_ros.lab.visualization.top_view import draw_top_view

__all__ = ["draw_depth", "draw_top_view"]
