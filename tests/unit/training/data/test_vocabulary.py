import subprocess
import sys

from training.data.vocabulary import train_vocabulary

TEXTS = [f"win{n} and other words, call 0{n} now" for n in range(50)]


def test_the_specials_come_first_and_pad_is_zero() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True)
    ids = [tokenizer.token_to_id(t) for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    assert ids == [0, 1, 2, 3, 4]
    assert tokenizer.encode("Call").ids[0] == 2
    assert tokenizer.encode("Call").ids[-1] == 3


def test_frequent_words_are_whole_and_rare_ones_in_pieces() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True)
    assert tokenizer.encode("OTHER words", add_special_tokens=False).tokens == ["other", "words"]
    pieces = tokenizer.encode("otherwords", add_special_tokens=False).tokens
    assert pieces[0] == "other"
    assert all(piece.startswith("##") for piece in pieces[1:])
    assert tokenizer.decode(tokenizer.encode("otherwords").ids) == "otherwords"


def test_no_more_pieces_than_asked_for_and_fewer_where_the_texts_give_no_more() -> None:
    assert 50 < train_vocabulary(TEXTS, 60, lowercase=True).get_vocab_size() <= 60
    assert train_vocabulary(TEXTS, 5_000, lowercase=True).get_vocab_size() < 300


def test_an_unknown_character_is_unknown_and_a_spelled_special_is_one() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True)
    assert tokenizer.encode("字", add_special_tokens=False).tokens == ["[UNK]"]
    assert tokenizer.encode("[MASK]", add_special_tokens=False).ids == [4]


def test_every_digit_is_read_alike_where_that_is_asked_for() -> None:
    tokenizer = train_vocabulary(TEXTS, 200, lowercase=True, same_digits=True)
    assert tokenizer.encode("call 0871").ids == tokenizer.encode("CALL 1234").ids


def test_every_process_learns_the_same_vocabulary() -> None:
    """The library's own trainer does not: its hash tables are seeded anew in each process."""
    code = (
        "import hashlib\n"
        "from training.data.vocabulary import train_vocabulary\n"
        "texts = [f'{a}{b} {b}{a} w{a}x' for a in 'abcdefgh' for b in 'klmnopqr']\n"
        "made = train_vocabulary(texts, 90, lowercase=True).to_str()\n"
        "print(hashlib.sha256(made.encode()).hexdigest())\n"
    )
    run = [sys.executable, "-c", code]
    found = {subprocess.run(run, capture_output=True, check=True).stdout for _ in range(3)}
    assert len(found) == 1
