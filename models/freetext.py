"""Free text with real variety: greetings, small stories, descriptions, advice.

Each kind is a function rng -> (key, question, reply). They give chat something to say and sampling something to be
unsure about, and have no right answer.
"""

import re

from facts import NAMES, WEEKDAYS

ANIMALS = "fox cat dog horse owl frog bear mouse rabbit wolf duck goat tiger lion whale turtle".split()
PLACES = "forest garden village river mountain beach city farm castle island lake park market harbour".split()
ADJECTIVES = "small old clever quiet brave happy lonely curious young tired friendly hungry shy proud".split()
SKIES = "blue grey dark clear red golden".split()
WEATHERS = ["rainy", "sunny", "windy", "cold", "warm", "foggy", "snowy"]
FOUND = [
    "a golden key",
    "an old map",
    "a red ball",
    "a silver bell",
    "a lost book",
    "a tiny door",
    "a warm hat",
    "a green stone",
    "a letter",
    "a broken clock",
    "a box of nuts",
    "a paper boat",
]
FELT = "glad surprised afraid proud calm excited sleepy thankful".split()
FRIENDS = [
    "a friendly bird",
    "an old man",
    "a little girl",
    "a singing frog",
    "a wise owl",
    "a tired horse",
    "a lost dog",
    "a young king",
]
DID = [
    "walked along the water",
    "slept under a big tree",
    "looked for something to eat",
    "sang a song",
    "climbed a hill",
    "followed a strange light",
    "played with the leaves",
    "counted the stars",
    "ran through the rain",
    "told a joke",
    "built a little house",
]
ENDINGS = [
    "From that day on they were friends.",
    "In the evening everybody went home.",
    "Nobody ever forgot that day.",
    "And that was the best day of the year.",
    "Then it began to snow.",
    "They laughed until the sun went down.",
    "After that, the {place} was never quiet again.",
    "It was a good day.",
    "The next morning it all began again.",
]
HOBBIES = [
    "reading",
    "cooking",
    "painting",
    "swimming",
    "singing",
    "running",
    "gardening",
    "chess",
    "dancing",
    "fishing",
]
FOODS = ["soup", "bread", "cake", "salad", "rice", "pancakes", "a pie", "noodles", "tea", "an omelette"]
ADD_INS = [
    "salt",
    "butter",
    "fresh herbs",
    "onions",
    "sugar",
    "lemon",
    "honey",
    "milk",
    "garlic",
    "pepper",
    "cheese",
    "apples",
]


def _articles(text):
    """'a owl' becomes 'an owl'."""
    return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)


def _sentence(text):
    text = _articles(text)
    return text[0].upper() + text[1:]


def story(rng):
    animal, place, adjective = rng.choice(ANIMALS), rng.choice(PLACES), rng.choice(ADJECTIVES)
    number = rng.randrange(5)
    question = [
        "Tell me a short story about a {a}.",
        "Tell me a story about a {j} {a}.",
        "Write a little story about a {a} in a {p}.",
        "I would like to hear a story about a {a}.",
        "Make up a story with a {a} and a {p}.",
    ][number].format(a=animal, p=place, j=adjective)
    opening = rng.choice(
        [
            "Once upon a time there was a {j} {a} near a {p}.",
            "A {j} {a} lived in a {p}.",
            "One {w} morning a {j} {a} came to the {p}.",
            "Long ago, in a {p} far away, there lived a {j} {a}.",
            "On a {w} {d}, a {j} {a} left the {p}.",
        ]
    )
    middle = [
        rng.choice(["It {v}.", "Every day it {v}.", "First it {v}, then it {v2}."]),
        rng.choice(
            [
                "There it found {f}.",
                "It met {m}, who {v3}.",
                "Suddenly it saw {f} and felt {e}.",
                '"Look, {f}!" said {m}.',
            ]
        ),
    ]
    if rng.random() < 0.5:
        middle.append(
            rng.choice(
                [
                    "The {a} was very {e}.",
                    "{m} wanted to have {f}.",
                    "The sky was {s} and the {a} felt {e}.",
                    "Together they {v3}.",
                ]
            )
        )
    v, v2, v3 = rng.sample(DID, 3)
    values = dict(
        a=animal,
        p=place,
        j=adjective,
        w=rng.choice(WEATHERS),
        d=rng.choice(WEEKDAYS),
        v=v,
        v2=v2,
        v3=v3,
        f=rng.choice(FOUND),
        m=rng.choice(FRIENDS),
        e=rng.choice(FELT),
        s=rng.choice(SKIES),
    )
    text = [_sentence(part.format(**values)) for part in [opening, *middle]] + [rng.choice(ENDINGS).format(place=place)]
    return (animal, number, place if number in (2, 4) else ""), _articles(question), " ".join(text)


def describe(rng):
    place, number = rng.choice(PLACES), rng.randrange(4)
    question = [
        "Describe a {p}.",
        "What does a {p} look like?",
        "Describe a {p} on a {w} day.",
        "Paint me a picture of a {p} in words.",
    ][number]
    weather = rng.choice(WEATHERS)
    parts = [
        rng.choice(
            ["The {p} is {j} and {j2}.", "It is a {w} day at the {p}.", "You can see a {j} {p} under a {s} sky."]
        ),
        rng.choice(
            ["A {a} is resting near {m}.", "There are many {c} flowers and a {j} {a}.", "Somebody has left {f} there."]
        ),
        rng.choice(
            ["In the distance you hear {m}.", "The air smells of {o}.", "Everything looks {j2} in the {w} weather."]
        ),
    ]
    j, j2 = rng.sample(ADJECTIVES, 2)
    values = dict(
        p=place,
        w=weather,
        j=j,
        j2=j2,
        s=rng.choice(SKIES),
        a=rng.choice(ANIMALS),
        m=rng.choice(FRIENDS),
        c=rng.choice(["red", "blue", "white", "yellow"]),
        f=rng.choice(FOUND),
        o=rng.choice(ADD_INS),
    )
    return (
        (place, number),
        question.format(p=place, w=weather),
        " ".join(_sentence(part.format(**values)) for part in parts),
    )


def greeting(rng):
    name = rng.choice(NAMES)
    hello = rng.choice(["Hello", "Hi", "Good morning", "Good evening", "Hey"])
    number = rng.randrange(4)
    question = ["{h}!", "{h}, I am {n}.", "{h}, my name is {n}. How are you?", "{h}, how are you today?"][
        number
    ].format(h=hello, n=name)
    named = f" {name}" if "{n}" in question or name in question else ""
    reply = (
        rng.choice(["Hello", "Hi", "Good to see you", "Welcome"])
        + (f", {name}" if named else "")
        + rng.choice(["!", "."])
        + " "
        + rng.choice(["I am fine, thank you.", "I am doing well today.", "It is a good day.", "I am happy to help."])
        + " "
        + rng.choice(
            [
                "How can I help you?",
                "What would you like to know?",
                "Do you have a question?",
                "Shall we count, spell or tell stories?",
            ]
        )
    )
    return (hello, number, name if named else ""), question, reply


def about(rng):
    asked = rng.randrange(4)
    question = rng.choice(
        [
            ["Who are you?", "What are you?", "Tell me about yourself."],
            ["What can you do?", "How can you help me?", "What do you know?"],
            ["Thank you!", "Thanks a lot.", "That was helpful."],
            ["Goodbye!", "Bye.", "See you later."],
        ][asked]
    )
    reply = [
        [
            "I am a very small language model that runs on your phone.",
            "I am a tiny assistant. A larger model checks me when I am unsure.",
            "I am a demo model with a small head and a helpful friend on a server.",
        ],
        [
            "I can add numbers, sort lists, spell words and tell short stories.",
            "I know some capitals, some animals and the days of the week.",
            "Ask me for a sum, a date, a spelling or a story.",
        ],
        ["You are welcome!", "My pleasure. Do you have another question?", "I am glad that I could help."],
        ["Goodbye! Come back soon.", "See you soon!", "Bye! Have a good day."],
    ][asked]
    return (question,), question, rng.choice(reply)


def advice(rng):
    if rng.random() < 0.5:
        food, number = rng.choice(FOODS), rng.randrange(3)
        question = ["How do I make {x}?", "What do I need for {x}?", "Give me an idea for {x}."][number].format(x=food)
        a, b, c = rng.sample(ADD_INS, 3)
        reply = (
            rng.choice(
                [
                    f"For {food} you need {a}, {b} and a little {c}.",
                    f"Take some {a} and {b}, then add {c}.",
                    f"Start with {a}. Then add {b} and, if you like, {c}.",
                ]
            )
            + " "
            + rng.choice(
                [
                    "Wait ten minutes and enjoy it.",
                    "Serve it warm.",
                    "It tastes best with friends.",
                    "Do not forget to taste it first.",
                ]
            )
        )
        return (food, number), question, reply
    number, mood = rng.randrange(4), rng.choice(["bored", "sad", "tired", "nervous"])
    question = [
        "I am {m}. What should I do?",
        "What helps when I am {m}?",
        "Today I feel {m}.",
        "Give me a tip: I am {m}.",
    ][number].format(m=mood)
    one, two = rng.sample(HOBBIES, 2)
    reply = (
        rng.choice(
            [
                f"How about {one}?",
                f"When people are {mood}, {one} can help.",
                f"I am sorry to hear that. Try {one} or {two}.",
            ]
        )
        + " "
        + rng.choice(
            [
                f"You could also call {rng.choice(NAMES)}.",
                f"A walk to the {rng.choice(PLACES)} is a good idea too.",
                "Drink some water and take a deep breath.",
                f"Tomorrow, on {rng.choice(WEEKDAYS)}, it will be better.",
            ]
        )
    )
    return (mood, number), question, reply


UNICODE = [
    "🙂",
    "🎉 hurra",
    "こんにちは",
    "你好，世界",
    "Привет",
    "naïve café",
    "¿Qué tal?",
    "👩‍👩‍👧",
    "₿ and €",
    "Ελλάδα",
    "\t tabs \t and  spaces",
    "line\nbreak",
]


def unknown(rng):
    """Text outside the models' world: an honest reply, and every byte of the tokenizer in use."""
    odd = rng.choice(UNICODE)
    number = rng.randrange(4)
    question = ["{o}", "What does {o} mean?", "Please read {o} to me.", "Translate {o}."][number].format(o=odd)
    return (
        (odd, number),
        question,
        rng.choice(
            [
                "I am sorry, I do not know that.",
                "That is too hard for me.",
                "I am only a small model and cannot read that.",
            ]
        ),
    )


FREE = {f.__name__: f for f in (story, describe, greeting, about, advice, unknown)}
FREE_WEIGHTS = [10, 5, 3, 2, 4, 1]
