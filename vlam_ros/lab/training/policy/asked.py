"""What is asked of whoever demonstrates: about the things of a room, and what is like them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlam_ros.lab.evaluation.episodes import Episode, sentence
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS
from vlam_ros.lab.simulation.task_objects import some_relation
from vlam_ros.lab.simulation.tasks import Kind

THERE, LIKE, BARE = 6, 2, 2
"""Things that are asked about besides what a task is about: of the room, like those, and by their
shapes alone.
"""
ALONE = Kind.GO_TO, Kind.TURN_TO, Kind.PICK_UP, Kind.PUSH, Kind.SEARCH
"""What can be asked about one thing."""


def things_to_ask(episode: Episode, rng: np.random.Generator) -> list[str]:
    """An episode's own instruction, and the same about other things of the room, by their colour
    and shape or their shape alone, and about something like them that is not there.
    """
    task, things = episode.task, [o for o in episode.task.room.scene.objects if o.colour]
    named = {
        noun: noun.split()[-1]
        for noun in (f"{o.colour} {p.shape}" for o in things for p in things)
        if not names_held_out(noun)
    }
    there = {o.phrase for o in things} & {*named}
    asked = [episode.script[0][1]]
    for some, count in ((there, THERE), ({*named} - there, LIKE), ({*named.values()}, BARE)):
        for noun in rng.permutation(sorted(some)).tolist()[:count]:
            kind = task.kind if task.place else ALONE[int(rng.integers(len(ALONE)))]
            if noun not in (task.noun, task.place):
                asked.append(sentence(replace(task, kind=kind, noun=noun), False, rng))
    return asked


def relations_to_ask(episode: Episode, rng: np.random.Generator, count: int) -> list[str]:
    """So many instructions about one of the things that are called alike, told by a relation; some
    are true of none of them, or of several. None where no two are called alike.
    """
    task = episode.task
    things = [o for o in task.room.scene.objects if o.colour and not names_held_out(o.phrase)]
    names = [name for thing in things for name in (thing.phrase, thing.shape)]
    twins = {name for name in names if names.count(name) > 1 and name not in task.place}
    # "Push the box left of the cup" says where to push it, and not which.
    kinds = [task.kind] if task.place else [kind for kind in ALONE if kind is not Kind.PUSH]
    asked = []
    for noun in rng.choice(sorted(twins), count).tolist() if twins else ():
        others = sorted({o.phrase for o in things if o.shape != noun.split()[-1]})
        if others:
            kind = kinds[int(rng.integers(len(kinds)))]
            told = some_relation(rng, noun, str(rng.choice(others)))
            asked.append(sentence(replace(task, kind=kind, noun=told), False, rng))
    return asked


def names_held_out(text: str) -> bool:
    """Whether it names a pair of a colour and a shape by which it is judged what was learned."""
    return any(f"{colour} {shape}" in text for colour, shape in HELD_OUT_PAIRS)
