"""Judges the two GGUF files through llama.cpp: accuracy by task, where the draft's errors sit, and the acceptance rate.

    python eval_pair.py [--json build/eval.json]

- accuracy: greedy replies to data/heldout.jsonl, checked by `final_answer`.
- along the target's own greedy replies to every eighth question, at every token: q (draft) and p (target) at
  temperature 1 (each over its 64 likeliest tokens), u = 1 - max q;
  AUC of u against "the draft's greedy token is not the target's"; acceptance = sum min(p, q);
  the same on free text (every second prompt of data/prompts_free.jsonl), along replies drawn from p.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from check import final_answer

HERE = Path(__file__).parent
VOCAB = 1024


def read(name):
    return [json.loads(line) for line in open(HERE / f"data/{name}.jsonl", encoding="utf-8")]


def auc(score, label):
    """The chance that a positive's score is above a negative's, ties counted half."""
    order, inverse = np.unique(score, return_inverse=True)
    positive, negative = (
        np.bincount(inverse[label], minlength=len(order)),
        np.bincount(inverse[~label], minlength=len(order)),
    )
    return float((positive * (np.cumsum(negative) - negative / 2)).sum() / (positive.sum() * negative.sum()))


def prompt_ids(model, question):
    return model.tokenize(model.chat_prompt([{"role": "user", "content": question}]))


def along(draft, target, prompt, reply):
    """q and p at every position of a reply."""
    for at in range(len(reply)):
        prefix = prompt + reply[:at]
        yield draft.distribution(prefix, VOCAB), target.distribution(prefix, VOCAB)


def sampled(rng, draft, target, prompt, end, limit=96):
    """q and p along a reply drawn from p."""
    reply = []
    while len(reply) < limit and end not in reply:
        q, p = draft.distribution(prompt + reply, VOCAB), target.distribution(prompt + reply, VOCAB)
        reply.append(int(rng.choice(VOCAB, p=p)))
        yield q, p


def accuracy(replies, questions):
    by_task = {}
    for reply, question in zip(replies, questions):
        by_task.setdefault(question["task"], []).append(final_answer(reply) == question["check"])
    return {"all": float(np.mean(sum(by_task.values(), [])))} | {
        task: float(np.mean(right)) for task, right in by_task.items()
    }


def summary(pairs):
    """Figures over a list of (q, p)."""
    unsure = np.array([1 - q.max() for q, _ in pairs])
    differs = np.array([q.argmax() != p.argmax() for q, p in pairs])
    accepted = np.array([np.minimum(p, q).sum() for q, p in pairs])
    return {
        "tokens": len(pairs),
        "draft's greedy token differs": float(differs.mean()),
        "auc of unsure against differs": auc(unsure, differs),
        "acceptance": float(accepted.mean()),
        "differs where 1 - max q < 0.1": float(differs[unsure < 0.1].mean()),
        "share of tokens with 1 - max q < 0.1": float((unsure < 0.1).mean()),
        "correlation of unsure with 1 - acceptance": float(np.corrcoef(unsure, 1 - accepted)[0, 1]),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--accuracy-only", action="store_true")
    args = parser.parse_args()
    questions = read("heldout")
    from llama_cpp import Served

    models = {name: Served(HERE / f"demo-{name}.gguf") for name in ("draft", "target")}
    prompts = [prompt_ids(models["target"], q["question"]) for q in questions]
    replies = {name: [model.greedy(prompt) for prompt in prompts] for name, model in models.items()}
    report = {name: accuracy([text for text, _ in replies[name]], questions) for name in models}
    print(f"{'task':14} {'draft':>6} {'target':>6}")
    for task in report["draft"]:
        print(f"{task:14} {report['draft'][task]:6.1%} {report['target'][task]:6.1%}")
    if not args.accuracy_only:
        pairs = [
            pair
            for prompt, (_, ids) in zip(prompts[::8], replies["target"][::8])
            for pair in along(models["draft"], models["target"], prompt, ids)
        ]
        report["held-out, greedy replies of the target"] = summary(pairs)
        rng, (end,) = np.random.default_rng(6), models["target"].tokenize("<|im_end|>")
        pairs = [
            pair
            for prompt in read("prompts_free")[::2]
            for pair in sampled(
                rng, models["draft"], models["target"], prompt_ids(models["target"], prompt["question"]), end
            )
        ]
        report["free text, replies drawn from the target"] = summary(pairs)
        for title in list(report)[2:]:
            print(title, *(f"  {key}: {value:.4g}" for key, value in report[title].items()), sep="\n")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
