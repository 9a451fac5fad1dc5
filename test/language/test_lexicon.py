"""What words mean to one robot: names, synonyms, stops, questions, manners, references."""

import contextlib

import pytest

from vlam_ros.errors import InstructionError
from vlam_ros.language import Lexicon, parse_instruction
from vlam_ros.types import ObjectPhrase, Query, Relation

VERBS = frozenset("go drive put push pick up moving stop fetch".split())
LEXICON = Lexicon.of(
    ["red", "blue", "green", "orange", "cup", "plate", "ball", "box"],
    ["red", "blue", "green", "orange", "cup", "plate", "ball", "box", "object"],
    VERBS,
    "go to the red cup",
    "go to the object",
)
OPEN = Lexicon.of(["red", "cup"], None, None, "go to the red cup", "go to the object")


@pytest.mark.parametrize(
    "text",
    [
        "red ball", "Blue cup!", "cup", "red", "the red cup", "robot red cup", "ok, red cup please",
        "crimson mug", "boxes", "my cup", "that box", "nearest box", "the box on the left",
        "cup on the plate", "orange ball and the green box",
    ],
)  # fmt: skip
def test_a_word_of_the_vocabulary_is_no_verb(text: str) -> None:
    with pytest.raises(InstructionError, match="what should I do with the ") as refused:
        parse_instruction(text, LEXICON)
    example = str(refused.value).partition("an example: ")[2].strip("'")
    parsed = parse_instruction(example, LEXICON)
    assert parsed.skill_phrase == "go to the object"
    assert parsed.target is not None
    assert LEXICON.knows(parsed.target.text.split())


def test_names_of_the_parameters_are_no_verbs_for_a_model_of_any_words() -> None:
    for text in ("red cup", "mugs", "scarlet cup"):
        with pytest.raises(InstructionError, match="what should I do with"):
            parse_instruction(text, OPEN)
    assert parse_instruction("go to the red mug", OPEN).target == ObjectPhrase("red mug")


@pytest.mark.parametrize(
    ("said", "read", "noted"),
    [
        ("red mug", "red cup", "'mug' for 'cup'"),
        ("blue disc", "blue plate", "'disc' for 'plate'"),
        ("crimson cup", "red cup", "'crimson' for 'red'"),
        ("scarlet tumblers", "red cup", "'tumblers' for 'cup'"),
        ("boxes", "box", ""),
        ("one red cup", "red cup", ""),
        ("red one", "red object", "'one' for 'object'"),
        ("giraffe", "giraffe", ""),
        ("brown cup", "brown cup", ""),
    ],
)
def test_unknown_words_are_read_as_known_ones_and_that_is_noted(
    said: str, read: str, noted: str
) -> None:
    instruction = parse_instruction(f"go to the {said}", LEXICON)
    assert instruction.target == ObjectPhrase(read)
    assert noted in "; ".join(instruction.notes)
    assert bool(instruction.notes) == bool(noted)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Would you mind driving over to the ball for me", "drive over to the object"),
        ("do you mind putting the cup on the plate", "put the object on the destination"),
        ("would you mind moving to the cup", "moving to the object"),  # "move" is not known here
        ("retrieve the cup", "fetch the object"),
    ],
)
def test_verbs_are_read_in_the_form_that_is_known(text: str, phrase: str) -> None:
    assert parse_instruction(text, LEXICON).skill_phrase == phrase


@pytest.mark.parametrize(
    "text",
    [
        "stop", "STOP!!!", "stooop", "Stopp!", "стоп", "стой!", "alto", "¡Alto!", "halt", "arrête",
        "Arrêtez !", "freeze", "emergency stop", "EMERGENCY", "e-stop", "don't move!",
        "don’t move", "whoa, hold on", "no, stop!", "hey robot, stop now please", "wait a moment",
        "hold it", "stop it", "stop stop stop", "NOTAUS", "bleib stehen", "ferma", "dur", "stój",
        "停", "止まれ！", "멈춰", "قف", "रुको", "stop, then go to the cup", "stop slowly",
        "please, could you stop",
    ],
)  # fmt: skip
def test_stop_is_understood_in_many_words(text: str) -> None:
    for lexicon in (Lexicon(), LEXICON, OPEN):
        instruction = parse_instruction(text, lexicon)
        assert instruction.is_stop
        assert instruction.skill_phrase
        assert instruction.named == {}


@pytest.mark.parametrize(
    "text",
    [
        "go to the red cup", "do not stop", "go to the cup and stop", "stop at the red cup",
        "hold the cup", "push the stop", "where is the stop", "wait until the cup is full",
    ],
)  # fmt: skip
def test_what_says_more_than_stop_is_no_stop(text: str) -> None:
    with contextlib.suppress(InstructionError):
        assert not parse_instruction(text, LEXICON).is_stop


@pytest.mark.parametrize(
    ("text", "query", "target"),
    [
        ("what do you see?", Query.SCENE, None),
        ("What can you see in front of you", Query.SCENE, None),
        ("please tell me what you see", Query.SCENE, None),
        ("which objects are there?", Query.SCENE, None),
        ("is there a red cup?", Query.PRESENCE, ObjectPhrase("red cup")),
        ("are there any boxes on the floor?", Query.PRESENCE, ObjectPhrase("box")),
        ("can you see the crimson mug?", Query.PRESENCE, ObjectPhrase("red cup")),
        ("is the red cup there", Query.PRESENCE, ObjectPhrase("red cup")),
        ("how many boxes do you see?", Query.COUNT, ObjectPhrase("box")),
        ("how many red cups are there", Query.COUNT, ObjectPhrase("red cup")),
        ("where is the blue plate?", Query.PLACE, ObjectPhrase("blue plate")),
        (
            "is there a cup left of the plate",
            Query.PRESENCE,
            ObjectPhrase("cup", Relation.LEFT_OF, (ObjectPhrase("plate"),)),
        ),
        ("what can you do?", Query.SKILLS, None),
    ],
)
def test_questions_are_known_as_such(text: str, query: Query, target: ObjectPhrase | None) -> None:
    instruction = parse_instruction(text, LEXICON)
    assert (instruction.query, instruction.target) == (query, target)


@pytest.mark.parametrize(
    "text", ["what is this?", "what is the weather like", "where are you", "is it there", "what is"]
)
def test_other_questions_are_refused(text: str) -> None:
    with pytest.raises(InstructionError):
        parse_instruction(text, LEXICON)


@pytest.mark.parametrize("how", ["slowly", "carefully", "gently", "at half speed", "with care"])
@pytest.mark.parametrize(
    "text", ["go {} to the red cup", "go to the red cup {}", "{} go to the cup"]
)
def test_how_to_do_it_is_refused_and_not_dropped(text: str, how: str) -> None:
    with pytest.raises(InstructionError, match=f"'{how}': leave that out"):
        parse_instruction(text.format(how), LEXICON)


def test_haste_is_noted() -> None:
    assert "quick" in parse_instruction("go quickly to the red cup", LEXICON).notes[0]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("the other one", ObjectPhrase("object", Relation.OTHER)),
        ("not that one", ObjectPhrase("object", Relation.OTHER)),
        ("no, not that one!", ObjectPhrase("object", Relation.OTHER)),
        ("the other", ObjectPhrase("object", Relation.OTHER)),
        ("another one please", ObjectPhrase("object", Relation.OTHER)),
        ("that is the wrong one", ObjectPhrase("object", Relation.OTHER)),
        ("the other box", ObjectPhrase("box", Relation.OTHER)),
    ],
)
def test_another_one_is_the_last_instruction_again(text: str, target: ObjectPhrase) -> None:
    instruction = parse_instruction(text, LEXICON)
    assert (instruction.skill_phrase, instruction.target) == ("", target)


def test_another_one_may_have_a_verb() -> None:
    instruction = parse_instruction("go to the other box", LEXICON)
    assert instruction.skill_phrase == "go to the object"
    assert instruction.target == ObjectPhrase("box", Relation.OTHER)
