"""Trains a WordPiece vocabulary on the training split; the same texts give the same vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from scoring.input.tokenizer import CLS, CONTINUATION, SEP, SPECIALS, UNKNOWN
from training.data.long_words import split_long_words

MAX_CHARACTERS = 1_000
# Replaces a character inside a word, to distinguish it from the same character at a word's start.
PRIVATE_USE = 0xF0000


def train_vocabulary(
    texts: Iterable[str], size: int, *, lowercase: bool, same_digits: bool = False
) -> tokenizers.Tokenizer:
    """Learn at most `size` pieces; fewer if the texts do not contain enough.

    [PAD] is 0, which the model's attention mask relies on. `same_digits` reads each digit as 0.
    """
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    steps: list[normalizers.Normalizer] = [normalizers.BertNormalizer(lowercase=lowercase)]
    if same_digits:
        steps.append(normalizers.Replace(tokenizers.Regex("[0-9]"), "0"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    split_long_words(tokenizer)
    pieces = train_pieces(_count_words(tokenizer, texts), size)
    tokenizer.model = models.WordPiece(pieces, unk_token=UNKNOWN)
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (CLS, SEP)],
    )
    return tokenizer


def train_pieces(words: Mapping[str, int], size: int) -> dict[str, int]:
    """Merge the most frequent pairs (Sennrich, 2016); return each piece and its id.

    The library's WordPiece trainer breaks ties between equally frequent pairs by the order of its
    hash table, which differs in each process. Its BPE trainer sorts, so this function uses that one
    and renames the characters inside words. Each letter is a piece both at the start of a word and
    inside one, as far as half of `size` allows, so that any word of known letters can be read.
    """
    renamed = {c: chr(PRIVATE_USE + n) for n, c in enumerate(_alphabet(words))}
    original = {replacement: c for c, replacement in renamed.items()}
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bpe.train_from_iterator(
        _renamed_words(words, renamed),
        trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=2,
            special_tokens=list(SPECIALS),
            initial_alphabet=_letters(words, renamed)[: size // 2 - len(SPECIALS)],
            show_progress=False,
        ),
    )

    def piece(token: str) -> str:
        plain = "".join(original.get(c, c) for c in token)
        return CONTINUATION + plain if token[0] in original else plain

    return {
        token if token in SPECIALS else piece(token): number
        for token, number in bpe.get_vocab().items()
    }


def _count_words(tokenizer: tokenizers.Tokenizer, texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    assert tokenizer.normalizer is not None and tokenizer.pre_tokenizer is not None
    for text in texts:
        plain = tokenizer.normalizer.normalize_str(text)
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain))
    return counts


def _alphabet(words: Mapping[str, int]) -> Sequence[str]:
    """Return the most frequent characters by code point; the others become [UNK]."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return sorted(sorted(counts, key=lambda c: (-counts[c], c))[:MAX_CHARACTERS])


def _letters(words: Mapping[str, int], renamed: Mapping[str, str]) -> list[str]:
    """Return both forms of each character of the alphabet that occurs in a word with another one.

    Punctuation and Chinese characters are words of their own.
    """
    joined = {c for word in words if len(word) > 1 for c in word}
    return [form for c in renamed if c in joined for form in (c, renamed[c])]


def _renamed_words(words: Mapping[str, int], renamed: Mapping[str, str]) -> Iterable[str]:
    """Yield each word as often as it was counted, without characters outside the alphabet."""
    for word, count in sorted(words.items()):
        known = [c for c in word if c in renamed]
        if known:
            line = known[0] + "".join(renamed[c] for c in known[1:])
            yield from [line] * count
