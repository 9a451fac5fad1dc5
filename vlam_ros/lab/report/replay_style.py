"""How the pages of a replay look; the colours of verdicts and roles are those of the images."""

from __future__ import annotations

from vlam_ros.lab.report.palette import PALETTE
from vlam_ros.visualization.canvas import Colour
from vlam_ros.visualization.overlay import DESTINATION, OTHER, TARGET, VERDICT_COLOURS


def _colour(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


_COLOURS = {outcome.name.lower(): colour for outcome, colour in VERDICT_COLOURS.items()} | {
    "target": TARGET,
    "destination": DESTINATION,
    "other": OTHER,
}
_VARIABLES = " ".join(f"--{name}: {_colour(colour)};" for name, colour in _COLOURS.items())

BASE = (
    f":root {{ {_VARIABLES} }}"
    + PALETTE
    + """
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1200px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .75rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3, p, dl, dd, ol, ul, figure { margin: 0; padding: 0; }
ol, ul { list-style: none; }
a { color: inherit; text-decoration-color: var(--quiet); text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
small, .quiet, .note { color: var(--quiet); }
.note { font-size: .85rem; margin-top: .5rem; }
.panel {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem 1rem;
}
.verdict { display: flex; gap: .75rem; align-items: baseline; margin-top: .75rem; }
.verdict.good { border-left: 4px solid var(--good); }
.verdict.bad { border-left: 4px solid var(--bad); }
.verdict.other { border-left: 4px solid var(--accent); }
.pill {
  flex: none; display: inline-block; border-radius: 99px; padding: .05rem .65rem;
  font-size: .8rem; font-weight: 600; background: var(--chip); overflow-wrap: normal;
}
.pill.good { color: var(--good); background: var(--good-paper); }
.pill.bad { color: var(--bad); background: var(--bad-paper); }
.pill.other { color: var(--accent); background: var(--accent-paper); }
.pill.execute, .pill.hold, .pill.done { color: var(--verdict-ink); }
.pill.execute { background: var(--execute); }
.pill.hold { background: var(--hold); }
.pill.done { background: var(--done); }
.facts { display: flex; flex-wrap: wrap; gap: .15rem 1.5rem; margin-top: .75rem; }
.facts > div { font-size: .85rem; }
.facts dt, .facts dd { display: inline; }
.facts dt { color: var(--quiet); }
.facts dt::after { content: ": "; }
.notes { margin-top: .75rem; font-size: .9rem; }
.notes li { padding-left: 1rem; position: relative; }
.notes li::before { content: "–"; position: absolute; left: 0; color: var(--quiet); }
svg .execute { fill: var(--execute); }
svg .hold { fill: var(--hold); }
svg .done { fill: var(--done); }
.bar { display: block; width: 100%; height: 8px; border-radius: 4px; margin: .35rem 0; }

.wide { overflow-x: auto; }
table {
  width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  overflow-wrap: break-word;
}
th, td { text-align: left; padding: .35rem 1.25rem .35rem 0; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
thead th {
  color: var(--quiet); font-size: .8rem; font-weight: 600; vertical-align: bottom;
  overflow-wrap: normal;
}
tbody tr { border-top: 1px solid var(--line); }
tbody th { font-weight: 400; }
details.panel { margin-bottom: .75rem; padding: 0 1rem; }
details.panel[open] { padding-bottom: .9rem; }
summary { cursor: pointer; font-weight: 600; padding: .75rem 0; }
footer { margin-top: 2.5rem; color: var(--quiet); font-size: .85rem; }
@media (max-width: 640px) {
  main { padding: .75rem .75rem 3rem; }
  h1 { font-size: 1.4rem; }
  h2 { margin-top: 2rem; }
  .panel { padding: .75rem; }
  .verdict { flex-direction: column; gap: .25rem; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
"""
)
"""Of every page."""

REPORT = """
.tiles {
  display: grid; gap: .75rem; margin-top: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
}
.tile h3 { font-size: .85rem; font-weight: 600; color: var(--quiet); }
.tile b {
  display: block; font-size: 1.7rem; font-weight: 650; line-height: 1.3;
  font-variant-numeric: tabular-nums;
}
.tile b small { font-size: .9rem; font-weight: 400; }
.tile p { font-size: .8rem; color: var(--quiet); }

button, select {
  font: inherit; font-size: .85rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; padding: .3rem .6rem;
}
button { cursor: pointer; overflow-wrap: normal; }
button:hover:not(:disabled) { border-color: var(--quiet); }
button:disabled { color: var(--quiet); opacity: .5; cursor: default; }
button[aria-pressed="true"] {
  background: var(--ink); border-color: var(--ink); color: var(--card);
}
td button { padding: 0 .4rem; margin-right: .3rem; font-variant-numeric: tabular-nums; }
#exceeded td { white-space: nowrap; }

.filters { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin: .75rem 0; }
.filters label { margin-left: auto; font-size: .85rem; color: var(--quiet); }
.filters button small { color: inherit; opacity: .7; }
.difference {
  position: relative; display: grid; grid-template-columns: 1fr 1fr; gap: .4rem 1.5rem;
  margin-bottom: .5rem; padding: .65rem 1rem .75rem;
}
.difference > .about { grid-column: 1 / -1; }
.about { display: flex; flex-wrap: wrap; gap: .3rem; align-items: center; }
.about .pill { font-size: .75rem; }
.about .alike { position: relative; z-index: 1; margin-left: auto; padding: .1rem .6rem; }
.difference:hover { border-color: var(--quiet); }
.difference.chosen { border-color: var(--accent); box-shadow: inset 3px 0 var(--accent); }
.difference .jump {
  border: 0; padding: 0; background: none; font-size: 1rem; font-weight: 600;
  font-variant-numeric: tabular-nums; text-align: left; min-width: 5rem;
}
.difference .jump::after { content: ""; position: absolute; inset: 0; border-radius: 10px; }
.difference .jump:disabled { color: var(--ink); opacity: 1; }
.side { min-width: 0; font-size: .9rem; }
.side h4 { margin: 0 0 .1rem; font-size: .75rem; font-weight: 600; color: var(--quiet); }
.side p {
  display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; overflow: hidden;
}

.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .8rem; color: var(--quiet); }
.legend i {
  display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: 3px;
  vertical-align: -1px;
}
.legend .execute { background: var(--execute); }
.legend .hold { background: var(--hold); }
.legend .done { background: var(--done); }
.legend .differs { background: var(--accent); width: .3rem; border-radius: 1px; }
.legend .line { height: 2px; vertical-align: 4px; background: var(--ink); }
.legend .turn { width: 0; border-left: 1.5px dashed var(--quiet); border-radius: 0; }
#timeline {
  position: relative; margin: .6rem 0 .25rem; cursor: crosshair; touch-action: pan-y;
  border-radius: 4px; user-select: none; -webkit-user-select: none;
}
#timeline svg { display: block; width: 100%; overflow: hidden; }
#timeline text { font-size: 11px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
#timeline .name { font-size: 12px; fill: var(--ink); font-weight: 600; }
#timeline .grid { stroke: var(--line); }
#timeline .ground { fill: var(--chip); opacity: .55; }
#timeline .said { fill: var(--chip); }
#timeline .said-text { fill: var(--ink); }
#timeline .turn { stroke: var(--quiet); stroke-dasharray: 2 3; }
#timeline .area { opacity: .4; }
#timeline .cut { fill: var(--paper); }
#timeline .differs { fill: var(--accent); }
#timeline .latency { fill: var(--quiet); opacity: .4; }
#timeline .above { fill: var(--bad); }
#timeline .baseline { fill: none; stroke: var(--ink); stroke-width: 1; opacity: .7; }
#timeline .dense { stroke-width: .6; opacity: .55; }
#timeline .cursor { stroke: var(--ink); stroke-width: 1.5; }
#timeline .knob { fill: var(--ink); }
#timeline .hover { stroke: var(--quiet); }
#readout { display: block; min-height: 1.3rem; font-size: .8rem; color: var(--quiet); }

#decision { padding: 0; margin-top: .75rem; scroll-margin-top: .5rem; }
#decision > .body { padding: .9rem 1rem 1rem; }
.bar-of-card {
  position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .4rem .75rem;
  align-items: center; padding: .6rem 1rem; background: var(--card);
  border-bottom: 1px solid var(--line); border-radius: 10px 10px 0 0;
}
.bar-of-card h2 { margin: 0; font-size: 1rem; }
.bar-of-card h2:focus { outline: none; }
.bar-of-card .time { font-variant-numeric: tabular-nums; color: var(--quiet); font-size: .85rem; }
.bar-of-card nav { margin-left: auto; display: flex; gap: .3rem; }
#said { font-size: 1.2rem; line-height: 1.35; max-height: 9rem; overflow-y: auto; }
#message { max-height: 9rem; overflow-y: auto; }
.nothing { margin-top: 2rem; }
.images {
  display: grid; grid-template-columns: 10fr 11fr; gap: .75rem; margin: .9rem 0; align-items: start;
}
figure { position: relative; border-radius: 8px; overflow: hidden; background: var(--chip); }
figure img { display: block; width: 100%; height: auto; }
figcaption { padding: .35rem .7rem; font-size: .8rem; color: var(--quiet); }
figure .borrowed { color: var(--bad); background: var(--bad-paper); font-weight: 600; }
.no-image { padding: 3rem 1rem; text-align: center; color: var(--quiet); font-size: .9rem; }
#sketch { display: block; width: 100%; height: auto; max-height: 19rem; background: var(--card); }
#sketch text { font-size: 11px; fill: var(--quiet); }
#sketch .grid { stroke: var(--line); }
#sketch .robot { fill: var(--quiet); }
#sketch .now { stroke: var(--accent); fill: var(--accent); }
#sketch .then { stroke: var(--quiet); fill: var(--card); }
#sketch .target { fill: var(--target); }
#sketch .destination { fill: var(--destination); }
#sketch .other { fill: var(--other); }
#sketch .thing { stroke: var(--ink); stroke-opacity: .4; }
#sketch .way { fill: none; stroke-width: 2; }
#sketch .label { fill: var(--ink); }
.now-text { color: var(--accent); font-weight: 600; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 1.25rem 2rem; }
.columns > * { min-width: 0; }
.body h3 { font-size: .85rem; font-weight: 600; color: var(--quiet); margin-bottom: .35rem; }
.measures { display: grid; grid-template-columns: repeat(4, auto); gap: .5rem 1.25rem; }
.measures dt { font-size: .75rem; color: var(--quiet); }
.measures dd { font-size: 1.05rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.plan { counter-reset: step; }
.plan li {
  counter-increment: step; position: relative; padding: .15rem 0 .15rem 2rem; font-size: .95rem;
}
.plan li::before {
  content: counter(step); position: absolute; left: 0; top: .25rem; width: 1.35rem; height: 1.35rem;
  border-radius: 50%; background: var(--chip); font-size: .75rem; line-height: 1.35rem;
  text-align: center; font-weight: 600;
}
.plan .current { font-weight: 600; }
.plan .current::before { background: var(--execute); color: var(--verdict-ink); }
#against {
  margin: .9rem 0; padding: .75rem 1rem; border: 1px solid var(--accent); border-radius: 8px;
}
.split { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.split { gap: .75rem 1.5rem; align-items: start; }
#against .changed td { font-weight: 600; }
#against .changed th::after { content: " •"; color: var(--accent); }
#against table { table-layout: fixed; }
#against th:first-child { width: 8.5rem; white-space: nowrap; }
.dot {
  display: inline-block; width: .65rem; height: .65rem; border-radius: 50%; margin-right: .4rem;
  border: 1px solid var(--quiet);
}
.dot.target { background: var(--target); }
.dot.destination { background: var(--destination); }
.dot.other { background: var(--other); }
.numbers td, .numbers th { white-space: nowrap; }
.numbers td.text:first-child { white-space: normal; min-width: 9rem; max-width: 20rem; }
.tokens .row { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.numbers td:not(.text), .numbers th:not(.text) { text-align: right; }
.numbers th:nth-last-child(n + 2), .numbers td:nth-last-child(n + 2) { padding-right: 1.5rem; }
.full { grid-column: 1 / -1; }
@media (max-width: 800px) {
  .images, .columns { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 640px) {
  .tiles { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .tile b { font-size: 1.3rem; }
  .difference { padding: .6rem .75rem .7rem; gap: .4rem .75rem; }
  .bar-of-card { padding: .5rem .75rem; gap: .3rem .6rem; }
  .bar-of-card nav { margin-left: 0; width: 100%; }
  .bar-of-card nav button { flex: 1; padding: .45rem .2rem; }
  .bar-of-card nav span, #time span { display: none; }
  .numbers th:nth-last-child(n + 2), .numbers td:nth-last-child(n + 2) { padding-right: .9rem; }
  #decision > .body { padding: .75rem; }
  .measures { grid-template-columns: 1fr 1fr; }
  .filters label { margin-left: 0; }
  #against th:first-child { width: 7rem; }
  #against td, #against th { padding-right: .6rem; }
}
"""
"""Of the report on one run."""

BAGS = """
.attention { margin-bottom: .6rem; border-left: 4px solid var(--bad); }
.attention p { margin-top: .25rem; }
.attention .pill { margin-left: .5rem; }
.bags { font-size: .95rem; }
.bags td:not(.text), .bags th:not(.text, [scope="row"]) { text-align: right; white-space: nowrap; }
.bags td.text { min-width: 12rem; }
.bags tbody th { min-width: 12rem; }
.bags .bar { max-width: 14rem; height: 6px; }
.bags .sum, .bags .sum th { font-weight: 600; }
"""
"""Of the page about many bags."""
