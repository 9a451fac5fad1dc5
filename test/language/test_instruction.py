import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.language.words import (
    ARTICLES,
    FILLERS,
    OTHERS,
    PARTICLES,
    PREPOSITIONS,
    QUANTIFIERS,
    SUPERLATIVES,
)
from vlam_ros.types import Instruction, ObjectPhrase, Placement, Relation

# sentence -> skill phrase, target, destination with its placement
UNDERSTOOD = {
    # without objects
    "stop": ("stop", None, None),
    "Halt!": ("halt", None, None),
    "stop right now": ("stop", None, None),
    "please stop moving": ("stop moving", None, None),
    "do not move": ("do not move", None, None),
    "stay where you are": ("stay where you are", None, None),
    "stop it": ("stop it", None, None),
    "turn left": ("turn left", None, None),
    "turn to the left": ("turn to the left", None, None),
    "come to me": ("come to me", None, None),
    # one object
    "pick up the red cup": ("pick up the object", "red cup", None),
    "pick the red cup up": ("pick the object up", "red cup", None),
    "PICK UP RED CUP": ("pick up the object", "red cup", None),
    "pick up the giraffe": ("pick up the object", "giraffe", None),
    "flurb the dark-green gizmo": ("flurb the object", "dark-green gizmo", None),
    "grab a cup of tea": ("grab the object", "cup of tea", None),
    "take hold of that box": ("take hold of the object", "box", None),
    "let go of the cup": ("let go of the object", "cup", None),
    "look for the purple capsule": ("look for the object", "purple capsule", None),
    "where is the purple capsule?": ("where is the object", "purple capsule", None),
    "search the green room for a ball": ("search the green room for the object", "ball", None),
    "bring me the red cup": ("bring me the object", "red cup", None),
    "bring the red cup to me": ("bring the object to me", "red cup", None),
    "drive over to the cone": ("drive over to the object", "cone", None),
    "move in front of the white box": ("move in front of the object", "white box", None),
    "turn to face the blue ball": ("turn to face the object", "blue ball", None),
    "go pick up the cup": ("go pick up the object", "cup", None),
    "go and get the red cup": ("get the object", "red cup", None),
    "grasp the cup and lift it": ("grasp the object and lift it", "cup", None),
    "push the ball away": ("push the object away", "ball", None),
    # politeness
    "could you please grab the cup": ("grab the object", "cup", None),
    "Hey robot, please pick up the cup for me, thank you!": ("pick up the object", "cup", None),
    "I’d like you to go to the box now": ("go to the object", "box", None),
    # superlatives
    "go to the nearest box": ("go to the object", "box NEAREST", None),
    "go to the box closest to you": ("go to the object", "box NEAREST", None),
    "go to the closest box to you": ("go to the object", "box NEAREST", None),
    "drive to the furthest green cone": ("drive to the object", "green cone FARTHEST", None),
    "drive to the cone farthest from you": ("drive to the object", "cone FARTHEST", None),
    "turn to the largest ball": ("turn to the object", "ball LARGEST", None),
    "face the biggest ball": ("face the object", "ball LARGEST", None),
    "face the big red ball": ("face the object", "red ball LARGEST", None),
    "face the ball that is the largest": ("face the object", "ball LARGEST", None),
    "grab the tiniest of the boxes": ("grab the object", "boxes SMALLEST", None),
    "bring me to the ball on the left": ("bring me to the object", "ball LEFTMOST", None),
    "grab left cup": ("grab the object", "cup LEFTMOST", None),
    "grab the cup on your right-hand side": ("grab the object", "cup RIGHTMOST", None),
    "go to the rightmost cup": ("go to the object", "cup RIGHTMOST", None),
    "push the ball on the right side": ("push the object", "ball RIGHTMOST", None),
    # relations
    "grab the cup left of the plate": ("grab the object", "cup LEFT_OF(plate)", None),
    "grab the cup to the right of the plate": ("grab the object", "cup RIGHT_OF(plate)", None),
    "grab the cup in front of the plate": ("grab the object", "cup IN_FRONT_OF(plate)", None),
    "grab the cup in front of you": ("grab the object", "cup", None),
    "drive over to the black box that is behind the cone": (
        "drive over to the object", "black box BEHIND(cone)", None,
    ),
    "push the ball that's behind the cone": ("push the object", "ball BEHIND(cone)", None),
    "take the cup closest to the plate": ("take the object", "cup CLOSEST_TO(plate)", None),
    "take the cup nearest the plate": ("take the object", "cup CLOSEST_TO(plate)", None),
    "take the cup next to the plate": ("take the object", "cup CLOSEST_TO(plate)", None),
    "take the cup standing on the tray": ("take the object", "cup CLOSEST_TO(tray)", None),
    "pick the cup up from the tray": ("pick the object up", "cup CLOSEST_TO(tray)", None),
    "bring me the cup on the tray": ("bring me the object", "cup CLOSEST_TO(tray)", None),
    "could you please grab the cup between the box and the ball": (
        "grab the object", "cup BETWEEN(box, ball)", None,
    ),
    "go to the cup left of the box behind the largest ball": (
        "go to the object", "cup LEFT_OF(box BEHIND(ball LARGEST))", None,
    ),
    # destinations
    "pick up the red cup left of the plate and put it on the blue tray": (
        "pick up the object and put it on the destination",
        "red cup LEFT_OF(plate)", "ON blue tray",
    ),
    "Take the cup. Then put the cup in the bowl.": (
        "take the object and put the object in the destination", "cup", "ON bowl",
    ),
    "pick up the cup and go to the tray": (
        "pick up the object and go to the destination", "cup", "TO tray",
    ),
    "put the green ball next to the yellow cone": (
        "put the object next to the destination", "green ball", "NEXT_TO yellow cone",
    ),
    "push the blue cylinder to the red plate": (
        "push the object to the destination", "blue cylinder", "TO red plate",
    ),
    "push the nearest cup to the plate": (
        "push the object to the destination", "cup NEAREST", "TO plate",
    ),
    "put it down on the tray": ("put it down on the destination", None, "ON tray"),
    "place the red cup on the tray": ("place the object on the destination", "red cup", "ON tray"),
    "put the cup down on the left tray": (
        "put the object down on the destination", "cup", "ON tray LEFTMOST",
    ),
    "put the cup left of the plate on the tray": (
        "put the object on the destination", "cup LEFT_OF(plate)", "ON tray",
    ),
    "put the cup on the plate next to the ball": (
        "put the object on the destination", "cup", "ON plate CLOSEST_TO(ball)",
    ),
    "take the ball from the box to the tray": (
        "take the object to the destination", "ball CLOSEST_TO(box)", "TO tray",
    ),
}  # fmt: skip

# sentence -> what the message says
REFUSED = {
    "": "is empty",
    "  \n": "is empty",
    "x" * 10_000: "at most 500 characters are read, these are 10000",
    "pick up\x00the cup": "control characters",
    "\udcff\udcfe": "control characters",
    "?!...": "English sentence",
    "1 128 91 127 64": "English sentence",
    "拿起红色的杯子": "English sentence",
    "please": "needs a verb",
    "what is this?": "a verb was expected before 'what'",
    "pick up the": "a noun was expected at the end",
    "pick up the largest": "a noun was expected at the end",
    "pick up the cup and": "a verb was expected at the end",
    "pick up the cup and the ball": "a verb was expected before 'the'",
    "pick up the cup or the ball": "expected before 'or'",
    "pick up two cups": "no counts",
    "move 2 boxes": "no counts or distances",
    "go to box 2": "the end of the sentence was expected before '2'",
    "2 cups": "a verb was expected before '2'",
    "go to the box and pick up the cup": "not 'box' and 'cup'",
    "put the cup on the tray and push it to the box": "not 'tray' and 'box'",
    "grab it and put the cup on the tray": "name 'cup' before you say 'it'",
    "don't pick up the cup": "not what not to do",
    "grab the large cup left of the plate": "one superlative or relation",
    "grab the cup between the balls": "needs two objects",
    "go to the box behind you": "does not see that place",
    "go to the left of the plate": "not a place left of it",
    "move away from the box": "no skill for 'move from'",
    "drive under the table": "no skill for 'drive under'",
    "swap the cup with the ball": "nothing can be placed 'with'",
    "take the cup and put it behind the plate": "nothing can be placed 'behind'",
    "put the cup left of the plate": "which object is meant",
    "push the ball behind the cone": "which object is meant",
    "put the cup between the box and the ball": "which object is meant",
    "push the ball to the left": "which object is meant",
    "pick up the nearest cup to the plate": "say 'pick up the cup closest to the plate'",
}


def describe(phrase: ObjectPhrase) -> str:
    if phrase.relation is Relation.NONE:
        return phrase.text
    references = ", ".join(describe(r) for r in phrase.references)
    return f"{phrase.text} {phrase.relation.name}" + (f"({references})" if references else "")


def summary(instruction: Instruction) -> tuple[str, str | None, str | None]:
    target, destination = instruction.target, instruction.destination
    return (
        instruction.skill_phrase,
        describe(target) if target else None,
        f"{instruction.placement.name} {describe(destination)}" if destination else None,
    )


@pytest.mark.parametrize("sentence", UNDERSTOOD)
def test_sentence_is_taken_apart(sentence: str) -> None:
    instruction = parse_instruction(sentence)
    assert summary(instruction) == UNDERSTOOD[sentence]
    assert instruction.text == sentence


@pytest.mark.parametrize("sentence", REFUSED, ids=lambda s: ascii(s[:40]))
def test_sentence_is_refused_with_a_reason_and_an_example(sentence: str) -> None:
    with pytest.raises(InstructionError) as caught:
        parse_instruction(sentence)
    message = str(caught.value)
    assert REFUSED[sentence] in message
    assert "an example: 'pick up the red cup and put it on the blue plate'" in message
    assert len(message) < 300


@pytest.mark.parametrize("value", [None, b"stop", 7, ["stop"]])
def test_only_strings_are_instructions(value: object) -> None:
    with pytest.raises(InstructionError, match=f"must be a string, not {type(value).__name__}"):
        parse_instruction(value)  # type: ignore[arg-type]


def test_an_example_in_the_types_of_the_contract() -> None:
    assert parse_instruction("put the red cup left of the plate on the tray") == Instruction(
        text="put the red cup left of the plate on the tray",
        skill_phrase="put the object on the destination",
        target=ObjectPhrase("red cup", Relation.LEFT_OF, (ObjectPhrase("plate"),)),
        destination=ObjectPhrase("tray"),
        placement=Placement.ON,
    )


CLOSED_CLASS = sorted(
    ARTICLES | OTHERS | QUANTIFIERS | set(SUPERLATIVES)
    | {" ".join(p) for table in (FILLERS, PARTICLES, PREPOSITIONS) for p in table}
    | {"it", "me", "you", "that is", "do not", "where is"}
)  # fmt: skip
OPEN_CLASS = ["pick", "put", "stop", "go", "search", "red", "cup", "box", "moving", "2"]


def reference_count(relation: Relation) -> int:
    if relation is Relation.BETWEEN:
        return 2
    return int(Relation.LEFT_OF <= relation <= Relation.CLOSEST_TO)


def check_invariants(text: str) -> None:
    """The text is refused with the one typed error, or its instruction is consistent."""
    try:
        instruction = parse_instruction(text)
    except InstructionError:
        return
    said = instruction.skill_phrase
    assert said
    assert ("the destination" in said) == (instruction.destination is not None)
    assert (instruction.placement is Placement.NONE) == (instruction.destination is None)
    assert ("the object" in said) == (instruction.target is not None)
    phrases = [p for p in (instruction.target, instruction.destination) if p]
    while phrases:
        phrase = phrases.pop()
        assert phrase.text
        assert len(phrase.references) == reference_count(phrase.relation)
        phrases += phrase.references


@given(st.text(max_size=600))
def test_any_text_gives_an_instruction_or_an_instruction_error(text: str) -> None:
    check_invariants(text)


@given(st.lists(st.sampled_from(CLOSED_CLASS + OPEN_CLASS * 8), max_size=25))
def test_any_words_give_an_instruction_or_an_instruction_error(words: list[str]) -> None:
    check_invariants(" ".join(words))


@pytest.mark.parametrize("start", ["go to a ", "put a ", "pick up the a "])
@pytest.mark.parametrize("repeated", ["by b ", "left of b ", "between a and ", "that is ", "up "])
def test_the_longest_sentences_take_less_than_50_ms(start: str, repeated: str) -> None:
    text = (start + repeated * 500)[:500]
    began = time.perf_counter()
    check_invariants(text)
    assert time.perf_counter() - began < 0.05
