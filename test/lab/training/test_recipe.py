"""What a recipe says of a training, and the tokenizer that it makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.training.recipe import REFINEMENT, TERMS, Recipe, build_tokenizer, byte_pairs
from vlam_ros.resources import resource_path


def test_the_tokenizer_has_whole_words_and_knows_any_text(recipe: Recipe) -> None:
    tokenizer = build_tokenizer(recipe)
    assert tokenizer.tokenize("pick up the red cup") == [
        f"{word}</w>" for word in "pick up the red cup".split()
    ]
    assert tokenizer.unk_token_id not in tokenizer("žluťoučký 猫").input_ids[1:-1]
    assert tokenizer("cup").input_ids[0] == tokenizer.bos_token_id
    assert tokenizer("cup").input_ids[-1] == tokenizer.eos_token_id == len(tokenizer) - 1


def test_the_tokenizer_is_the_same_in_whatever_order_words_are_counted() -> None:
    words = {"cup": 5, "cap": 5, "cab": 5, "pub": 2}
    merges = byte_pairs(words, 100)
    assert merges == byte_pairs(dict(reversed(words.items())), 100)
    # "ca" is the most frequent pair, and then ("u", "p</w>"), the last of three with as many.
    assert merges[:2] == [("c", "a"), ("u", "p</w>")]
    # Until every word is one token, or there are enough.
    assert {"".join(pair) for pair in merges} >= {f"{word}</w>" for word in words}
    assert byte_pairs(words, 7) == merges[:1]


def test_a_recipe_with_a_misspelt_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: {image_size: 160}\nstages: []\n")
    with pytest.raises(ConfigurationError, match=r"recipe.yaml is not a training recipe"):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"loss_weights": {"contrst": 1.0}}, r"loss_weights are of .*absence, got \['contrst'\]"),
        ({"loss_weights": {"contrast": 0.0}}, r"must be 0 or more, one above 0, got"),
        ({"loss_weights": {"contrast": 1.0, "masks": -1.0}}, r"must be 0 or more"),
        ({"balance": "pareto"}, r"balance is one of .*uncertainty.*, got 'pareto'"),
    ],
)
def test_weights_of_no_term_are_refused(
    change: dict[str, object], wrong: str, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        replace(recipe, **change)
    values = yaml.safe_load(resource_path("config/embedded.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values | change))
    with pytest.raises(
        ConfigurationError, match=rf"recipe.yaml is not a training recipe: .*{wrong}"
    ):
        Recipe.load(path)


def test_the_recipe_with_all_terms_goes_on_from_the_shipped_model() -> None:
    shipped, combined = (
        Recipe.load(resource_path(f"config/{name}.yaml"))
        for name in ("embedded", "embedded_combined")
    )
    assert combined.model == shipped.model
    assert combined.terms == set(TERMS) - set(REFINEMENT)
