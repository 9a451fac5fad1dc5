"""What the pages of a replay are made of: the document, which may load and run nothing that is not
in it, and the parts of the report on one run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from string import Template

from vlam_ros.lab.replay.table import OUTCOMES
from vlam_ros.lab.report.table import Table


def document(title: str, body: str, style: str, blocks: str = "", script: str = "") -> str:
    """A whole page.

    Args:
        title: as text.
        body: what is in its main part, HTML.
        style: CSS; the page takes no other, nor any style attribute.
        blocks: HTML of what the script reads, before it.
        script: JavaScript; the page runs no other.
    """
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}" if script else "script-src 'none'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return _DOCUMENT.substitute(
        policy=escape(policy),
        title=html(title),
        style=style,
        body=body,
        blocks=blocks,
        script=f"<script>{script}</script>" if script else "",
    )


def html(text: str) -> str:
    """A text as HTML; what no file can hold becomes a question mark."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def facts(values: Mapping[str, str]) -> str:
    """Names and values in a line that wraps."""
    rows = "".join(
        f'<div><dt>{html(name)}</dt><dd dir="auto">{html(value)}</dd></div>'
        for name, value in values.items()
    )
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def notes(lines: tuple[str, ...]) -> str:
    """Remarks, one below the other."""
    rows = "".join(f'<li dir="auto">{html(line)}</li>' for line in lines)
    return f'<ul class="notes">{rows}</ul>' if rows else ""


def folded(table: Table) -> str:
    """A table that is opened by a click."""
    head = "".join(f'<th scope="col">{html(text)}</th>' for text in table.head)
    rows = "".join(
        f'<tr><th scope="row" dir="auto">{html(name)}</th>'
        + "".join(f"<td>{html(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in table.rows
    )
    return (
        f'<details class="panel"><summary>{html(table.title)}</summary>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{html(table.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def bar(outcomes: Mapping[str, int]) -> str:
    """The shares of verdicts, side by side in their colours."""
    total, x, parts = sum(outcomes.values()), 0.0, ""
    for name in OUTCOMES:
        width = 100 * outcomes.get(name, 0) / max(1, total)
        parts += f'<rect class="{name.lower()}" x="{x:.2f}" width="{width:.2f}" height="1"/>'
        x += width
    view = 'viewBox="0 0 100 1" preserveAspectRatio="none"'
    return f'<svg class="bar" {view} aria-hidden="true">{parts}</svg>' if total else ""


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


_DOCUMENT = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
$body
</main>
$blocks
$script
</body>
</html>
""")

REPORT = Template("""<h1 dir="auto">$title</h1>
$about
<p class="panel verdict $tone"><span class="pill $tone">$said</span><span>$verdict</span></p>
<section class="tiles" aria-label="In short">$tiles</section>
$notes
<noscript><p class="panel">A script shows timelines and decisions, and it is off.</p></noscript>
$exceeded
$differences
$viewer
$figures
""")
"""Its parts are HTML."""

DIFFERENCES = Template("""<section aria-labelledby="differences-title">
<h2 id="differences-title">Differences to the baseline</h2>
$remarks
<div class="filters" id="filters" role="group" aria-label="Which differences are listed"></div>
<ol id="differences"></ol>
<button type="button" id="more" hidden></button>
</section>
""")
"""`remarks`: HTML."""

VIEWER = """<section aria-labelledby="timelines-title">
<h2 id="timelines-title">Timelines</h2>
<div class="panel">
<div class="legend" id="legend"></div>
<div id="timeline" role="slider" tabindex="0" aria-label="Decision" aria-valuemin="1"></div>
<output id="readout"></output>
<!-- note of the axis -->
</div>
</section>
<article class="panel" id="decision" aria-labelledby="decision-title">
<div class="bar-of-card">
<h2 id="decision-title" tabindex="-1"></h2>
<span class="pill" id="outcome"></span>
<b id="why"></b>
<span class="time" id="time"></span>
<nav aria-label="Other decisions">
<button type="button" id="previous" aria-label="Previous decision">‹<span> previous</span></button>
<button type="button" id="next" aria-label="Next decision"><span>next </span>›</button>
<button type="button" id="last-difference" aria-label="Previous difference">« differs</button>
<button type="button" id="next-difference" aria-label="Next difference">differs »</button>
</nav>
</div>
<div class="body">
<p id="said" dir="auto"></p>
<p id="message" dir="auto"></p>
<section id="against" aria-label="Against the baseline"></section>
<div class="images">
<figure><p class="no-image" id="no-overlay"></p><img id="overlay" alt="">
<figcaption id="overlay-caption"></figcaption></figure>
<div id="from-above">
<figure id="top-figure"><img id="top-view" alt="">
<figcaption id="top-caption"></figcaption></figure>
<figure id="sketch-figure"><svg id="sketch" role="img"></svg>
<figcaption id="sketch-caption"></figcaption></figure>
</div>
</div>
<div class="columns">
<section><h3>Plan</h3><ol class="plan" id="plan"></ol></section>
<section><h3>Measures</h3><dl class="measures" id="measures"></dl></section>
<section class="full"><h3>Objects</h3>
<div class="wide" tabindex="0" role="region" aria-label="Objects" id="objects"></div></section>
<section class="full"><h3>Token rows and the waypoints they decode to</h3>
<div class="wide" tabindex="0" role="region" aria-label="Token rows" id="tokens"></div></section>
<section class="full" id="tokens-before-part"><h3>Token rows of the baseline</h3>
<div class="wide" tabindex="0" role="region" aria-label="Token rows of the baseline"
id="tokens-before"></div></section>
</div>
</div>
</article>
"""
