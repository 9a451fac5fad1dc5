"""A CLIP byte-pair tokenizer trained on the model's own sentences, in CLIP's own file format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

WORDS = r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(sentences: Iterable[str], vocabulary_size: int, length: int) -> CLIPTokenizer:
    """Learn merges from sentences.

    As in CLIP the 256 bytes come first, then the same bytes at the end of a word, the merges, and
    the two special tokens last; so any text has tokens, whatever its script.
    """
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    merges: list[Any] = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = alphabet + [f"{letter}</w>" for letter in alphabet]
    tokens += list(dict.fromkeys("".join(pair) for pair in merges))
    vocabulary = {token: i for i, token in enumerate([*tokens, START, END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)
