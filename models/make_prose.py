"""Makes the prose pair from nothing: two corpora of free text, a tokenizer, both trainings, GGUF files, evaluation.

    python -m pip install -r requirements.txt
    python make_prose.py

A second pair to measure on, harder than the demo pair: its text has no right answer, its draft model saw little of it.
Draft and target are trained on different conversations from different seeds. Resumable, as make.py is.
"""

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
# Conversations of each model's corpus, and their seeds.
CORPORA = {"prose-draft": (30_000, 31), "prose-target": (90_000, 32)}
CALIBRATION_SEED, CALIBRATION_PROMPTS, TOKENIZER_CONVERSATIONS = 33, 120, 20_000


def run(*command):
    print("+", *command, flush=True)
    subprocess.run([sys.executable, *command], cwd=HERE, check=True)


def conversation(rng):
    from freetext import FREE, FREE_WEIGHTS
    from make_corpus import draw

    _, question, reply = draw(rng, rng.choices(list(FREE), FREE_WEIGHTS)[0], "train")
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]


def calibration_prompts():
    """Returns distinct prompts that are not among those of data/prompts_free.jsonl. There are too few keys to keep some
    of them out of the training as well; but the replies are drawn anew each time, so what is calibrated on was not
    learnt by heart."""
    from freetext import FREE, FREE_WEIGHTS

    taken = {json.loads(line)["question"] for line in open(HERE / "data/prompts_free.jsonl", encoding="utf-8")}
    rng, rows = random.Random(CALIBRATION_SEED), []
    while len(rows) < CALIBRATION_PROMPTS:
        _, question, _ = FREE[rng.choices(list(FREE), FREE_WEIGHTS)[0]](rng)
        if question not in taken:
            taken.add(question)
            rows.append({"id": f"prose-{len(rows) + 1:03}", "question": question})
    return rows


def corpora():
    from make_corpus import write_jsonl
    from tokens import PROSE_TOKENIZER, ROW, encode_file, pack, train_tokenizer

    (HERE / "build").mkdir(exist_ok=True)
    write_jsonl(HERE / "data/prose_calibration.jsonl", calibration_prompts())
    for name, (count, seed) in CORPORA.items():
        rng = random.Random(seed)
        write_jsonl(HERE / f"build/{name}.jsonl", (conversation(rng) for _ in range(count)))
    with open(HERE / "build/prose-target.jsonl", encoding="utf-8") as file:
        lines = [
            f"{m['role']}\n{m['content']}\n"
            for line in itertools.islice(file, TOKENIZER_CONVERSATIONS)
            for m in json.loads(line)
        ]
    tokenizer = train_tokenizer(lines, PROSE_TOKENIZER)
    for name in CORPORA:
        tokens, learned, document = pack(encode_file(tokenizer, HERE / f"build/{name}.jsonl"), ROW)
        np.savez(HERE / f"build/{name}.npz", tokens=tokens, learned=learned, document=document)
        print(
            f"{name}: {len(tokens)} rows of {ROW}, {(document > 0).sum():,} tokens, {learned.sum():,} learned",
            flush=True,
        )


def evaluate():
    """Prints figures as those of eval_pair.py, from the models in PyTorch, along replies that are drawn from the target
    at temperature 1."""
    import torch
    from eval_pair import read, summary
    from model import published
    from tokens import IM_END, PROSE_TOKENIZER, load_tokenizer, render

    tokenizer, rng, pairs = load_tokenizer(PROSE_TOKENIZER), np.random.default_rng(6), []
    models, end = [published(name) for name in CORPORA], tokenizer.token_to_id(IM_END)
    for prompt in read("prompts_free"):
        tokens, reply = tokenizer.encode(render([{"role": "user", "content": prompt["question"]}])).ids, []
        while len(reply) < 96 and end not in reply:
            ids = torch.tensor([tokens + reply])
            with torch.no_grad():
                q, p = [model(ids, torch.ones_like(ids))[0, -1].double().softmax(-1).numpy() for model in models]
            reply.append(int(rng.choice(len(p), p=p)))
            pairs.append((q, p))
    print(*(f"{key}: {value:.4g}" for key, value in summary(pairs).items()), sep="\n")


def main():
    if not (HERE / "build/prose-target.npz").exists():
        corpora()
    run("train_prose.py", "prose-draft")
    run("train_prose.py", "prose-target")
    run("export_gguf.py", "prose-draft", "prose-target")
    evaluate()


if __name__ == "__main__":
    main()
