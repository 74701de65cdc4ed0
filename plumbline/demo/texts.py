"""The demo's texts, all written for it. Names, shops, numbers and prizes are made up.

The first batch consists of everyday messages, with some spam and some odd texts. The second comes
from a different domain, so that the drift report detects drift. Changing a text changes the drift
scores.
"""

from __future__ import annotations

import random
from itertools import product

SEED = 7

# Most texts are as short and informal as the training data of the shipped model, with the same
# share of spam, because the first drift report must be stable.
EVERYDAY = (
    "Running ten minutes late, order me a tea?",
    "Did you feed the cat?? She says no...",
    "Ok c u at the bus stop then",
    "Haha yes!! Told you he'd forget the tickets again :-)",
    "I'm home now. Where did you put the big ladder?",
    "Can you pick up bread & two lemons on your way back? Thanks x",
    "No worries.. take ur time. We only start when u r here anyway..",
    "Sorry, was in the shower. What did you want to ask me?",
    "Ya lor, the lift is broken again... so walk up slowly ok...",
    "Happy birthday Nadia!! Hope you have a lovely day & they give you cake at work :-)",
    "Are we still on for badminton tonight?",
    "My phone died on the train so I only saw your message now. Yes I can bring the projector, but "
    "someone else has to carry the screen because I come by bike.",
    "Call me when u reach the station ok...",
    "Good morning sleepy head! Coffee is on the stove, I left early for the dentist. Love you xx",
    "Lol ok.. Tomorrow then..",
    "Hey, do you know if the library is open on sunday?",
    "The plumber came and says the pipe under the sink is fine, it was just the tap. He only took "
    "20 for it, nice man!",
    "Dont wait for me, im stuck in a meeting.. Eat without me and keep some soup pls..",
    "What time is grandma's train?",
    # Not spam, but written like spam: the model gets such texts wrong.
    "Your dentist appointment is on 14/03 at 10.30. Call us on 5550142 to change it",
    "Thanks for yesterday, it was so good to see you all again. The kids talked about the frogs "
    "the whole way home & now they want a pond...",
    "K. See you there.",
    "I forgot my keys at yours, can I come by around 6?",
    "How was the exam? I bet you did fine! Ring me after if you feel like it, I'm up till late "
    "tonight.",
    "He said he'll think about it.. I think that means no, but who knows with him...",
    "Me too! Let's go next week when the rain stops..",
    "Just saw a fox in the garden!! It looked straight at me & went on digging in the beans...",
    "Yup, got the parcel. Thank u so much, it fits!",
    "Are you angry with me? You were so quiet at dinner..",
)

# Languages that the model was not trained on, emoji and a NUL byte. Even a few of them in forty
# texts are drift, so they are submitted under a source of their own.
ODD = (
    "Kommst du heute noch vorbei? Ich habe Suppe gekocht 🍲",
    "On se voit à la gare vers huit heures, je t'attends près du kiosque",
    "晚上一起吃面吗？我请客",
    "Haha see you there 😂🎉🎉",
    "The bakery wrote \0 half of my name on the cake, come and look",
)

SPAM = (
    "WINNER! Your number was drawn for our 1000 cash prize. To claim call 09095550142 now. Calls "
    "cost 150p per min. Offer ends Sunday, 18+ only. Box 55, LK4 7ZZ",
    "URGENT! We have tried to contact you about your FREE holiday for 2. Call 09085550177 from a "
    "landline to claim your prize before 12pm today. Ref P5512. Only 16+",
    "Free entry in our weekly draw to win 250 of shopping vouchers! Txt LUCKY to 85555 now. Std "
    "txt rate, 1.50 per msg. T&Cs apply, txt STOP to end",
    "Congratulations! You have been chosen to receive a brand new camera phone, FREE. Reply YES or "
    "call 08715550163 to arrange delivery. 10p per min, ntt only",
    "Last chance! Your 400 bonus points expire today. Claim your gift at www.prize-parade.example "
    "or txt GIFT to 80555. Cost 150p a week",
    # No capitals and no phone number: the model misses such spam.
    "hi its jenny from the agency, your parcel fee is still open, pay it at parcels.example/pay "
    "before tonight or we send it back",
)

EMPTY = ""

_STAGES = (
    ("At dawn we left the hut", "and the valley was still full of mist"),
    ("After breakfast we crossed the stream", "which was higher than the map had promised"),
    ("By noon we stood on the ridge", "with the wind pulling at our hats"),
    ("In the afternoon we lost the path", "and followed the sheep instead"),
    ("Towards evening we found the lake", "and nobody wanted to go any further"),
)
_COMPANIONS = (
    ("Milo", "counted herons and wrote each of them into his little green book"),
    ("Auntie Fern", "told the story of the bell that was carried over the pass in a snowstorm"),
    ("the twins", "argued whether a mountain has a front and a back"),
    ("our neighbour Osk", "sang the only song he knows, and then sang it again"),
)
_CLOSINGS = (
    "We shared the last of the bread and were glad of our dry socks.",
    "Nobody was tired, or nobody said so.",
    "I drew the view, badly, and kept the drawing.",
    "It rained a little and then it did not.",
)


def long_text() -> str:
    """Return the story of a walk in 2,000 words, which is several windows of 512 tokens."""
    sentences = (
        f"{when}, {how}; {who} {what}. {closing}"
        for closing, (who, what), (when, how) in product(_CLOSINGS, _COMPANIONS, _STAGES)
    )
    return " ".join(" ".join(sentences).split()[:2_000])


def enormous_text(max_chars: int) -> str:
    """Return a text that is one character too long."""
    return ("once upon a time " * (max_chars // 17 + 1))[: max_chars + 1]


def first_batch(max_chars: int) -> list[str]:
    """Return everyday texts, odd ones, spam and two that are rejected, in a fixed random order."""
    batch = [*EVERYDAY, *ODD, *SPAM, EMPTY, long_text(), enormous_text(max_chars)]
    return random.Random(SEED).sample(batch, len(batch))


_KINDS = ("ORDER", "INVOICE", "RETURN", "BACKORDER", "PICKUP")
_GOODS = ("BLUE KETTLE", "GARDEN HOSE 20M", "DESK LAMP", "WOOL RUG 90X150", "TOOLBOX")
_ENDINGS = (
    "SHIPPED WITH NIGHT FREIGHT, TRACK AT WWW.CRATE-AND-CART.EXAMPLE",
    "DUE IN 14 DAYS, PAYABLE TO ACCOUNT 555-0142-7",
    "ON HOLD: CONFIRM QUANTITY BEFORE 16:30",
    "READY AT DOCK 3, BRING THIS NUMBER",
)


def is_odd(text: str) -> bool:
    """Return whether the text is unlike the training data of the shipped model."""
    return text in ODD or text == long_text()


def second_batch() -> list[str]:
    """Return a hundred notices of a warehouse, in capitals and with many numbers."""
    notices = product(_KINDS, _GOODS, _ENDINGS)
    return [
        f"{kind} #{55_000 + 37 * i}: {i % 9 + 1} X {goods}, {(i * 7) % 90 + 9}.90 EUR. {end}"
        for i, (kind, goods, end) in enumerate(notices)
    ]
