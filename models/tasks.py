"""The checkable tasks. A task is a function rng -> (key, question, reply, check).

`key` names what must not be shared between training and held-out data (operands, lists, or fact and phrasing).
`reply` always ends in "Answer: <check>." and shows its working where the task needs some.
"""

from facts import MONTH_DAYS, MONTHS, NAMES, WEEKDAYS, WORDS, facts

FACTS = facts()


def _ask(rng, phrasings, **values):
    return rng.choice(phrasings).format(**values)


def _done(key, question, work, check):
    return key, question, f"{work} Answer: {check}.", str(check)


def add(rng):
    digits = rng.choice([1, 2, 2, 3, 3, 3, 4, 4])
    low = 10 ** (digits - 1)
    a, b = rng.randint(low, 10 * low - 1), rng.randint(low, 10 * low - 1)
    steps, carry = [], 0
    for x, y in zip(reversed(str(a)), reversed(str(b))):
        total = int(x) + int(y) + carry
        steps.append(f"{x}+{y}{'+1' if carry else ''}={total}")
        carry = total // 10
    question = _ask(
        rng,
        [
            "What is {a} + {b}?",
            "Add {a} and {b}.",
            "{a} + {b} = ?",
            "Calculate {a} + {b}.",
            "How much is {a} plus {b}?",
            "Please add {a} to {b}.",
            "What is the sum of {a} and {b}?",
            "Compute {a}+{b}.",
        ],
        a=a,
        b=b,
    )
    return _done((a, b), question, f"{a}+{b}: {', '.join(steps)}.", a + b)


def sub(rng):
    digits = rng.choice([1, 2, 2, 3, 3, 3, 4])
    low = 10 ** (digits - 1)
    b, a = sorted([rng.randint(low, 10 * low - 1), rng.randint(low, 10 * low - 1)])
    steps, borrow = [], 0
    for x, y in zip(reversed(str(a)), reversed(str(b))):
        top = int(x) + (10 if int(x) - borrow < int(y) else 0)
        steps.append(f"{top}-{y}{'-1' if borrow else ''}={top - int(y) - borrow}")
        borrow = int(top >= 10 and top != int(x))
    question = _ask(
        rng,
        [
            "What is {a} - {b}?",
            "Subtract {b} from {a}.",
            "{a} - {b} = ?",
            "Calculate {a} - {b}.",
            "How much is {a} minus {b}?",
            "Take {b} away from {a}.",
            "Compute {a}-{b}.",
            "What is the difference of {a} and {b}?",
        ],
        a=a,
        b=b,
    )
    return _done((a, b), question, f"{a}-{b}: {', '.join(steps)}.", a - b)


def mul(rng):
    a, b = rng.randint(11, rng.choice([99, 999])), rng.randint(2, 9)
    steps, carry = [], 0
    for x in reversed(str(a)):
        product = int(x) * b
        steps.append(f"{x}*{b}={product}" + (f"+{carry}={product + carry}" if carry else ""))
        carry = (product + carry) // 10
    question = _ask(
        rng,
        [
            "What is {a} * {b}?",
            "Multiply {a} by {b}.",
            "{a} * {b} = ?",
            "How much is {a} times {b}?",
            "Calculate {a} times {b}.",
            "What is the product of {a} and {b}?",
            "Compute {a}*{b}.",
        ],
        a=a,
        b=b,
    )
    return _done((a, b), question, f"{a}*{b}: {', '.join(steps)}.", a * b)


def sequence(rng):
    start, step = rng.randint(1, 60), rng.randint(2, 12)
    a, b, c, d = (start + i * step for i in range(4))
    question = _ask(
        rng,
        [
            "Which number comes next: {a}, {b}, {c}, {d}?",
            "Continue the sequence {a}, {b}, {c}, {d}.",
            "{a}, {b}, {c}, {d}: what is the next number?",
            "What follows {a}, {b}, {c}, {d}?",
            "Find the next number after {a}, {b}, {c}, {d}.",
        ],
        a=a,
        b=b,
        c=c,
        d=d,
    )
    return _done((start, step), question, f"The step is {b}-{a}={step}. Next: {d}+{step}={d + step}.", d + step)


def compare(rng):
    low = rng.choice([10, 100, 1000])
    a = rng.randint(low, 10 * low - 1)
    b = a
    while b == a:
        b = rng.choice([rng.randint(low, 10 * low - 1), a // 10 * 10 + rng.randint(0, 9)])
    larger = rng.random() < 0.5
    word = rng.choice(["larger", "bigger", "greater"] if larger else ["smaller", "less"])
    question = _ask(
        rng,
        [
            "Which number is {w}, {a} or {b}?",
            "{a} or {b}: which one is {w}?",
            "Compare {a} and {b}. Which is {w}?",
            "Which is {w}: {a} or {b}?",
            "Of {a} and {b}, which number is {w}?",
        ],
        w=word,
        a=a,
        b=b,
    )
    check = max(a, b) if larger else min(a, b)
    other = a + b - check
    return _done(tuple(sorted([a, b])), question, f"{check} is {word} than {other}.", check)


def _join(items):
    return ", ".join(map(str, items[:-1])) + f" and {items[-1]}"


def extreme(rng):
    numbers = rng.sample(range(10, 100), rng.randint(3, 5))
    largest = rng.random() < 0.5
    word = rng.choice(["largest", "biggest", "greatest"] if largest else ["smallest", "lowest"])
    question = _ask(
        rng,
        [
            "What is the {w} of {l}?",
            "Which of {l} is the {w}?",
            "Find the {w} number: {l}.",
            "Here are some numbers: {l}. Which is the {w}?",
            "Pick the {w} number from {l}.",
        ],
        w=word,
        l=_join(numbers),
    )
    check = max(numbers) if largest else min(numbers)
    return _done(tuple(sorted(numbers)), question, f"The {word} number in the list is {check}.", check)


def sort_numbers(rng):
    numbers = rng.sample(range(10, 100), rng.randint(3, 5))
    up = rng.random() < 0.5
    order = rng.choice(
        ["ascending order", "order from small to large"] if up else ["descending order", "order from large to small"]
    )
    question = _ask(
        rng,
        [
            "Sort {l} in {o}.",
            "Put {l} in {o}.",
            "Write {l} in {o}.",
            "Please sort these numbers in {o}: {l}.",
            "Can you bring {l} into {o}?",
        ],
        l=", ".join(map(str, numbers)),
        o=order,
    )
    return _done(
        tuple(sorted(numbers)),
        question,
        f"Here they are in {order}.",
        ", ".join(map(str, sorted(numbers, reverse=not up))),
    )


def sort_words(rng):
    words = []
    while len(words) < 3 or (len(words) < 5 and rng.random() < 0.5):
        word = rng.choice(WORDS)
        if all(word[0] != w[0] for w in words):
            words.append(word)
    question = _ask(
        rng,
        [
            "Sort these words by the alphabet: {l}.",
            "Put the words {l} in alphabetical order.",
            "Alphabetical order, please: {l}.",
            "Order the words {l} from a to z.",
            "Which order do {l} have in a dictionary?",
        ],
        l=", ".join(words),
    )
    ordered = sorted(words)
    return _done(tuple(ordered), question, f"First letters: {' '.join(w[0] for w in ordered)}.", ", ".join(ordered))


def _word(rng, phrasings):
    """A word in a phrasing; the key is the pair."""
    word, number = rng.choice(WORDS), rng.randrange(len(phrasings))
    return word, (word, number), phrasings[number].format(w=word)


def spell(rng):
    word, key, question = _word(
        rng,
        [
            "Spell the word {w}.",
            "How do you spell {w}?",
            "Please spell {w}.",
            "Which letters are in the word {w}?",
            "Write the word {w} letter by letter.",
            "Can you spell {w} for me?",
            "Say {w} letter by letter.",
            "I forgot how to spell {w}. Help me.",
        ],
    )
    return _done(key, question, f"The word {word}, letter by letter.", " ".join(word))


def count(rng):
    word, key, question = _word(
        rng,
        [
            "How many letters does the word {w} have?",
            "Count the letters in {w}.",
            "How long is the word {w}?",
            "What is the number of letters in {w}?",
            "The word {w} has how many letters?",
            "Tell me how many letters {w} has.",
            "How many letters do I need to write {w}?",
        ],
    )
    return _done(key, question, " ".join(f"{c} {i}" for i, c in enumerate(word, 1)) + ".", f"{len(word)} letters")


def reverse(rng):
    word, key, question = _word(
        rng,
        [
            "Reverse the word {w}.",
            "Write {w} backwards.",
            "What is {w} backwards?",
            "Spell {w} from the end to the start.",
            "Turn the word {w} around.",
            "Read {w} from right to left.",
            "How does {w} look in a mirror?",
        ],
    )
    return _done(key, question, f"Forwards: {' '.join(word)}. Now backwards.", " ".join(reversed(word)))


def nth_letter(rng):
    word = rng.choice(WORDS)
    n = rng.randint(1, len(word))
    name = ["first", "second", "third", "fourth", "fifth", "sixth"][n - 1]
    question = _ask(
        rng,
        [
            "What is the {n} letter of {w}?",
            "Which letter is the {n} one in {w}?",
            "Tell me the {n} letter of the word {w}.",
            "Name the {n} letter in {w}.",
            "The {n} letter of {w} is which one?",
        ],
        n=name,
        w=word,
    )
    return _done((word, n), question, " ".join(f"{c} {i}" for i, c in enumerate(word[:n], 1)) + ".", word[n - 1])


def _walk(names, start, n):
    """Counts n places on (or back, n < 0) around the circle of names."""
    sign = 1 if n > 0 else -1
    return [names[(start + sign * i) % len(names)] for i in range(abs(n) + 1)]


def weekday(rng):
    start, n, back = rng.randrange(7), rng.randint(1, 20), rng.random() < 0.4
    if back:
        phrasings = [
            "Today is {d}. Which day was it {n} days ago?",
            "Which weekday was {n} days before {d}?",
            "If today is {d}, what day was it {n} days ago?",
            "Go back {n} days from {d}. Which day is it?",
        ]
    else:
        phrasings = [
            "Today is {d}. Which day is it in {n} days?",
            "Which weekday comes {n} days after {d}?",
            "If today is {d}, what day will it be in {n} days?",
            "It is {d}. What day follows {n} days later?",
        ]
    question = _ask(rng, phrasings, d=WEEKDAYS[start], n=n).replace(" 1 days", " 1 day")
    rest = n % 7
    weeks = f"{n}-{n - rest}={rest}. " if n >= 7 else ""
    path = _walk(WEEKDAYS, start, -rest if back else rest)
    return _done((start, n, back), question, weeks + ", ".join(f"{d} {i}" for i, d in enumerate(path)) + ".", path[-1])


def month(rng):
    start, n, back = rng.randrange(12), rng.randint(1, 9), rng.random() < 0.4
    if back:
        phrasings = [
            "Which month is {n} months before {m}?",
            "It is {m}. Which month was it {n} months ago?",
            "Go back {n} months from {m}.",
        ]
    else:
        phrasings = [
            "Which month is {n} months after {m}?",
            "It is {m}. Which month is it in {n} months?",
            "Count {n} months on from {m}.",
            "What month comes {n} months later than {m}?",
        ]
    question = _ask(rng, phrasings, m=MONTHS[start], n=n).replace(" 1 months", " 1 month")
    path = _walk(MONTHS, start, -n if back else n)
    return _done((start, n, back), question, ", ".join(f"{m} {i}" for i, m in enumerate(path)) + ".", path[-1])


def date(rng):
    m, n = rng.randrange(12), rng.randint(1, 20)
    length = MONTH_DAYS[m]
    d = rng.randint(1, length)
    total = d + n
    work = f"{MONTHS[m]} has {length} days. {d}+{n}={total}"
    if total <= length:
        check = f"{total} {MONTHS[m]}"
    else:
        work += f", {total}-{length}={total - length}"
        check = f"{total - length} {MONTHS[(m + 1) % 12]}"
    question = _ask(
        rng,
        [
            "What date is {n} days after {d} {m}?",
            "Today is {d} {m}. Which date is it in {n} days?",
            "Add {n} days to {d} {m}.",
            "It is {d} {m}. What is the date {n} days later?",
        ],
        d=d,
        m=MONTHS[m],
        n=n,
    ).replace(" 1 days", " 1 day")
    return _done((m, d, n), question, work + ".", check)


def clock(rng):
    h, m, n = rng.randint(1, 22), rng.randint(0, 59), rng.randrange(5, 60, 5)
    total = m + n
    work = f"{m}+{n}={total}"
    if total >= 60:
        work += f", {total}-60={total - 60}, {h}+1={h + 1}"
    check = f"{h + total // 60}:{total % 60:02}"
    question = _ask(
        rng,
        [
            "It is {t}. What time is it in {n} minutes?",
            "What is the time {n} minutes after {t}?",
            "Add {n} minutes to {t}.",
            "The train leaves at {t} and needs {n} minutes. When does it arrive?",
            "A film of {n} minutes starts at {t}. When does it end?",
        ],
        t=f"{h}:{m:02}",
        n=n,
    )
    return _done((h, m, n), question, work + ".", check)


UNITS = [
    ("metres", "centimetres", 100),
    ("kilometres", "metres", 1000),
    ("kilograms", "grams", 1000),
    ("litres", "millilitres", 1000),
    ("centimetres", "millimetres", 10),
    ("euros", "cents", 100),
    ("tonnes", "kilograms", 1000),
    ("decades", "years", 10),
    ("centuries", "years", 100),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("weeks", "days", 7),
]


def units(rng):
    big, small, factor = rng.choice(UNITS)
    n = rng.randint(2, 99 if factor % 10 == 0 and factor != 60 else 9)
    question = _ask(
        rng,
        [
            "How many {s} are {n} {b}?",
            "Convert {n} {b} to {s}.",
            "{n} {b} in {s}?",
            "I have {n} {b}. How many {s} is that?",
            "Write {n} {b} as {s}.",
            "Change {n} {b} into {s}.",
        ],
        s=small,
        b=big,
        n=n,
    )
    return _done((big, n), question, f"Times {factor}: {n}*{factor}={n * factor}.", f"{n * factor} {small}")


def fact(rng):
    category, number, x, question, reply, check = rng.choice(FACTS)
    return (category, number, x), question, reply, check


TRAITS = [
    ("taller", "tallest"),
    ("older", "oldest"),
    ("faster", "fastest"),
    ("stronger", "strongest"),
    ("richer", "richest"),
]


def ranking(rng):
    names, (comparative, superlative) = rng.sample(NAMES, 3), rng.choice(TRAITS)
    claims = [f"{names[0]} is {comparative} than {names[1]}.", f"{names[1]} is {comparative} than {names[2]}."]
    rng.shuffle(claims)
    which = rng.randrange(2)
    asked = f"Who is the {superlative}?" if which == 0 else "Who comes last?"
    question = " ".join(claims + [asked])
    return _done(
        tuple(names),
        question,
        f"First {names[0]}, then {names[1]}, then {names[2]}.",
        names[0] if which == 0 else names[2],
    )


THINGS = "apples pears books coins stones cards stamps eggs nuts balls shells pens".split()


def word_problem(rng):
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    a, b = rng.randint(5, 60), rng.randint(2, 30)
    gain = b >= a or rng.random() < 0.5
    if gain:
        phrasings = [
            "{p} has {a} {t} and gets {b} more. How many {t} does {p} have now?",
            "{p} finds {b} {t} and had {a} {t} before. How many now?",
            "There are {a} {t} in a box. {p} puts {b} more into it. How many {t} are in the box?",
        ]
    else:
        phrasings = [
            "{p} has {a} {t} and gives {b} away. How many {t} are left?",
            "{p} had {a} {t} but lost {b}. How many {t} does {p} have now?",
            "There are {a} {t} in a box. {p} takes {b} out. How many {t} are in the box?",
        ]
    question = _ask(rng, phrasings, p=name, t=thing, a=a, b=b)
    result = a + b if gain else a - b
    return _done((a, b, gain), question, f"{a}{'+' if gain else '-'}{b}={result}.", f"{result} {thing}")


TASKS = {
    f.__name__: f
    for f in (
        add,
        sub,
        mul,
        sequence,
        compare,
        extreme,
        sort_numbers,
        sort_words,
        spell,
        count,
        reverse,
        nth_letter,
        weekday,
        month,
        date,
        clock,
        units,
        fact,
        ranking,
        word_problem,
    )
}
