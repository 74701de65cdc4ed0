"""A WordPiece vocabulary, learned from the training split alone."""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from scoring.tokenizer import CLS, SEP, SPECIALS, UNKNOWN


def train_vocabulary(
    texts: Iterable[str], size: int, *, lowercase: bool, same_digits: bool = False
) -> tokenizers.Tokenizer:
    """Learn at most `size` pieces; fewer where the texts cannot fill them.

    [PAD] is 0, which the model's attention mask relies on. `same_digits` reads each digit as 0.
    """
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    steps: list[normalizers.Normalizer] = [normalizers.BertNormalizer(lowercase=lowercase)]
    if same_digits:
        steps.append(normalizers.Replace(tokenizers.Regex("[0-9]"), "0"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (CLS, SEP)],
    )
    return tokenizer
