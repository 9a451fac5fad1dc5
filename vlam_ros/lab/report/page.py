"""Pages for people, made of the Jinja2 templates beside this file: base.html is what all have.

A page needs no network and nothing beside it. Its Content-Security-Policy lets it run no script and
take no style but its own, and whatever a text says, it is shown as text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vlam_ros.visualization.overlay import DESTINATION, OTHER, TARGET, VERDICT_COLOURS

_FOLDER = Path(__file__).parent / "templates"
_COLOURS = {outcome.name.lower(): colour for outcome, colour in VERDICT_COLOURS.items()}
_COLOURS |= {"target": TARGET, "destination": DESTINATION, "other": OTHER}
_BINDING = re.compile(r"^import [^;]*;\n|^export ", re.MULTILINE)


def render(template: str, **values: Any) -> str:
    """The page that a template makes of values, of which each page needs a `title`.

    Raises:
        ValueError: a number for the page's script is not finite.
    """
    page = _TEMPLATES.get_template(template).render(values)
    # Names of files and texts of bags may hold what no file can: it becomes a question mark.
    return page.encode("utf-8", "replace").decode("utf-8")


def _source(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _modules(*names: str) -> str:
    """Modules as one script, in this order: a page has no other files to import from."""
    return '"use strict";\n' + "".join(_BINDING.sub("", _source(name)) for name in names)


def _csp_hash(text: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(base64=_base64, csp_hash=_csp_hash)
_TEMPLATES.globals.update(
    source=_source,
    modules=_modules,
    drawn_colours={name: "#{:02x}{:02x}{:02x}".format(*c) for name, c in _COLOURS.items()},
    OUTCOMES=[outcome.name for outcome in VERDICT_COLOURS],
)
_TEMPLATES.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
