"""How far to turn or to move, in words or digits: "turn left 90 degrees", "go back half a metre".

    displacement  verb { direction | [ "by" | "for" ] amount | "in place" | "yourself" }
    amount        number [ "of" ] [ "a" ] unit

A turn without an amount is a quarter turn, "around" half a turn; one without a side goes to the
left. A way without an amount is 0.5 m; one without a direction goes forward. A number alone is
degrees of a turn, and nothing of a way: that needs its unit. Signs are refused, for nobody knows
which way -90 is, and so is what goes sideways, which a base on wheels cannot.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from vlam_ros.language.lexicon import Lexicon
from vlam_ros.language.sentence import MAX_CHARACTERS, Sentence
from vlam_ros.language.words import Phrase, longest
from vlam_ros.types import Displacement, Instruction

QUARTER, HALF_TURN, WAY = math.pi / 2, math.pi, 0.5
"""rad, rad and m where nothing is said."""
SHORTEST, LONGEST = 0.05, 3.0
"""m that one instruction may ask for: less is lost in what counts as there."""
LEAST, MOST = math.radians(5), math.tau
"""rad that one instruction may ask for."""

_TURN, _WAY = "turn", "way"


def _verbs(measure: str, side: str, *texts: str) -> dict[Phrase, tuple[str, str]]:
    return {tuple(text.split()): (measure, side) for text in texts}


_VERBS = {
    **_verbs(_TURN, "", "turn", "rotate", "spin", "pivot", "make", "do", "perform", "take"),
    **_verbs(_WAY, "", "move", "go", "drive", "roll", "travel", "step", "walk", "advance"),
    **_verbs(_WAY, "back", "back", "back up", "reverse", "retreat"),
}
"""What each is a verb of, and in which direction."""
_LIGHT = frozenset({"make", "do", "perform", "take"})
"""Verbs of which the noun says that it is a turn: "make a left turn"."""


def _directions(side: str, *texts: str) -> dict[Phrase, str]:
    return {tuple(text.split()): side for text in texts}


_DIRECTIONS = {
    **_directions(
        "left", "left", "leftward", "leftwards", "to the left", "to your left",
        "counterclockwise", "counter clockwise", "anticlockwise", "anti clockwise",
    ),
    **_directions(
        "right", "right", "rightward", "rightwards", "to the right", "to your right", "clockwise"
    ),
    **_directions("around", "around", "round", "about"),
    **_directions(
        "forward", "forward", "forwards", "ahead", "straight", "straight ahead",
        "straight forward", "straight on",
    ),
    **_directions(
        "back", "back", "backward", "backwards", "straight back", "straight backward",
        "straight backwards", "in reverse",
    ),
}  # fmt: skip
_IDLE = {("by",), ("for",), ("in", "place"), ("on", "the", "spot"), ("yourself",)}


def _units(measure: str, factor: float, texts: str) -> dict[str, tuple[str, float]]:
    return dict.fromkeys(texts.split(), (measure, factor))


_TURNS = _units(_TURN, math.tau, "turn turns rotation rotations revolution revolutions circle")
_UNITS = {
    **_units(_WAY, 1.0, "m metre metres meter meters"),
    **_units(_WAY, 0.01, "cm centimetre centimetres centimeter centimeters"),
    **_units(_WAY, 0.001, "mm millimetre millimetres millimeter millimeters"),
    **_units(_WAY, 0.3048, "ft foot feet"),
    **_units(_WAY, 0.0254, "inch inches"),
    **_units(_TURN, math.pi / 180, "deg degs degree degrees"),
    **_units(_TURN, 1.0, "rad rads radian radians"),
    **_TURNS,
}
_KNOWN_UNITS = "metres, cm, mm, feet, inches, degrees, radians and turns"

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = {
    **{word: float(value) for value, word in enumerate(_ONES)},
    **{word: 10.0 * value for value, word in enumerate(_TENS, start=2)},
}
_SHARES = {
    **dict.fromkeys(("full", "whole", "complete"), 1.0),
    "half": 0.5, "quarter": 0.25, "quarters": 0.25, "third": 1 / 3, "thirds": 1 / 3,
}  # fmt: skip
_DIGITS = re.compile(r"\d+(?:'\d+)?")

_FRACTION = re.compile(
    r"(?<!\d)(?:(\d{1,3})\s*)?([½¼¾⅓⅔])|(?<![\d/])(?:(\d{1,3})\s+)?(\d{1,3})/([1-9]\d?)(?![\d/])"
)
_SPELLINGS = (
    (r"\s*[°º˚]", " degrees "),
    (r"(?<=\d)['’′]", " feet "),
    (r'(?<=\d)["″”]', " inches "),
    (r"(?<!\w)[-−–]\s*(?=\.?\d)", " minus "),
    # A sentence is cut at every other point and comma; "1,000" is 1 or 1000, and stays cut.
    (r"(?<=\d)(?:\.|,(?!\d{3}(?!\d)))(?=\d)", "'"),
    (r"(?<![\w'])\.(?=\d)", "0'"),
    (r"(?<=\w)-(?=\w)|(?<=\d)(?=[^\W\d])", " "),
)
"""What people write of numbers, in words that `Sentence` does not cut: 0.5 is 0'5."""


def parse_displacement(text: str) -> Instruction | None:
    """The instruction, if it says how far to turn or to move; None if it is of another kind.

    Raises:
        InstructionError: it says how far, but not in a unit or a range that can be done, or says
            more than that; or it is no sentence.
    """
    spelled = _FRACTION.sub(_decimal, text.lower())
    for written, meant in _SPELLINGS:
        spelled = re.sub(written, meant, spelled)
    if len(spelled) > MAX_CHARACTERS:
        return None
    sentence = _Measures(text, spelled)
    found = sentence.parse()
    phrase = " ".join(sentence.words).replace("'", ".")
    return Instruction(text, phrase, displacement=found) if found else None


def _decimal(match: re.Match[str]) -> str:
    whole, share, before, upper, lower = match.groups()
    value = unicodedata.numeric(share) if share else int(upper) / int(lower)
    return f" {int(whole or before or 0) + value:.4g} "


@dataclass
class _Reading:
    """What a clause says: its measure, directions, and amounts in m or rad."""

    measure: str
    sides: set[str]
    amounts: list[float] = field(default_factory=list)


class _Measures(Sentence):
    """The words of a sentence, those of a number taken together."""

    def __init__(self, text: str, spelled: str) -> None:
        super().__init__(spelled, Lexicon())
        self.text = text
        self.words: list[str] = []

    def parse(self) -> Displacement | None:
        """What the only clause of the sentence says, if it is a displacement."""
        clauses = self._clauses()
        found = [self._reading(clause) for clause in clauses]
        if len(found) == 1:
            return self._displacement(found[0]) if found[0] else None
        if all(found) or any(reading and reading.amounts for reading in found):
            self.refuse("one motion at a time: say the next one when this one is done")
        return None

    def _clauses(self) -> list[list[str | float]]:
        clauses: list[list[str | float]] = [[]]
        while self.word():
            ahead = [self.word(i) for i in range(9)]
            value, length = _number(ahead)
            ends = self.ends_clause()
            taken = self.take(length or 1)
            self.words += taken
            if length:
                clauses[-1].append(value)
            elif not ends:
                clauses[-1] += taken
            # "turn left, 90 degrees" is one clause.
            elif not (taken == [","] and _number(ahead[1:])[1]) and clauses[-1]:
                clauses.append([])
        return [clause for clause in clauses if clause]

    def _reading(self, clause: Sequence[str | float]) -> _Reading | None:
        """What a clause says; None if it is no displacement."""
        words = [word if isinstance(word, str) else "" for word in clause]
        verb = longest(_VERBS, words, 0)
        if not verb or words == ["go", "ahead"]:  # which means: do it
            return None
        measure, side = _VERBS[verb]
        reading, at = _Reading(measure, {side} - {""}), len(verb)
        # Of "make a left turn" the noun alone says that it is a turn.
        turns = measure == _WAY or verb[0] not in _LIGHT
        while at < len(clause):
            word, unit = clause[at], words[at + 1] if at + 1 < len(words) else ""
            if word in ("a", "an") and unit in _UNITS and unit not in _TURNS:
                reading.amounts.append(self._amount(1.0, unit, measure))
                at += 2
            elif isinstance(word, float):
                unit, at = _unit(words, at + 1)
                if unit and unit not in _UNITS and not reading.sides:
                    return None  # "move two boxes"
                reading.amounts.append(self._amount(word, unit, measure))
                turns |= unit in _TURNS
            elif phrase := longest(_DIRECTIONS, words, at):
                reading.sides.add(_DIRECTIONS[phrase])
                at += len(phrase)
            elif phrase := longest(_IDLE, words, at):
                at += len(phrase)
            elif verb[0] in _LIGHT and (word in _TURNS or word in ("a", "an")):
                turns |= word in _TURNS
                at += 1
            elif word == "minus" and at + 1 < len(clause) and isinstance(clause[at + 1], float):
                self.refuse("say left or right, forward or back, in place of a sign")
            elif reading.amounts and turns:
                self.refuse(f"say how far or where to, not both: I cannot use '{word}'")
            else:
                return None
        return reading if turns and (reading.sides or reading.amounts) else None

    def _amount(self, value: float, unit: str, measure: str) -> float:
        """In m or rad; a turn's number without unit is of degrees."""
        if not unit and measure == _WAY:
            self.refuse("how far needs its unit, as in '0.5 m' or '50 cm'")
        if unit and unit not in _UNITS:
            self.refuse(f"I do not know the unit '{unit}': I know {_KNOWN_UNITS}")
        of, factor = _UNITS[unit or "degree"]
        if of != measure:
            wanted = "degrees" if measure == _TURN else "metres"
            self.refuse(f"one turns by degrees and moves by metres: {wanted} were expected")
        return value * factor

    def _displacement(self, reading: _Reading) -> Displacement | None:
        """What a whole sentence says, if it can be done."""
        turns, sides, amounts = reading.measure == _TURN, reading.sides, reading.amounts
        if not turns and sides & {"left", "right"}:
            self.refuse("I cannot go sideways: say 'turn left 90 degrees', then 'move forward'")
        if not sides <= ({"left", "right", "around"} if turns else {"forward", "back"}):
            if amounts:
                self.refuse("one turns left or right, and moves forward or back")
            return None
        if len(amounts) > 1 or len(sides - {"around"}) > 1:
            self.refuse("say one direction, and one distance or angle")
        sign = -1.0 if sides & {"right", "back"} else 1.0
        unsaid = WAY if not turns else HALF_TURN if "around" in sides else QUARTER
        amount = amounts[0] if amounts else unsaid
        least, most = (LEAST, MOST) if turns else (SHORTEST, LONGEST)
        if not least - 1e-9 <= amount <= most + 1e-9:
            self.refuse(
                f"I turn by {math.degrees(LEAST):.0f} to {math.degrees(MOST):.0f} degrees at a time"
                if turns
                else f"I move by {SHORTEST:g} to {LONGEST:g} m at a time"
            )
        return Displacement(angle=sign * amount) if turns else Displacement(sign * amount)


def _unit(words: Sequence[str], at: int) -> tuple[str, int]:
    """The unit that follows a number, known or not, and where it ends; "" if none does."""
    start, words = at, [*words, "", "", ""]
    at += words[at] == "of"
    at += words[at] in ("a", "an")
    if words[at] in _UNITS:
        return words[at], at + 1
    none = not words[start] or longest(_DIRECTIONS, words, start) or longest(_IDLE, words, start)
    return ("", start) if none else (words[start], start + 1)


def _number(words: Sequence[str]) -> tuple[float, int]:
    """The number that the words begin with, and of how many words it is; 0 for none."""
    words = [*words, "", "", "", ""]
    article = words[0] in ("a", "an")
    value, at = _whole_number(words, int(article))
    if at == article:
        if words[at] in _SHARES:
            return _SHARES[words[at]], at + 1
        return 0.0, 0
    if words[at] in _SHARES and (value == 1 or words[at].endswith("s")):
        return value * _SHARES[words[at]], at + 1
    if words[at] == "point" and words[at + 1] in _ONES[:10]:
        digits = ""
        while words[at := at + 1] in _ONES[:10]:
            digits += str(_ONES.index(words[at]))
        return value + float(f"0.{digits}"), at
    rest = at + 1 + (words[at + 1] in ("a", "one"))
    if words[at] == "and" and words[rest] in ("half", "quarter", "third"):
        return value + _SHARES[words[rest]], rest + 1
    return value, at


def _whole_number(words: Sequence[str], at: int) -> tuple[float, int]:
    """A number in digits, or a whole one in words, and where it ends; where it began for none."""
    if _DIGITS.fullmatch(words[at]):
        return float(words[at].replace("'", ".")), at + 1
    value, free = 0.0, 100.0  # what may be added is below `free`: 80 to 100, 5 to 180
    while True:
        joined = words[at] == "and" and value >= 100 and free == 100
        more = _NUMBERS.get(words[at + joined], math.inf)
        if words[at] == "hundred" and value < 10 and (free < 100 or not value):
            value, free = max(value, 1.0) * 100, 100.0
        elif more < free:
            value, free = value + more, 10.0 if more >= 20 else 0.0
        else:
            return value, at
        at += 1 + joined
