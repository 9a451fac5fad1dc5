"""What is the same on every training's page: its structure and style."""

from vlam_ros.lab.report.palette import PALETTE

_STYLE = (
    PALETTE
    + """
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1100px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
.note, dt, dd, thead th, figcaption { color: var(--quiet); font-size: .85rem; }
section, details {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem 1rem; margin-bottom: .75rem;
}
section > img { width: 100%; height: auto; display: block; border-radius: 6px; }
summary { cursor: pointer; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem 1.5rem .3rem 0; }
tbody tr { border-top: 1px solid var(--line); }
tbody th { font-weight: 400; white-space: nowrap; }
.confusion td {
  text-align: center; padding: .3rem .6rem; min-width: 2.5rem;
  background: color-mix(in srgb, var(--accent) calc(.6 * var(--share)), transparent);
}
.images {
  display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr));
}
figure { margin: 0; }
figure img { width: 100%; height: auto; display: block; border-radius: 6px; }
dl { margin: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; }
dt, dd { display: inline; margin: 0; }
dt::after { content: ": "; }
dd { color: var(--ink); }
"""
)

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
<section>$facts</section>
<h2>Before and after</h2>
<section>$figures
<p class="note">iou: mean over phrases that are there; false_alarms: share of absent phrases that
any pixel is found of; crops: share of objects whose crop is most alike to a phrase that is true of
it.</p></section>
<h2>Curves</h2>
<section>$curves</section>
<h2>Images</h2>
<p class="note">Green outline: where it is. Pink: what was found after the training.</p>
<section class="images">$examples</section>
<h2>Confusion of crops</h2>
$confusion
</main>
</body>
</html>
"""
"""For string.Template: `title` as text; `figures`, `curves`, `examples`, `confusion` and `facts` as
HTML.
"""
