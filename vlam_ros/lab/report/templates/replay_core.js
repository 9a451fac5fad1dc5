// What a report knows, and how it is written. What bags and instructions say is text of
// strangers: it is only ever set as text, never as HTML.
export const data = JSON.parse(document.getElementById("data").textContent);
export const { decisions, differences, texts, chunks } = data;
export const OUTCOMES = ["EXECUTE", "HOLD", "DONE"];
export const NOTHING = "–";

export function byId(id) { return document.getElementById(id); }

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null)); // texts become text nodes
  return node;
}
export function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
export function draw(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

export function fixed(value, digits, unit = "") {
  return value === null || value === undefined ? NOTHING : value.toFixed(digits) + unit;
}
// May go on in the next line after each underscore.
export function wrapped(text) {
  const parts = text.split("_").map((part, i, all) => i + 1 < all.length ? `${part}_` : part);
  return make("span", {}, ...parts.flatMap((part, i) => i ? [make("wbr", {}), part] : [part]));
}
export function shorter(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

// Seconds as people read them: 12.40 s, 3:05.2, 1:02:03.
export function clock(seconds) {
  const sign = seconds < 0 ? "−" : "", s = Math.abs(seconds);
  if (s < 120) return `${sign}${s.toFixed(2)} s`;
  const hours = Math.floor(s / 3600), minutes = Math.floor(s / 60) % 60;
  const rest = (Math.floor(s * 10) / 10 % 60).toFixed(hours ? 0 : 1);
  const two = part => String(part).padStart(2, "0");
  const tail = hours ? two(Math.min(59, rest)) : rest.padStart(4, "0");
  return `${sign}${hours ? `${hours}:${two(minutes)}` : minutes}:${tail}`;
}

export function pill(outcome) {
  return make("span", { class: `pill ${outcome.toLowerCase()}` }, outcome);
}
// Why it stands, or by which skill it moves.
export function why(d) {
  return d.outcome === "EXECUTE" ? d.skill : d.reason === "NONE" ? "" : d.reason;
}
// An object, and where it is.
export function placed(thing) {
  const place = thing.position ? thing.position.map(v => fixed(v, 2)).join(", ") : "no position";
  return `${shorter(thing.phrase, 80)} (${place})`;
}
