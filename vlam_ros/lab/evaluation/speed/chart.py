"""The races as an image."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from statistics import median

from matplotlib.figure import Figure

from vlam_ros.lab.evaluation.speed.race import COUNTS, Lap


def chart(laps: Sequence[Lap]) -> bytes:
    """A PNG: seconds of an image against the number of prompts, a panel for each subject."""
    subjects = list(dict.fromkeys(lap.subject for lap in laps))
    figure = Figure(figsize=(5.2 * len(subjects), 4.2), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(subjects), squeeze=False)[0]
    for panel, subject in zip(panels, subjects, strict=True):
        of_subject = [lap for lap in laps if lap.subject == subject]
        for name in dict.fromkeys(lap.way.name for lap in of_subject):
            own = [lap for lap in of_subject if lap.way.name == name]
            style = "--" if name.startswith("Hugging") else "-"
            panel.plot(
                [lap.prompts for lap in own],
                [median(lap.seconds) for lap in own],
                style,
                marker="o",
                label=name,
            )
        panel.set(title=subject, xlabel="prompts", xscale="log", yscale="log", xticks=COUNTS)
        panel.set_xticks(COUNTS, [str(count) for count in COUNTS], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds for one image")
    panels[0].legend(fontsize="small", frameon=False)
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
