"""The script of a report: it reads the data, and shows the decision that is chosen.

What bags and instructions say is text of strangers: it is only ever set as text, never as HTML.
"""

from __future__ import annotations

from vlam_ros.lab.report.replay_card import CARD
from vlam_ros.lab.report.replay_differences import DIFFERENCES
from vlam_ros.lab.report.replay_timeline import TIMELINE

_CORE = r"""
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const { decisions, differences, texts, chunks } = data;
const OUTCOMES = ["EXECUTE", "HOLD", "DONE"];
const NOTHING = "–";
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let chosen = -1;

function byId(id) { return document.getElementById(id); }

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null)); // texts become text nodes
  return node;
}
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
function draw(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fixed(value, digits, unit = "") {
  return value === null || value === undefined ? NOTHING : value.toFixed(digits) + unit;
}
// May go on in the next line after each underscore.
function wrapped(text) {
  const parts = text.split("_").map((part, i, all) => i + 1 < all.length ? part + "_" : part);
  return make("span", {}, ...parts.flatMap((part, i) => i ? [make("wbr", {}), part] : [part]));
}
function shorter(text, most) { return text.length <= most ? text : text.slice(0, most - 1) + "…"; }

// Seconds as people read them: 12.40 s, 3:05.2, 1:02:03.
function clock(seconds) {
  const sign = seconds < 0 ? "−" : "", s = Math.abs(seconds);
  if (s < 120) return sign + s.toFixed(2) + " s";
  const hours = Math.floor(s / 3600), minutes = Math.floor(s / 60) % 60;
  const rest = (Math.floor(s * 10) / 10 % 60).toFixed(hours ? 0 : 1);
  const two = part => String(part).padStart(2, "0");
  const tail = hours ? two(Math.min(59, rest)) : rest.padStart(4, "0");
  return sign + (hours ? hours + ":" + two(minutes) : minutes) + ":" + tail;
}

function pill(outcome) { return make("span", { class: "pill " + outcome.toLowerCase() }, outcome); }
// Why it stands, or by which skill it moves.
function why(d) { return d.outcome === "EXECUTE" ? d.skill : d.reason === "NONE" ? "" : d.reason; }

function choose(index, how = {}) {
  if (!decisions.length) return;
  index = Math.max(0, Math.min(decisions.length - 1, index));
  if (index !== chosen) {
    chosen = index;
    showCard(index);
    moveCursor(index);
    markDifference(index);
    if (how.remember !== false) history.replaceState(null, "", "#decision-" + (index + 1));
  }
  if (how.jump) {
    const behavior = calm.matches ? "auto" : "smooth";
    byId("decision").scrollIntoView({ behavior, block: "start" });
    byId("decision-title").focus({ preventScroll: true });
  }
}
"""

_START = r"""
function startAt() {
  const named = /^#decision-(\d+)$/.exec(location.hash);
  if (named) return Number(named[1]) - 1;
  const first = differences.find(difference => difference.index !== null);
  return first ? first.index : 0;
}

document.querySelectorAll("[data-after]").forEach(button => {
  button.textContent = clock(Number(button.dataset.after));
});
listDifferences();
if (decisions.length) {
  drawLegend();
  drawTimeline();
  choose(startAt(), { remember: false });
  addEventListener("hashchange", () => choose(startAt(), { remember: false }));
}
document.addEventListener("click", event => {
  const link = event.target.closest("[data-decision]");
  if (link) choose(Number(link.dataset.decision), { jump: true });
});
document.addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, select, textarea, .wide")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !decisions.length) return;
  event.preventDefault();
  choose(chosen + step);
});
"""

SCRIPT = _CORE + TIMELINE + CARD + DIFFERENCES + _START
