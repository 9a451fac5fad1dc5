// Shows the decision that is chosen.
import { byId, clock, decisions, differences } from "./replay_core.js";
import { drawLegend, drawTimeline, moveCursor } from "./replay_timeline.js";
import { showCard } from "./replay_card.js";
import { listDifferences, markDifference } from "./replay_differences.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
export let chosen = -1;

export function choose(index, how = {}) {
  if (!decisions.length) return;
  index = Math.max(0, Math.min(decisions.length - 1, index));
  if (index !== chosen) {
    chosen = index;
    showCard(index);
    moveCursor(index);
    markDifference(index);
    if (how.remember !== false) history.replaceState(null, "", `#decision-${index + 1}`);
  }
  if (how.jump) {
    const behavior = calm.matches ? "auto" : "smooth";
    byId("decision").scrollIntoView({ behavior, block: "start" });
    byId("decision-title").focus({ preventScroll: true });
  }
}

function startAt() {
  const named = /^#decision-(\d+)$/.exec(location.hash);
  if (named) return Number(named[1]) - 1;
  const first = differences.find(difference => difference.index !== null);
  return first ? first.index : 0;
}

for (const button of document.querySelectorAll("[data-after]")) {
  button.textContent = clock(Number(button.dataset.after));
}
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
