"""A WordPiece vocabulary, from the training split alone; the same texts give the same one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from scoring.input.tokenizer import CLS, SEP, SPECIALS, UNKNOWN

CONTINUING = "##"
MOST_CHARACTERS = 1_000
# Stands for a character inside a word, so that it is another symbol than at a word's beginning.
PRIVATE_USE = 0xF0000


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
    pieces = learn_pieces(_words(tokenizer, texts), size)
    tokenizer.model = models.WordPiece(pieces, unk_token=UNKNOWN)
    # Also as added tokens, so that a text that spells one is read as it.
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (CLS, SEP)],
    )
    return tokenizer


def learn_pieces(words: Mapping[str, int], size: int) -> dict[str, int]:
    """Pieces and their ids from counted words: merges of the most frequent pairs (Sennrich, 2016).

    The library's own WordPiece trainer numbers the characters inside words as its hash table lists
    them, anew in each process, and pairs of equal counts are merged by those numbers. Its BPE
    trainer sorts them; so words go through that, with characters inside a word renamed.
    """
    inside = {c: chr(PRIVATE_USE + n) for n, c in enumerate(_alphabet(words))}
    shown = {renamed: c for c, renamed in inside.items()}
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bpe.train_from_iterator(
        _renamed(words, inside),
        trainers.BpeTrainer(
            vocab_size=size, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False
        ),
    )

    def piece(token: str) -> str:
        plain = "".join(shown.get(c, c) for c in token)
        return CONTINUING + plain if token[0] in shown else plain

    return {
        token if token in SPECIALS else piece(token): number
        for token, number in bpe.get_vocab().items()
    }


def _words(tokenizer: tokenizers.Tokenizer, texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    assert tokenizer.normalizer is not None and tokenizer.pre_tokenizer is not None
    for text in texts:
        plain = tokenizer.normalizer.normalize_str(text)
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain))
    return counts


def _alphabet(words: Mapping[str, int]) -> Sequence[str]:
    """The most frequent characters in order of their code points; a rarer one is unknown."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return sorted(sorted(counts, key=lambda c: (-counts[c], c))[:MOST_CHARACTERS])


def _renamed(words: Mapping[str, int], inside: Mapping[str, str]) -> Iterable[str]:
    """Each word as often as it was counted, without characters outside the alphabet."""
    for word, count in sorted(words.items()):
        known = [c for c in word if c in inside]
        if known:
            line = known[0] + "".join(inside[c] for c in known[1:])
            yield from [line] * count
