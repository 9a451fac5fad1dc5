// What differs from the baseline.
import {
  byId, clock, data, decisions, differences, fixed, make, pill, placed, texts, why, wrapped,
} from "./replay_core.js";
import { chosen } from "./replay_main.js";

const FIRST = 6, MORE = 30;
let kind = "", byDistance = false, listed = FIRST;
const unfolded = new Set();
differences.forEach((difference, place) => { difference.place = place; });

function sideOf(title, d) {
  const side = lines => make("div", { class: "side" }, make("h4", {}, title), ...lines);
  if (!d) return side([make("p", {}, "no decision")]);
  const lines = [make("p", {}, pill(d.outcome), " ", wrapped(why(d)), " ",
    make("small", {}, fixed(d.confidence, 2)))];
  for (const role of ["target", "destination"]) {
    const thing = d.objects.find(object => object.role === role);
    if (thing) lines.push(make("p", { dir: "auto" }, `${role} ${placed(thing)}`));
  }
  if (texts[d.message]) lines.push(make("p", { class: "quiet", dir: "auto" }, texts[d.message]));
  return side(lines);
}

// What follows each other and looks the same is one group.
function grouped(those) {
  const groups = [];
  let last = null;
  for (const difference of those) {
    const lost = difference.kind === "missing";
    const sides = [difference.before, lost ? null : decisions[difference.index]];
    const look = [difference.kind, ...difference.changed,
      ...sides.map(d => d && [d.outcome, d.reason, d.skill])].join();
    const steps = last && difference.index - last.index;
    const follows = last && look === last.look && (steps === 1 || lost && steps === 0)
      && !unfolded.has(groups[groups.length - 1][0].place);
    if (follows) groups[groups.length - 1].push(difference); else groups.push([difference]);
    last = { index: difference.index, look };
  }
  return groups;
}

function differenceRow([difference, ...alike]) {
  const { index, before } = difference;
  const now = difference.kind === "missing" ? null : decisions[index];
  const d = now || before;
  const chips = difference.changed.map(change => make("span", { class: "pill other" }, change));
  if (difference.setsOff) {
    chips.unshift(make("span", { class: "pill bad" }, "moves where it stood"));
  }
  const far = name => Math.max(...[difference, ...alike].map(one => one[name] ?? 0));
  const sizes = [["distance", " m"], ["angle", " rad"]].filter(([name]) => far(name))
    .map(([name, unit]) => fixed(far(name), 3, unit)).join(", ");
  if (sizes) chips.push(make("span", { class: "pill" }, (alike.length ? "up to " : "") + sizes));
  const jump = make("button", { type: "button", class: "jump", "data-decision": index,
    disabled: index === null }, clock(d.after));
  const about = make("div", { class: "about" }, jump, ...chips);
  if (alike.length) {
    const end = alike[alike.length - 1];
    const until = clock((now ? decisions[end.index] : end.before).after);
    const more = make("button", { type: "button", class: "alike" },
      `and ${alike.length} more like it, until ${until}`);
    more.addEventListener("click", () => {
      for (const one of [difference, ...alike]) unfolded.add(one.place);
      listed += alike.length;
      listDifferences();
    });
    about.append(more);
  }
  return make("li", { class: "panel difference", "data-index": index,
    "data-until": [difference, ...alike].pop().index }, about,
  sideOf("baseline", before || null), sideOf("now", now));
}

export function listDifferences() {
  const list = byId("differences");
  if (!list) return;
  const those = differences.filter(d => !kind || d.changed.includes(kind));
  if (byDistance) those.sort((a, b) => (b.distance ?? 0) - (a.distance ?? 0));
  const groups = byDistance ? those.map(one => [one]) : grouped(those);
  list.replaceChildren(...groups.slice(0, listed).map(differenceRow));
  const left = groups.length - list.childElementCount, more = byId("more");
  more.hidden = left <= 0;
  more.textContent = left > MORE ? `Show ${MORE} more of ${left}` : `Show ${left} more`;
  more.onclick = () => {
    const next = list.childElementCount;
    listed += MORE;
    listDifferences();
    list.children[next]?.querySelector(".jump").focus({ preventScroll: true });
  };
  drawFilters();
  if (chosen >= 0) markDifference(chosen);
}

function drawFilters() {
  const box = byId("filters");
  if (!differences.length) return;
  if (!box.childElementCount) {
    const counted = data.changes.map(
      change => [change, differences.filter(d => d.changed.includes(change)).length]);
    for (const [change, count] of [["", differences.length], ...counted]) {
      if (!count) continue;
      const button = make("button", { type: "button", "data-change": change }, change || "all", " ",
        make("small", {}, count));
      button.addEventListener("click", () => { kind = change; listed = FIRST; listDifferences(); });
      box.append(button);
    }
    if (differences.some(d => d.distance)) {
      const order = make("select", {}, make("option", { value: "" }, "in order of time"),
        make("option", { value: "distance" }, "farthest waypoints first"));
      order.addEventListener("change", () => {
        byDistance = Boolean(order.value);
        listDifferences();
      });
      box.append(make("label", {}, "listed ", order));
    }
  }
  for (const button of box.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.change === kind);
  }
}

export function markDifference(index) {
  for (const row of document.querySelectorAll(".difference")) {
    const { index: first, until } = row.dataset;
    row.classList.toggle("chosen", first !== undefined && first <= index && index <= until);
  }
}
