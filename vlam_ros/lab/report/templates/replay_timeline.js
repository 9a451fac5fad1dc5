// The timelines, on which decisions can be chosen.
import {
  byId, clock, data, decisions, differences, draw, fixed, make, OUTCOMES, shorter, texts, why,
} from "./replay_core.js";
import { choose, chosen } from "./replay_main.js";

// Lanes of the timeline, one below the other: y and height in pixels.
const NAME = 17, lanes = {};
let xs = [], ends = [], scale = null;
{
  let y = 0;
  const lane = (name, height, named = true) => {
    lanes[name] = { y: y + (named ? NAME : 0), height };
    y = lanes[name].y + height + 7;
  };
  lane("instruction", 18);
  lane("verdict", 24);
  if (data.compared) { y -= 5; lane("before", 8, false); lane("differences", 10); }
  lane("confidence", 64);
  lane("latency", 64);
  lanes.axis = { y: y - 3, height: 20 };
  lanes.total = y + 17;
}

export function drawLegend() {
  const entry = (kind, text) => make("span", {}, make("i", { class: kind }), text);
  const entries = OUTCOMES.map(name => entry(name.toLowerCase(), name));
  if (data.compared) entries.push(entry("differs", "differs"), entry("line", "baseline"));
  byId("legend").replaceChildren(...entries, entry("turn", "new instruction"));
}

// Pixels of the axis: its parts, with gaps between them.
function scaleOf(width) {
  const parts = data.parts, total = parts.reduce((sum, part) => sum + part[1], 0);
  const gap = parts.length > 1 ? Math.min(12, width / 3 / (parts.length - 1)) : 0;
  const unit = (width - gap * (parts.length - 1)) / total;
  const at = (position, part) => position * unit + part * gap;
  return { width, gap, unit, at };
}

export function drawTimeline() {
  const box = byId("timeline"), width = box.clientWidth;
  if (!width || (scale && scale.width === width)) return;
  scale = scaleOf(width);
  let part = 0;
  xs = []; ends = [];
  for (const d of decisions) {
    while (part + 1 < data.parts.length && isOfPart(d, part + 1)) part++;
    xs.push(scale.at(d.at, part));
    ends.push(scale.at(d.at + d.width, part));
  }
  const svg = draw("svg", { height: lanes.total, viewBox: `0 0 ${width} ${lanes.total}`,
    "aria-hidden": "true" });
  svg.append(...drawInstructions(), ...drawVerdicts(), ...drawConfidence(), ...drawLatency(),
    ...drawAxis(), draw("line", { id: "hover", class: "hover", y2: lanes.axis.y }),
    draw("line", { id: "cursor", class: "cursor", y2: lanes.axis.y }),
    draw("path", { id: "knob", class: "knob" }));
  box.replaceChildren(svg);
  box.setAttribute("aria-valuemax", decisions.length);
  byId("hover").setAttribute("visibility", "hidden");
  if (chosen >= 0) moveCursor(chosen);
}
function isOfPart(d, part) { return d.at >= data.parts[part][0] - 1e-6; }

function drawName(lane, text, right = "") {
  const y = lanes[lane].y - 5, names = [draw("text", { class: "name", x: 0, y }, text)];
  if (right) names.push(draw("text", { x: scale.width, y, "text-anchor": "end" }, right));
  return names;
}

// Boxes of some decisions, each from the ground up to its height; none is too thin to be seen.
function boxes(places, y, height, most = Infinity) {
  return places.map(i => {
    const right = Math.max(ends[i], xs[i] + 1.5), top = y - height(i);
    const foot = Math.min(y, top + most);
    return `M${xs[i].toFixed(2)} ${foot}V${top.toFixed(2)}H${right.toFixed(2)}V${foot}Z`;
  }).join("");
}
// One path a verdict, the rarest on top.
function byVerdict(outcome, y, height, { places = decisions.keys(), kind = "", most } = {}) {
  const groups = OUTCOMES.map(name => [name, []]);
  for (const i of places) groups[OUTCOMES.indexOf(outcome(i))][1].push(i);
  return groups.sort((a, b) => b[1].length - a[1].length).map(
    ([name, those]) => draw("path", { class: `${name.toLowerCase()} ${kind}`.trim(),
      d: boxes(those, y, height, most) }));
}
function line(value, y) {
  let path = "", last = null;
  decisions.forEach((d, i) => {
    const v = value(d);
    if (v === null || v === undefined) { last = null; return; }
    const joined = last !== null && xs[i] - last < 0.5;
    path += `${joined ? "L" : "M"}${xs[i].toFixed(2)} ${y(v).toFixed(2)}H${ends[i].toFixed(2)}`;
    last = ends[i];
  });
  const dense = decisions.length > scale.width / 2;
  return draw("path", { class: dense ? "baseline dense" : "baseline", d: path });
}

function drawInstructions() {
  const { y, height } = lanes.instruction, drawn = drawName("instruction", "instruction");
  const turned = [];
  let first = 0;
  for (let i = 1; i <= decisions.length; i++) {
    if (i < decisions.length && decisions[i].instruction === decisions[first].instruction
      && Math.abs(xs[i] - ends[i - 1]) < 1) continue;
    const x = xs[first], wide = ends[i - 1] - x, text = texts[decisions[first].instruction];
    const turns = first && decisions[first].instruction !== decisions[first - 1].instruction;
    if (text) {
      const width = Math.max(1, wide - 1);
      drawn.push(draw("rect", { class: "said", x, y, width, height, rx: 3 }));
      const most = Math.floor((wide - 8) / 6);
      if (most > 3) {
        drawn.push(draw("text", { class: "said-text", x: x + 5, y: y + 13 }, shorter(text, most)));
      }
    }
    if (turns) turned.push(x);
    first = i;
  }
  // Through all lanes, unless they would hide what is there.
  const y2 = turned.length * 25 < scale.width ? lanes.axis.y : y + height;
  return [...drawn, ...turned.map(x => draw("line", { class: "turn", x1: x, x2: x, y1: y, y2 }))];
}

function drawVerdicts() {
  const { y, height } = lanes.verdict, name = data.compared ? ", and the baseline’s" : "";
  const drawn = drawName("verdict", `verdict${name}`);
  drawn.push(...byVerdict(i => decisions[i].outcome, y + height, () => height));
  if (!data.compared) return drawn;
  const before = lanes.before, marked = lanes.differences;
  const paired = [...decisions.keys()].filter(i => decisions[i].before);
  drawn.push(draw("rect", { class: "ground", y: before.y, width: scale.width,
    height: before.height }));
  drawn.push(...byVerdict(i => decisions[i].before.outcome, before.y + before.height,
    () => before.height, { places: paired }));
  const places = differences.map(d => d.index).filter(i => i !== null);
  drawn.push(...drawName("differences", "differs from the baseline"));
  drawn.push(draw("rect", { class: "ground", y: marked.y, width: scale.width,
    height: marked.height }));
  drawn.push(draw("path", { class: "differs", id: "differs",
    d: boxes(places, marked.y + marked.height, () => marked.height) }));
  return drawn;
}

function drawGrid(lane) {
  const { y, height } = lanes[lane];
  return [draw("rect", { class: "ground", y, width: scale.width, height }),
    ...[0, 0.5, 1].map(share => {
      const at = y + height * (1 - share);
      return draw("line", { class: "grid", x2: scale.width, y1: at, y2: at });
    })];
}

function drawConfidence() {
  const { y, height } = lanes.confidence, ground = y + height;
  const tall = value => height * Math.max(0, Math.min(1, value));
  const outcome = i => decisions[i].outcome, high = i => tall(decisions[i].confidence ?? 0);
  const sure = [...decisions.keys()].filter(i => decisions[i].confidence !== null);
  return [...drawName("confidence", "confidence", "1.0"), ...drawGrid("confidence"),
    ...byVerdict(outcome, ground, high, { places: sure, kind: "area" }),
    ...byVerdict(outcome, ground, high, { places: sure, most: 2.5 }),
    data.compared && line(d => d.before?.confidence, v => ground - tall(v))].filter(Boolean);
}

// Up to a little more than what most take; what takes longer is cut off, and marked in red.
function drawLatency() {
  const { y, height } = lanes.latency, ground = y + height;
  const all = decisions.flatMap(d => [d.seconds, d.before?.seconds ?? null])
    .filter(s => s !== null && s >= 0).sort((a, b) => a - b);
  const most = all[Math.floor(0.97 * (all.length - 1))] || 0;
  const top = nice(Math.min(1.6 * most, all[all.length - 1] || 0) || 1);
  const tall = s => height * Math.max(0, Math.min(1, s / top));
  const above = [...decisions.keys()].filter(i => decisions[i].seconds > top);
  return [...drawName("latency", "seconds per decision", `${top} s`), ...drawGrid("latency"),
    draw("path", { class: "latency",
      d: boxes([...decisions.keys()], ground, i => tall(decisions[i].seconds ?? 0)) }),
    draw("path", { class: "above", d: boxes(above, y + 4, () => 4) }),
    data.compared && line(d => d.before?.seconds, v => ground - tall(v))].filter(Boolean);
}
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const digit = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find(d => d * power >= value * 0.999);
  return Number((digit * power).toPrecision(3));
}

function drawAxis() {
  const y = lanes.axis.y, drawn = [];
  const steps = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
  const least = data.byIndex ? 1 : 0;
  const step = steps.find(s => s >= least && s * scale.unit >= 62) ?? Math.ceil(62 / scale.unit);
  let free = 0;
  data.parts.forEach(([start, length, after], part) => {
    if (part) {
      drawn.push(draw("rect", { class: "cut", x: scale.at(start, part) - scale.gap,
        width: scale.gap, height: y }));
    }
    for (let k = Math.ceil(after / step - 1e-9); k * step <= after + length; k++) {
      const x = scale.at(start + k * step - after, part), label = tick(k * step, step);
      drawn.push(draw("line", { class: "grid", x1: x, x2: x, y1: y - 4, y2: y }));
      const wide = 7 * label.length, left = Math.max(0, Math.min(scale.width - wide, x - wide / 2));
      if (left < free) continue;
      drawn.push(draw("text", { x: left + wide / 2, y: y + 13, "text-anchor": "middle" }, label));
      free = left + wide + 6;
    }
  });
  return drawn;
}
function tick(seconds, step) {
  if (data.byIndex) return `no. ${seconds + 1}`;
  if (Math.abs(seconds) < 120) return `${seconds.toFixed(step < 1 ? 1 : 0)} s`;
  return step < 1 ? clock(seconds) : clock(seconds).replace(/\.\d$/, "");
}

function said(index) {
  const d = decisions[index], place = data.byIndex ? `no. ${index + 1}` : clock(d.after);
  return `${place}: ${d.outcome} ${why(d)}, confidence ${fixed(d.confidence, 2)}, `
    + fixed(d.seconds, 3, " s") + (d.difference === undefined ? "" : ", differs");
}
export function moveCursor(index) {
  const x = Math.min(scale.width - 1, Math.max(1, (xs[index] + ends[index]) / 2));
  const cursor = byId("cursor"), y = lanes.axis.y, box = byId("timeline");
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
  byId("knob").setAttribute("d", `M${x} ${y}l5 6h-10Z`);
  box.setAttribute("aria-valuenow", index + 1);
  box.setAttribute("aria-valuetext", said(index));
  byId("readout").value = said(index);
}

// The decision at a place of the screen: the last that begins before it, or in a gap the nearer.
function indexAt(clientX) {
  const x = clientX - byId("timeline").getBoundingClientRect().left;
  let low = 0, high = xs.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle; else high = middle;
  }
  return high < xs.length && x > ends[low] && xs[high] - x < x - ends[low] ? high : low;
}
{
  const box = byId("timeline");
  const hover = x => {
    const line = byId("hover");
    line.setAttribute("visibility", x === null ? "hidden" : "visible");
    if (x === null) { byId("readout").value = said(chosen); return; }
    const index = indexAt(x), middle = (xs[index] + ends[index]) / 2;
    line.setAttribute("x1", middle);
    line.setAttribute("x2", middle);
    byId("readout").value = said(index);
  };
  if (box) {
    box.addEventListener("pointerdown", event => {
      if (event.button) return;
      box.setPointerCapture(event.pointerId);
      choose(indexAt(event.clientX));
    });
    box.addEventListener("pointermove", event => {
      if (event.buttons & 1) choose(indexAt(event.clientX)); else hover(event.clientX);
    });
    box.addEventListener("pointerleave", () => hover(null));
    box.addEventListener("keydown", event => {
      const last = decisions.length - 1;
      const to = { Home: 0, End: last, PageUp: chosen - 10, PageDown: chosen + 10,
        ArrowUp: chosen + 1, ArrowDown: chosen - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(to);
    });
    new ResizeObserver(drawTimeline).observe(box);
  }
}
