"""Greedy replies of the PyTorch model, many at once, for a look at its accuracy during training."""

import torch

from check import final_answer
from tokens import IM_END, render


@torch.no_grad()
def greedy_replies(model, tokenizer, questions, limit=96, half=True):
    """Answers all questions in one left-padded batch, in bfloat16 if `half`. The padding is a document of its own, so
    that nothing sees it."""
    prompts = [tokenizer.encode(render([{"role": "user", "content": q}])).ids for q in questions]
    end, longest = tokenizer.token_to_id(IM_END), max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    document = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    done = torch.zeros(len(prompts), dtype=torch.bool)
    for _ in range(limit):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = torch.nn.functional.linear(model.hidden(tokens, document)[:, -1], model.embed.weight)
        following = logits.float().argmax(-1)
        done |= following == end
        tokens = torch.cat([tokens, following[:, None]], 1)
        document = torch.cat([document, torch.ones_like(following)[:, None]], 1)
        if done.all():
            break
    replies = []
    for row in tokens[:, longest:].tolist():
        replies.append(tokenizer.decode(row[: row.index(end)] if end in row else row, skip_special_tokens=False))
    return replies


def greedy_accuracy(model, tokenizer, questions):
    """Share of right answers, all together and by task."""
    replies = greedy_replies(model, tokenizer, [q["question"] for q in questions])
    by_task = {}
    for question, reply in zip(questions, replies):
        by_task.setdefault(question["task"], []).append(final_answer(reply) == question["check"])
    right = [r for results in by_task.values() for r in results]
    return sum(right) / len(right), {task: sum(r) / len(r) for task, r in by_task.items()}
