"""Writes the corpus: training conversations into build/, the held-out, calibration and free-text prompts into data/.

Everything follows from the seeds below. What is held out is decided by a hash of the question's key (operands, list,
or fact and phrasing), so a held-out key occurs in no training conversation, whatever its phrasing.
"""

import hashlib
import json
import os
import random
from pathlib import Path

from freetext import FREE, FREE_WEIGHTS
from tasks import TASKS

HERE = Path(__file__).parent
TRAIN_SEED, HELDOUT_SEED, CALIBRATION_SEED, FREE_SEED, HARD_SEED = 1, 2, 3, 4, 7
CONVERSATIONS, LONG_CONVERSATIONS, HARD_CONVERSATIONS = 400_000, 6_000, 40_000
TASK_WEIGHTS = {
    "add": 2.0,
    "sub": 2.0,
    "mul": 2.0,
    "sort_numbers": 2.0,
    "sort_words": 1.5,
    "reverse": 1.5,
    "spell": 1.2,
    "date": 1.2,
    "clock": 1.2,
    "fact": 2.5,
}
# The target's last steps see more of what it learns slowly.
HARD_WEIGHTS = {
    "ranking": 6,
    "word_problem": 4,
    "sequence": 4,
    "sort_numbers": 5,
    "sort_words": 4,
    "date": 3,
    "compare": 2,
    "sub": 2,
}
SYSTEM = [
    "You are a helpful assistant.",
    "You are a small model on a phone.",
    "Answer the question.",
    "Be brief and friendly.",
    "You are UHLM, a demo assistant.",
]


def split(task, key):
    """'heldout' (6 %), 'calibration' (4 %) or 'train', by a hash of the key alone."""
    bucket = int.from_bytes(hashlib.sha256(f"{task}|{key}".encode()).digest()[:4], "big") % 100
    return "heldout" if bucket < 6 else "calibration" if bucket < 10 else "train"


def draw(rng, name, wanted):
    """One item of a task or free-text kind that belongs to the wanted part."""
    make = TASKS.get(name) or FREE[name]
    while True:
        item = make(rng)
        if split(name, item[0]) == wanted:
            return item


def turn(rng, weights):
    """One training question and reply."""
    if rng.random() < 0.18:
        name = rng.choices(list(FREE), FREE_WEIGHTS)[0]
    else:
        name = rng.choices(list(TASKS), [weights.get(t, 1.0) for t in TASKS])[0]
    _, question, reply, *_ = draw(rng, name, "train")
    if rng.random() < 0.05 and question[-1] in "?.!":
        question = question[:-1]
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]


def conversation(rng, turns, weights=TASK_WEIGHTS):
    system = [{"role": "system", "content": rng.choice(SYSTEM)}] if rng.random() < 0.2 else []
    return system + [message for _ in range(turns) for message in turn(rng, weights)]


def write_jsonl(path, rows):
    with open(f"{path}.new", "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    os.replace(f"{path}.new", path)


def questions(seed, part, per_task):
    """Distinct questions of one part, the same number from every task."""
    rng, rows = random.Random(seed), []
    for name in TASKS:
        seen = set()
        for _ in range(100_000):
            if len(seen) == per_task:
                break
            _, question, reply, check = draw(rng, name, part)
            if question not in seen:
                seen.add(question)
                rows.append(
                    {
                        "id": f"{part}-{name}-{len(seen):02}",
                        "task": name,
                        "question": question,
                        "answer": reply,
                        "check": check,
                    }
                )
    return rows


def free_prompts(count=60):
    rng, seen = random.Random(FREE_SEED), {}
    while len(seen) < count:
        name = rng.choices(list(FREE), FREE_WEIGHTS)[0]
        key, question, _ = FREE[name](rng)
        if split(name, key) != "train" and question not in seen:
            seen[question] = {"id": f"free-{len(seen) + 1:02}", "question": question}
    return list(seen.values())


def main():
    (HERE / "build").mkdir(exist_ok=True)
    (HERE / "data").mkdir(exist_ok=True)
    write_jsonl(HERE / "data/heldout.jsonl", questions(HELDOUT_SEED, "heldout", 20))
    write_jsonl(HERE / "data/calibration.jsonl", questions(CALIBRATION_SEED, "calibration", 10))
    write_jsonl(HERE / "data/prompts_free.jsonl", free_prompts())
    rng = random.Random(TRAIN_SEED)
    write_jsonl(
        HERE / "build/train.jsonl", (conversation(rng, rng.choice([1, 1, 1, 2, 3])) for _ in range(CONVERSATIONS))
    )
    write_jsonl(HERE / "build/long.jsonl", (conversation(rng, rng.randint(6, 20)) for _ in range(LONG_CONVERSATIONS)))
    rng = random.Random(HARD_SEED)
    write_jsonl(
        HERE / "build/hard.jsonl",
        (conversation(rng, rng.choice([1, 1, 1, 2, 3]), HARD_WEIGHTS) for _ in range(HARD_CONVERSATIONS)),
    )


if __name__ == "__main__":
    main()
