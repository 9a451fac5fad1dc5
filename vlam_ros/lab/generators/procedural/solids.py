"""Closed surfaces that meshes are made of: lofts, lathed profiles, bent bars, boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.types import FloatArray

CREASE = math.cos(math.radians(38))
"""Cosine of the angle between faces from which on their edge is sharp."""
BEND = math.radians(100)
"""The most that a bar or tube bends: none is half a ring."""
Vector = tuple[float, float, float]
UP, AHEAD, LEFT = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Solid:
    """Vertices float64[N,3] and faces int32[M,3], counter-clockwise from outside."""

    vertices: FloatArray
    faces: npt.NDArray[np.int32]

    def scaled(self, *factors: float) -> Solid:
        """By one positive factor, or one for each axis."""
        return Solid(self.vertices * factors, self.faces)

    def moved(self, x: float, y: float, z: float) -> Solid:
        return Solid(np.add(self.vertices, (x, y, z)), self.faces)

    def turned(self, angle: float, axis: Sequence[float] = UP) -> Solid:
        """By an angle in rad about a unit vector through the origin."""
        return Solid(self.vertices @ rotation(angle, axis).T, self.faces)

    def corner_normals(self) -> FloatArray:
        """Unit normals float64[3M,3] at the corners of the faces, in their order: round where the
        surface is smooth, and those of the faces at sharp edges.
        """
        corners = self.vertices[self.faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas: npt.NDArray[np.float64] = np.repeat(across, 3, axis=0)
        normals = _units(areas)
        order = np.argsort(self.faces, axis=None, kind="stable")
        vertices, areas, normals = self.faces.ravel()[order], areas[order], normals[order]
        sums = areas + 1e-12 * normals  # corners of one vertex now follow each other
        for apart in range(1, int(np.bincount(vertices).max())):
            one = np.flatnonzero(vertices[:-apart] == vertices[apart:])
            other = one + apart
            smooth = np.einsum("ij,ij->i", normals[one], normals[other]) > CREASE
            one, other = one[smooth], other[smooth]
            sums[one] += areas[other]
            sums[other] += areas[one]
        found = np.empty_like(sums)
        found[order] = _units(sums)
        return found


def _units(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Unit vectors, and UP for those without a length."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 0, vectors / np.maximum(lengths, 1e-30), UP)


def rotation(angle: float, axis: Sequence[float]) -> FloatArray:
    """Rotation matrix of an angle in rad about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: FloatArray = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turned


def joined(*solids: Solid) -> Solid:
    """One solid of several, which may overlap."""
    firsts = np.cumsum([0, *(len(s.vertices) for s in solids)])
    faces = [s.faces + first for s, first in zip(solids, firsts, strict=False)]
    return Solid(
        np.concatenate([s.vertices for s in solids]), np.concatenate(faces).astype(np.int32)
    )


def lofted(sections: FloatArray, closed: bool = False) -> Solid:
    """The surface through outlines float64[K,N,3], counter-clockwise seen from the last one.

    Its ends are filled, or, `closed`, the last outline is joined to the first.
    """
    count, sides = sections.shape[:2]
    here, around = np.arange(sides), np.roll(np.arange(sides), -1)
    faces = []
    for k in range(count if closed else count - 1):
        a, b = k * sides, (k + 1) % count * sides
        faces += [
            np.stack([a + here, a + around, b + around], axis=1),
            np.stack([a + here, b + around, b + here], axis=1),
        ]
    vertices = sections.reshape(-1, 3)
    if not closed:
        last, (low, high) = (count - 1) * sides, (count * sides, count * sides + 1)
        faces += [
            np.stack([np.full(sides, low), around, here], axis=1),
            np.stack([np.full(sides, high), last + here, last + around], axis=1),
        ]
        vertices = np.concatenate([vertices, sections[[0, -1]].mean(axis=1)])
    return Solid(vertices, np.concatenate(faces).astype(np.int32))


def circle(sides: int) -> FloatArray:
    """Points float64[N,2] of a unit circle, counter-clockwise."""
    turns = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def stacked(
    outline: FloatArray, levels: Sequence[tuple[float, float]], twist: float = 0.0
) -> Solid:
    """An outline float64[N,2] scaled and lifted to each (scale, z), turned by `twist` rad over all.

    It is wholly seen from its mean; the last level is the top.
    """
    sections = np.zeros((len(levels), len(outline), 3))
    for k, (scale, z) in enumerate(levels):
        sections[k, :, :2] = scale * outline
        sections[k, :, 2] = z
        sections[k] = sections[k] @ rotation(twist * k / (len(levels) - 1), UP).T
    return lofted(sections)


def lathed(profile: Sequence[tuple[float, float]], sides: int = 24) -> Solid:
    """What a profile of (radius, z) sweeps around z: up its outside and, if hollow, down inside."""
    return stacked(circle(sides), profile)


def box(x: float, y: float, z: float) -> Solid:
    """With these edges, centred at the origin."""
    corners = np.array([(1, -1), (1, 1), (-1, 1), (-1, -1)]) / 2
    return stacked(corners, [(1.0, -0.5), (1.0, 0.5)]).scaled(x, y, z)


def bar(path: FloatArray, radii: Sequence[float], sides: int = 10, wall: float = 0.0) -> Solid:
    """A round bar along points float64[K,3] with these K radii; hollow if its wall has a thickness,
    relative to its radius.
    """
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along[0], UP if abs(along[0, 2]) < 0.9 else AHEAD)
    sections = []
    for point, ahead, radius in zip(path, along, radii, strict=True):
        side = side - (side @ ahead) * ahead  # carried along without turning
        side /= np.linalg.norm(side)
        across = np.outer(circle(sides)[:, 0], side)
        across += np.outer(circle(sides)[:, 1], np.cross(ahead, side))
        sections.append((point, radius * across))
    outside = [point + across for point, across in sections]
    if not wall:
        return lofted(np.array(outside))
    inside = [point + (1 - wall) * across for point, across in reversed(sections)]
    return lofted(np.array([*outside, *inside]), closed=True)


def straight(start: Sequence[float], end: Sequence[float], radius: float) -> Solid:
    """A straight round bar."""
    return bar(np.array([start, end], float), (radius, radius))


def smoothed(at: FloatArray, knots: tuple[float, ...], values: tuple[float, ...]) -> FloatArray:
    """Between values at knots, level at each of them."""
    index = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    low, high = np.asarray(knots)[index], np.asarray(knots)[index + 1]
    share = (1 - np.cos(np.pi * (at - low) / (high - low))) / 2
    before, after = np.asarray(values)[index], np.asarray(values)[index + 1]
    smooth: FloatArray = before + share * (after - before)
    return smooth


def bent(rng: Generator, length: float, bend: float) -> FloatArray:
    """A path float64[14,3] that goes straight and then bends in a plane by an angle in rad."""
    start = rng.uniform(0.0, 0.5)
    at = np.linspace(0, 1, 14)
    turns = bend * np.clip((at - start) / (1 - start), 0, 1)
    steps = np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1) * length / 14
    path: FloatArray = np.cumsum(steps, axis=0)
    return path
