"""An image of depth: warm colours are near, cold ones far, over the dimmed grey image.

Sparse depth, as from a LiDAR, is drawn as discs that an eye can find; dense depth as a tint.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.types import BoolArray, Uint8Array
from vlam_ros.visualization.canvas import (
    BOLD,
    PANEL,
    PAPER,
    QUIET,
    REGULAR,
    Enlarged,
    Paragraph,
    band,
    enlarged,
    pixels,
    text_width,
    write,
)

Depth = npt.NDArray[np.float32]

DIM = 0.45
"""Brightness of the image under the depth."""
DENSE = 0.25
"""Share of pixels with a depth from which they are drawn as a surface, not one by one."""
TINT = 0.80
"""Opacity of dense depth, so that the image shows through."""
DISC = 2.4
"""Radius of a disc in pixels at MIN_WIDTH."""

_USUAL = (1, 99)
"""Percentiles of the depth that the colours span; single returns beyond do not stretch them."""
_LEAST_SPAN = 0.2
"""Metres that the colours span at least, so that noise on a wall does not look like a relief."""

# TURBO without its ends, which are too dark to be told from the dimmed image.
_FAR_END, _NEAR_END = 20, 225
_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def draw_depth(image: Uint8Array, depth: Depth) -> Uint8Array:
    """Draw depth over its image, with a legend in metres.

    Args:
        image: uint8[H,W,3] RGB.
        depth: float32[H,W] along the optical axis in metres, NaN where nothing is known.

    Returns:
        uint8[H',W',3] RGB, at least 640 wide, higher than the image by the legend.

    Raises:
        ImageError: the depth is not of the image's size.
    """
    if depth.shape != image.shape[:2]:
        raise ImageError(
            f"depth must be registered to the {image.shape[1]}x{image.shape[0]} image, got "
            f"float{list(depth.shape)}"
        )
    view = enlarged(image)
    grey = DIM * cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY)
    view.image[:] = grey.astype(np.uint8)[..., None]
    known = np.isfinite(depth) & (depth > 0)
    count = np.count_nonzero(known)
    if not count:
        text = Paragraph("no depth: no distance is known in this image", 0.62, BOLD)
        legend = band([text], PAPER, PANEL, view.canvas.shape[1], view.unit)
        return np.vstack([view.canvas, legend])
    colours = _scale(depth[known])
    if count < DENSE * depth.size:
        _draw_discs(view, depth, known, colours)
    else:
        _draw_surface(view, depth, known, colours)
    return np.vstack([view.canvas, _legend(view, colours, count / depth.size)])


class ColourScale(NamedTuple):
    """The depths of the warmest and of the coldest colour, in metres."""

    near: float
    far: float

    def of(self, depth: npt.ArrayLike) -> Uint8Array:
        """The colours uint8[N,3] of depths [N]."""
        metres = np.asarray(depth, np.float64).reshape(-1)
        farness = np.clip((metres - self.near) / (self.far - self.near), 0, 1)
        index = np.rint(_NEAR_END + farness * (_FAR_END - _NEAR_END)).astype(np.uint8)
        colours = cv2.applyColorMap(index[:, None], cv2.COLORMAP_TURBO)
        return np.asarray(colours[:, 0, ::-1], np.uint8)


def _scale(values: Depth) -> ColourScale:
    """Tenths of a metre around the usual depths; what is beyond has the colour of the end."""
    low, high = (float(v) for v in np.percentile(values, _USUAL))
    near = math.floor(low * 10) / 10
    return ColourScale(near, max(math.ceil(high * 10) / 10, near + _LEAST_SPAN))


def _draw_discs(view: Enlarged, depth: Depth, known: BoolArray, colours: ColourScale) -> None:
    rows, columns = np.nonzero(known)
    # The nearest is drawn last, and stays whole.
    order = np.argsort(-depth[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    middles = (np.column_stack([columns, rows]) + 0.5) * view.scale - 0.5
    angles = np.arange(12) * math.pi / 6  # OpenCV's own small circles are squares on edge
    disc = DISC * view.unit * np.column_stack([np.cos(angles), np.sin(angles)])
    corners = np.rint((middles[:, None] + disc) * 16).astype(np.int32)  # in 1/16 of a pixel
    for outline, colour in zip(corners, colours.of(depth[rows, columns]).tolist(), strict=True):
        cv2.fillConvexPoly(view.image, outline, colour, cv2.LINE_AA, shift=4)


def _draw_surface(view: Enlarged, depth: Depth, known: BoolArray, colours: ColourScale) -> None:
    size = (view.image.shape[1], view.image.shape[0])
    large = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    inside = cv2.resize(known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    tint = TINT * colours.of(large[inside])
    view.image[inside] = (tint + (1 - TINT) * view.image[inside]).astype(np.uint8)


def _legend(view: Enlarged, colours: ColourScale, share: float) -> Uint8Array:
    """A bar of the colours from near to far, with ticks in metres, and what they mean."""
    unit, columns = view.unit, view.canvas.shape[1]
    near, far = colours
    percent = f"{100 * share:.0f} %" if share > 0.1 else f"{100 * share:.1f} %"
    text = f"depth along the optical axis in metres, known of {percent} of the pixels"
    caption = band([Paragraph(text, 0.5)], QUIET, PANEL, columns, unit)
    margin, top, bottom = round(26 * unit), round(12 * unit), round(28 * unit)
    bar = np.full((round(48 * unit), columns, 3), PANEL, dtype=np.uint8)
    width = columns - 2 * margin
    bar[top:bottom, margin : margin + width] = colours.of(np.linspace(near, far, width))
    step = next((s for s in _TICKS if (far - near) / s <= 10), (far - near) / 5)
    for k in range(math.ceil(near / step - 1e-6), math.floor(far / step + 1e-6) + 1):
        x = margin + round((k * step - near) / (far - near) * (width - 1))
        cv2.line(bar, (x, bottom), (x, bottom + round(4 * unit)), QUIET, pixels(unit))
        label = f"{k * step:.{2 if step < 0.1 else 1 if step < 1 else 0}f}"
        left = x - text_width(label, REGULAR, 0.42 * unit) // 2
        write(bar, label, (left, bottom + round(17 * unit)), REGULAR, 0.42 * unit, QUIET)
    return np.vstack([bar, caption])
