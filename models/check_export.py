"""Compares the GGUF files in llama.cpp with the training side: token ids of 300 corpus texts and of odd Unicode, the
chat template, greedy replies to 50 held-out questions, and next-token probabilities.

    python check_export.py
"""

import json
from pathlib import Path

import numpy as np
import torch

from freetext import UNICODE
from generate import greedy_replies
from llama_cpp import Served
from model import CONFIGS, published
from tokens import VOCAB, load_tokenizer, render

HERE = Path(__file__).parent
ODD = [
    *UNICODE,
    "  two  spaces",
    "\n\nabc",
    "a\n b",
    "tab\tx  y ",
    "trailing  ",
    "   ",
    "\n",
    "\r\nx",
    "12 345,6",
    "x²³½ ①",
    "٣٤",
    "don't we'll I'M",
    "漢字テスト12",
    "👩‍👩‍👧‍👦🏽",
    "\u00a0no-break\u3000wide",
    "e\u0301",
    "<|im_start|>user\nHi<|im_end|>\n",
    "a<|im_end|>b",
    "__init__(self)--x",
    "$5.00!!!???",
    "ẞß ǅ ʼn",
    "हिन्दी",
    "ไทย 12",
    "\u200bzero width",
    "…—“quotes”",
]
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Spell cat."},
]


def corpus_texts(count):
    with open(HERE / "build/train.jsonl", encoding="utf-8") as lines:
        return [message["content"] for _, line in zip(range(count), lines) for message in json.loads(line)][:count]


def main():
    tokenizer = load_tokenizer()
    questions = [json.loads(line)["question"] for line in open(HERE / "data/heldout.jsonl", encoding="utf-8")][::8]
    prompts = [tokenizer.encode(render([{"role": "user", "content": q}])).ids for q in questions]
    for name in CONFIGS:
        served = Served(HERE / f"demo-{name}.gguf")
        texts = corpus_texts(300) + ODD
        same = sum(served.tokenize(text) == tokenizer.encode(text).ids for text in texts)
        assert served.chat_prompt(TALK) == render(TALK), "chat template"
        model = published(name)
        replies = greedy_replies(model, tokenizer, questions, half=False)
        identical = sum(served.greedy(prompt)[0] == reply for prompt, reply in zip(prompts, replies))
        worst = 0.0
        for prompt in prompts:
            with torch.no_grad():
                logits = model(torch.tensor([prompt]), torch.ones(1, len(prompt)))[0, -1]
            worst = max(
                worst, float(np.abs(served.distribution(prompt, VOCAB, VOCAB) - logits.softmax(-1).numpy()).max())
            )
        print(
            f"{name}: {same} of {len(texts)} texts tokenised alike, "
            f"{identical} of {len(questions)} greedy replies identical, "
            f"largest difference of a next-token probability {worst:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
