"""Procedural meshes and the rooms' shapes before wide-ranging backgrounds."""

from vlam_ros.lab.generators.procedural.images import Procedural

__all__ = ["Procedural"]
