import subprocess
import sys

from training.data.vocabulary import train_vocabulary

TEXTS = [f"win{n} and other words, call 0{n} now" for n in range(50)]


def test_special_tokens_come_first_and_pad_is_zero() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True)
    ids = [tokenizer.token_to_id(t) for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    assert ids == [0, 1, 2, 3, 4]
    assert tokenizer.encode("Call").ids[0] == 2
    assert tokenizer.encode("Call").ids[-1] == 3


def test_frequent_words_are_whole_and_rare_words_are_split() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True)
    assert tokenizer.encode("OTHER words", add_special_tokens=False).tokens == ["other", "words"]
    pieces = tokenizer.encode("otherwords", add_special_tokens=False).tokens
    assert pieces[0] == "other"
    assert all(piece.startswith("##") for piece in pieces[1:])
    assert tokenizer.decode(tokenizer.encode("otherwords").ids) == "otherwords"


def test_vocabulary_has_at_most_the_requested_size() -> None:
    assert 50 < train_vocabulary(TEXTS, 60, lowercase=True).get_vocab_size() <= 60
    assert train_vocabulary(TEXTS, 5_000, lowercase=True).get_vocab_size() < 300


def test_unknown_character_is_unk() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True)
    assert tokenizer.encode("字", add_special_tokens=False).tokens == ["[UNK]"]


def test_long_word_is_read_and_so_are_the_long_words_of_the_training_texts() -> None:
    tokenizer = train_vocabulary(["prize" * 100] * 2, 200, lowercase=True)
    assert tokenizer.token_to_id("prize" * 20) is not None
    tokens = tokenizer.encode("prize" * 1_000, add_special_tokens=False).tokens
    assert tokens == ["prize" * 20] * 50


def test_word_of_known_letters_is_read_wherever_training_had_them() -> None:
    tokenizer = train_vocabulary(["pa zo, pa zo. 我 我"] * 2, 60, lowercase=True)
    for word in ("opaz", "ppp", "oza" * 200):
        tokens = tokenizer.encode(word, add_special_tokens=False).tokens
        assert "[UNK]" not in tokens
    vocabulary = tokenizer.get_vocab()
    assert {"##p", "o", "##o", "a", "我", ",", "."} <= vocabulary.keys()
    assert {"##我", "##,", "##."}.isdisjoint(vocabulary)


def test_same_digits_reads_every_digit_alike() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True, same_digits=True)
    assert tokenizer.encode("call 0871").ids == tokenizer.encode("CALL 1234").ids


def test_every_process_learns_the_same_vocabulary() -> None:
    """The library's WordPiece trainer does not: each process seeds its hash tables differently."""
    code = (
        "import hashlib\n"
        "from training.data.vocabulary import train_vocabulary\n"
        "texts = [f'{a}{b} {b}{a} w{a}x' for a in 'abcdefgh' for b in 'klmnopqr']\n"
        "tokenizer = train_vocabulary(texts, 90, lowercase=True).to_str()\n"
        "print(hashlib.sha256(tokenizer.encode()).hexdigest())\n"
    )
    command = [sys.executable, "-c", code]
    hashes = {subprocess.run(command, capture_output=True, check=True).stdout for _ in range(3)}
    assert len(hashes) == 1
