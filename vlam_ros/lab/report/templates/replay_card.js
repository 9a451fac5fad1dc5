// One decision.
import {
  byId, chunks, clock, data, decisions, differences, draw, fixed, make, NOTHING, placed, shorter,
  texts, why, wrapped,
} from "./replay_core.js";
import { choose, chosen } from "./replay_main.js";

const jumps = differences.map(difference => difference.index).filter(index => index !== null);

export function showCard(index) {
  const d = decisions[index], difference = differences[d.difference];
  byId("decision-title").textContent = `Decision ${index + 1} of ${decisions.length}`;
  const outcome = byId("outcome");
  outcome.className = `pill ${d.outcome.toLowerCase()}`;
  outcome.textContent = d.outcome;
  byId("time").replaceChildren(clock(d.after), make("span", {}, ` · stamp ${d.stamp}`));
  byId("said").textContent = texts[d.instruction] ? `“${texts[d.instruction]}”` : "no instruction";
  byId("said").className = texts[d.instruction] ? "" : "quiet";
  byId("why").textContent = why(d);
  byId("message").textContent = texts[d.message];
  byId("previous").disabled = index === 0;
  byId("next").disabled = index === decisions.length - 1;
  byId("last-difference").hidden = byId("next-difference").hidden = !jumps.length;
  byId("last-difference").disabled = !(jumps[0] < index);
  byId("next-difference").disabled = !(jumps[jumps.length - 1] > index);
  showAgainst(d, difference);
  const own = showImages(index);
  showSketch(d, difference?.before, own);
  showPlan(d);
  showMeasures(d);
  byId("objects").replaceChildren(objectsTable(d));
  byId("tokens").replaceChildren(tokensTable(chunks[d.chunk]));
  const before = difference?.before, shown = before && before.chunk !== d.chunk;
  byId("tokens-before-part").hidden = !shown;
  byId("tokens-before").replaceChildren(shown ? tokensTable(chunks[before.chunk]) : "");
}

function showAgainst(d, difference) {
  const box = byId("against");
  box.hidden = !difference;
  byId("from-above").append(byId("sketch-figure"));
  if (!difference) return;
  const before = difference.before;
  const title = before ? `Differs from the baseline: ${difference.changed.join(", ")}`
    : "The baseline has no decision on this image";
  box.replaceChildren(make("h3", {}, title));
  if (!before) return;
  const object = role => of => {
    const thing = of.objects.find(o => o.role === role);
    return thing ? placed(thing) : "";
  };
  const due = of => `${chunks[of.chunk].length} rows, ${chunks[of.chunk][0]?.command ?? ""}`;
  const far = [["distance", " m"], ["angle", " rad"]].filter(([name]) => difference[name])
    .map(([name, unit]) => fixed(difference[name], 3, unit)).join(" and ");
  const rows = [["verdict", of => of.outcome], ["reason", of => of.reason],
    ["message", of => texts[of.message]], ["skill", of => of.skill],
    ["instruction", of => texts[of.instruction]], ["target", object("target")],
    ["destination", object("destination")], ["shape", due], ["waypoints", () => far],
    ["confidence", of => fixed(of.confidence, 2)], ["seconds", of => fixed(of.seconds, 3)]];
  const body = rows.filter(([name, of]) => difference.changed.includes(name)
    || (name !== "shape" && of(before) !== of(d))).map(([name, of]) =>
    make("tr", { class: difference.changed.includes(name) ? "changed" : "" },
      make("th", { scope: "row" }, name),
      ...(name === "waypoints" ? [make("td", { colspan: 2 }, `up to ${far} apart`)]
        : [before, d].map(
          side => make("td", { dir: "auto" }, wrapped(shorter(of(side), 400) || NOTHING))))));
  const head = ["", "baseline", "now"].map(text => make("th", { scope: "col" }, text));
  box.append(make("div", { class: "split" }, make("table", {},
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body))));
}

// Images are kept of some decisions only; the newest before an index, of the same era.
function imageFor(index) {
  let low = 0, high = data.images.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.images[middle][0] <= index) low = middle + 1; else high = middle;
  }
  const found = data.images[low - 1];
  return found && decisions[found[0]].era === decisions[index].era ? found : null;
}
function setImage(id, block) {
  const image = byId(id), element = block && byId(block);
  image.hidden = !element;
  if (element) image.src = `data:image/jpeg;base64,${element.textContent}`;
  else image.removeAttribute("src");
}
function showImages(index) {
  const found = imageFor(index), own = Boolean(found) && found[0] === index;
  setImage("overlay", found && `overlay-${found[0]}`);
  setImage("top-view", found?.[1] && `top-view-${found[0]}`);
  const none = byId("no-overlay");
  none.hidden = Boolean(found);
  none.textContent = data.images.length
    ? "No image was kept of this decision, nor of one before it." : "No images were kept.";
  byId("top-figure").hidden = !found?.[1];
  let text = "";
  if (found && !own) {
    const other = decisions[found[0]], earlier = decisions[index].after - other.after;
    text = `Not of this decision, but of no. ${found[0] + 1}, ${clock(earlier)} earlier`
      + ` (${other.outcome})`;
  }
  for (const [id, caption] of [["overlay", "Camera, with masks and labels"],
    ["top", "From above, with LiDAR returns"]]) {
    byId(`${id}-caption`).textContent = text || caption;
    byId(`${id}-caption`).className = text ? "borrowed" : "";
  }
  byId("overlay-caption").hidden = !found;
  byId("overlay").alt = found ? `Camera image of decision ${found[0] + 1}` : "";
  byId("top-view").alt = found ? `View from above of decision ${found[0] + 1}` : "";
  return own && found[1];
}

// What the rows decode to, and the baseline's, seen from above: x is up, y is left.
function showSketch(d, before, own) {
  const ways = [["then", before], ["now", d]].filter(([, of]) => of).map(([name, of]) => [name,
    chunks[of.chunk].map(row => row.values).filter(v => v[0] !== null && v[1] !== null)]);
  const things = d.objects.filter(thing => thing.position?.every(v => v !== null));
  const moved = before && before.chunk !== d.chunk && ways.every(([, way]) => way.length);
  const figure = byId("sketch-figure"), svg = byId("sketch");
  const points = [...ways.flatMap(([, way]) => way), ...things.map(thing => thing.position)];
  figure.hidden = (own && !moved) || !points.length;
  (moved ? document.querySelector("#against .split") : byId("from-above")).append(figure);
  if (figure.hidden) return;
  const near = points.filter(p => Math.hypot(p[0], p[1]) < 8);
  const low = Math.min(-0.3, ...near.map(p => p[0] - 0.2));
  const high = Math.max(1.0, ...near.map(p => p[0] + 0.25));
  const half = Math.max(0.8, (high - low) * 0.65, ...near.map(p => Math.abs(p[1]) + 0.35));
  const width = 480, unit = width / (2 * half), height = (high - low) * unit;
  const x = p => (half - p[1]) * unit, y = p => (high - p[0]) * unit;
  svg.setAttribute("viewBox", `0 0 ${width} ${height.toFixed(1)}`);
  svg.setAttribute("aria-label", "Waypoints and objects from above");
  const grid = half > 3 ? 1 : 0.5, drawn = [];
  for (let k = Math.ceil(low / grid); k * grid <= high; k++) {
    const at = y([k * grid, 0]);
    drawn.push(draw("line", { class: "grid", x2: width, y1: at, y2: at }));
    if (at > 12) drawn.push(draw("text", { x: 4, y: at - 3 }, `${(k * grid).toFixed(1)} m`));
  }
  for (let k = Math.ceil(-half / grid); k * grid <= half; k++) {
    const at = x([0, k * grid]);
    drawn.push(draw("line", { class: "grid", x1: at, x2: at, y2: height }));
  }
  const [rx, ry] = [x([0, 0]), y([0, 0])];
  drawn.push(draw("path", { class: "robot", d: `M${rx} ${ry - 11}l8 18l-8 -4l-8 4Z` }));
  for (const thing of things) {
    const [cx, cy] = [x(thing.position), y(thing.position)];
    drawn.push(draw("circle", { class: `thing ${thing.role}`, cx, cy, r: 7 }),
      draw("text", { class: "label", x: cx + 11, y: cy + 4 }, shorter(thing.phrase, 30)));
  }
  for (const [name, way] of ways) {
    drawn.push(draw("path", { class: `way ${name}`,
      d: way.map((p, i) => `${i ? "L" : "M"}${x(p).toFixed(1)} ${y(p).toFixed(1)}`).join("") }));
    for (const p of way) {
      drawn.push(draw("circle", { class: name, cx: x(p), cy: y(p), r: 3.5 }));
      if (p[3] === null) continue;
      const tip = [p[0] + 14 / unit * Math.cos(p[3]), p[1] + 14 / unit * Math.sin(p[3])];
      drawn.push(draw("path", { class: name, d: `M${x(p)} ${y(p)}L${x(tip)} ${y(tip)}` }));
    }
  }
  svg.replaceChildren(...drawn);
  byId("sketch-caption").replaceChildren("Waypoints from above, x ahead is up: ",
    make("span", { class: "now-text" }, "now"), before ? ", and hollow those of the baseline" : "");
}

function showPlan(d) {
  const steps = texts[d.trace].split(" -> ").filter(Boolean), skill = d.skill.replaceAll("_", " ");
  const fits = steps.filter(step => step.startsWith(skill));
  const isCurrent = step => d.outcome === "EXECUTE" && fits.length === 1 && step === fits[0];
  byId("plan").replaceChildren(...steps.map(step => make("li", { dir: "auto",
    class: isCurrent(step) ? "current" : null, "aria-current": isCurrent(step) ? "step" : null },
    step)));
  if (!steps.length) byId("plan").replaceChildren(make("p", { class: "quiet" }, "no plan"));
}

function showMeasures(d) {
  const measures = [["confidence", fixed(d.confidence, 2)],
    ["to decide", fixed(d.seconds, 3, " s")],
    ["after the image", fixed(d.waited, 2, " s")], ["skill", d.skill]];
  byId("measures").replaceChildren(...measures.map(
    ([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function table(kind, head, rows) {
  const cells = (tag, values, extra) => values.map(([value, text]) =>
    make(tag, { ...extra, class: text ? "text" : null }, value));
  return make("table", { class: kind }, make("thead", {},
    make("tr", {}, ...cells("th", head, { scope: "col" }))),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...cells("td", row, { dir: "auto" })))));
}
function objectsTable(d) {
  if (!d.objects.length) return make("p", { class: "quiet" }, "nothing that the instruction names");
  const head = [["object", 1], ["role", 1], ["score"], ["x"], ["y"], ["z (m)"], ["± (m)"],
    ["box", 1]];
  return table("numbers", head, d.objects.map(thing => [
    [make("span", {}, make("i", { class: `dot ${thing.role}` }), thing.phrase), 1],
    [thing.role === "other" ? NOTHING : thing.role, 1], [fixed(thing.score, 2)],
    ...[0, 1, 2].map(i => [fixed(thing.position?.[i], 2)]), [fixed(thing.spread, 3)],
    [thing.box.join(", "), 1]]));
}
function tokensTable(rows) {
  const head = [["due (s)"], ["⟨cmd, x, y, z, θ⟩", 1], ["command", 1], ["x"], ["y"], ["z (m)"],
    ["θ (rad)"]];
  return table("numbers tokens", head, rows.map(row => [[fixed(row.due, 2)],
    [make("span", { class: "row" }, `⟨${row.tokens.join(", ")}⟩`), 1], [row.command, 1],
    ...row.values.map(value => [fixed(value, 3)])]));
}

if (decisions.length) {
  const step = (id, to) => byId(id).addEventListener("click", () => choose(to()));
  step("previous", () => chosen - 1);
  step("next", () => chosen + 1);
  step("last-difference", () => jumps.filter(index => index < chosen).pop());
  step("next-difference", () => jumps.find(index => index > chosen));
}
