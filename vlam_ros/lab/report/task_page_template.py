"""What is the same on every page of the closed-loop evaluation: its structure, style and script."""

from vlam_ros.lab.report.palette import PALETTE

_STYLE = (
    PALETTE
    + """
* { box-sizing: border-box; }
html { scroll-padding-top: 5rem; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1100px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3, p { margin: 0; }
.lead, .note, .facts, small { color: var(--quiet); }
.note, .facts { font-size: .85rem; margin-top: .5rem; }

.gates { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
.gate, .card, details {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
.gate { padding: .9rem 1rem; border-top: 4px solid var(--tone); }
.gate h3 { font-size: .9rem; font-weight: 600; }
.gate p { font-size: .8rem; color: var(--quiet); }
.gate .value {
  display: flex; align-items: baseline; justify-content: space-between;
  font-size: 2rem; font-weight: 650; color: var(--ink); font-variant-numeric: tabular-nums;
}
.gate .value span {
  font-size: .8rem; padding: .1rem .6rem; border-radius: 99px;
  color: var(--tone); background: var(--tone-paper);
}
.met { --tone: var(--good); --tone-paper: var(--good-paper); }
.missed { --tone: var(--bad); --tone-paper: var(--bad-paper); }
.scale {
  position: relative; height: 8px; margin: .5rem 0; border-radius: 4px; background: var(--chip);
}
.scale * { position: absolute; top: 0; height: 8px; }
.scale i { background: var(--tone); opacity: .45; border-radius: 4px; }
.scale b { width: 4px; margin-left: -2px; background: var(--tone); border-radius: 2px; }
.scale u { top: -4px; height: 16px; width: 2px; margin-left: -1px; background: var(--ink); }

details { margin-bottom: .75rem; padding: 0 1rem; }
details[open] { padding-bottom: .9rem; }
summary { cursor: pointer; font-weight: 600; padding: .75rem 0; }
.wide { overflow-x: auto; }
table {
  width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
}
th, td { text-align: left; padding: .35rem 1.5rem .35rem 0; vertical-align: top; min-width: 6rem; }
thead th { color: var(--quiet); font-size: .8rem; font-weight: 600; vertical-align: bottom; }
tbody tr { border-top: 1px solid var(--line); }
tbody th {
  position: sticky; left: 0; background: var(--card); font-weight: 400; white-space: nowrap;
}
td small { white-space: nowrap; }

.filters {
  position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1rem;
  align-items: center; padding: .6rem 0; background: var(--paper); font-size: .9rem;
  border-bottom: 1px solid var(--line); margin-bottom: .75rem;
}
.filters[hidden] { display: none; }
.filters label { color: var(--quiet); }
select {
  font: inherit; max-width: 15rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; padding: .3rem .4rem;
}
output { margin-left: auto; color: var(--quiet); }

.card {
  padding: .9rem 1rem; margin-bottom: 1rem;
  content-visibility: auto; contain-intrinsic-size: auto 600px;
}
.card[hidden] { display: none; }
.card:target { outline: 2px solid var(--accent); }
.card header { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; font-size: .8rem; }
.card header span, .end b { border-radius: 99px; padding: .1rem .6rem; background: var(--chip); }
.card header .kind { background: var(--ink); color: var(--card); font-weight: 600; }
.card header .bad { background: var(--bad-paper); color: var(--bad); font-weight: 600; }
.card header .quiet { background: none; color: var(--quiet); padding: .1rem 0; }
.card header a { margin-left: auto; color: var(--quiet); text-decoration: none; }
.card h3 { font-size: 1.15rem; margin: .6rem 0 .1rem; }
.card q + q::before { content: " then \\201c"; font-weight: 400; }
.why { color: var(--bad); }
.end { margin: .5rem 0 .75rem; font-size: .9rem; }
.end b { color: #14161b; font-size: .8rem; }
.end .hold { background: #ffb830; }
.end .execute { background: #46cd7d; }
.end .done { background: #62a6ff; }
.end .none { color: var(--ink); }
.strip { overflow-x: auto; overscroll-behavior-x: contain; border-radius: 6px; }
.strip img { display: block; width: 100%; max-width: 1036px; min-width: 760px; height: auto; }
footer { margin-top: 2.5rem; color: var(--quiet); font-size: .85rem; }
dl { margin: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; }
dt, dd { display: inline; margin: 0; }
dt::after { content: ": "; }
dd { color: var(--ink); }
@media (max-width: 600px) {
  main { padding: 1rem .75rem 3rem; }
  .gates { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .gate { padding: .6rem .7rem; }
  .gate .value { font-size: 1.4rem; }
  .card { padding: .75rem; }
  td small { display: block; }
  th, td { padding-right: 1rem; }
  tbody th { white-space: normal; }
  .filters { position: static; }
  .filters label { flex: 1 1 40%; }
  output { margin: 0; }
  html { scroll-padding-top: .5rem; }
  .filters select { display: block; width: 100%; }
}
"""
)

_SCRIPT = """
const filters = [...document.querySelectorAll("[data-filter]")];
const cards = [...document.querySelectorAll(".card")];
function choose() {
  for (const card of cards) {
    card.hidden = filters.some(f => f.value && f.value !== card.dataset[f.dataset.filter]);
  }
  const shown = cards.filter(card => !card.hidden).length;
  document.querySelector("output").value = shown + " of " + cards.length;
}
filters.forEach(filter => filter.addEventListener("change", choose));
document.querySelector(".filters").hidden = cards.length === 0;
choose();
"""

PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="lead">$verdict</p>
<h2>Gates</h2>
<section class="gates">$gates</section>
<h2>Figures</h2>
<section>$tables</section>
<h2>Failed episodes ($count)</h2>
<div class="filters" hidden>$filters<output></output></div>
<section>$cards</section>
<footer>$made_with</footer>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""
"""For string.Template: `title`, `verdict`, `gates`, `tables`, `filters`, `cards`, `count` and
`made_with`, all but `count` as HTML.
"""
