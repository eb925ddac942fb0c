"""The tokenizer (byte-level BPE, single digits, ChatML specials) and the packing of conversations into rows."""

import json
import os
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).parent
TOKENIZER, PROSE_TOKENIZER = HERE / "build/tokenizer.json", HERE / "build/prose-tokenizer.json"
VOCAB = 1024
END_OF_TEXT, IM_START, IM_END = SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# llama.cpp's name for exactly this pre-tokenizer: digits one by one, then GPT-2's pattern.
LLAMA_CPP_PRE = "smollm"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROW, LONG_ROW = 256, 1024


def train_tokenizer(lines, path=TOKENIZER):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=SPECIALS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    assert tokenizer.get_vocab_size() == VOCAB
    path.write_text(tokenizer.to_str(pretty=True))
    return tokenizer


def load_tokenizer(path=TOKENIZER):
    return Tokenizer.from_file(str(path))


def render(messages):
    """The chat template for a user's turn: what the assistant has to continue."""
    return "".join(f"{IM_START}{m['role']}\n{m['content']}{IM_END}\n" for m in messages) + f"{IM_START}assistant\n"


def _conversations(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def encode(tokenizer, conversations):
    """Yields (ids, learn) for each conversation; `learn` marks the assistant's tokens and its <|im_end|>."""
    start, end, newline = tokenizer.token_to_id(IM_START), tokenizer.token_to_id(IM_END), tokenizer.encode("\n").ids
    for conversation in conversations:
        ids, learn = [], []
        for role, content in zip(conversation[0::2], conversation[1::2]):
            head, body = [start, *role, *newline], [*content[1], end]
            ids += head + body + newline
            learn += [False] * len(head) + [content[0]] * len(body) + [False] * len(newline)
        yield ids, learn


def encode_file(tokenizer, path, batch=20_000):
    """Encodes a JSONL file of conversations, a batch at a time for speed."""
    roles = {role: tokenizer.encode(role).ids for role in ("system", "user", "assistant")}
    pending = []

    def flush():
        texts = [message["content"] for messages in pending for message in messages]
        encoded = iter(tokenizer.encode_batch_fast(texts))
        prepared = []
        for messages in pending:
            flat = []
            for message in messages:
                flat += [roles[message["role"]], (message["role"] == "assistant", next(encoded).ids)]
            prepared.append(flat)
        yield from encode(tokenizer, prepared)
        pending.clear()

    for messages in _conversations(path):
        pending.append(messages)
        if len(pending) == batch:
            yield from flush()
    yield from flush()


def pack(encoded, length):
    """Packs whole conversations into rows of `length`: arrays tokens, learn and document number (0 = padding)."""
    rows, open_rows = [], []
    for ids, learn in encoded:
        if len(ids) > length:
            ids, learn = ids[:length], learn[:length]
        for row in open_rows:
            if row[0] + len(ids) <= length:
                break
        else:
            row = [0, []]
            open_rows.append(row)
        row[0] += len(ids)
        row[1].append((ids, learn))
        if length - row[0] < 24 or len(open_rows) > 24:
            fullest = max(open_rows, key=lambda r: r[0])
            open_rows.remove(fullest)
            rows.append(fullest[1])
    rows += [row[1] for row in open_rows]
    tokens = np.zeros((len(rows), length), np.uint16)
    learned = np.zeros((len(rows), length), bool)
    document = np.zeros((len(rows), length), np.uint8)
    for r, parts in enumerate(rows):
        at = 0
        for number, (ids, learn) in enumerate(parts, 1):
            tokens[r, at : at + len(ids)], learned[r, at : at + len(ids)], document[r, at : at + len(ids)] = (
                ids,
                learn,
                number,
            )
            at += len(ids)
    return tokens, learned, document


def main():
    lines = []
    for number, messages in enumerate(_conversations(HERE / "build/train.jsonl")):
        if number == 40_000:
            break
        lines += [f"{message['role']}\n{message['content']}\n" for message in messages]
    tokenizer = train_tokenizer(lines)
    for name, length in (("train", ROW), ("long", LONG_ROW), ("hard", ROW)):
        tokens, learned, document = pack(encode_file(tokenizer, HERE / f"build/{name}.jsonl"), length)
        np.savez(HERE / "build/new.npz", tokens=tokens, learned=learned, document=document)
        os.replace(HERE / "build/new.npz", HERE / f"build/{name}.npz")
        print(
            f"{name}: {len(tokens)} rows of {length}, {(document > 0).sum():,} tokens, {learned.sum():,} learned, "
            f"{(document > 0).mean():.3f} filled",
            flush=True,
        )


if __name__ == "__main__":
    main()
