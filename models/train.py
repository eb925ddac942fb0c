"""Trains one model of the pair on the packed corpus; resumable; Muon for the matrices, AdamW for embeddings and norms.

    python train.py draft
    python train.py target

The learning rate warms up, stays, then falls linearly to zero, in one or more cycles. A run that is stopped goes on
from its checkpoint build/<name>.pt, with the rows that it would have seen; a finished one is left as it is.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

# Threads that wait without spinning: the machine has other work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import torch

from generate import greedy_accuracy
from model import CONFIGS, Llama
from tokens import load_tokenizer

HERE = Path(__file__).parent
SEED, LONG_EVERY, WARMUP = 5, 12, 100
MUON_LR, ADAM_LR, WEIGHT_DECAY = 0.02, 3e-3, 0.01
# The learning rate's cycles: (step from which it falls linearly to zero, last step, highest factor).
CYCLES = {"draft": [(480, 800, 1.0)], "target": [(650, 1500, 1.0), (1500, 1850, 0.4), (1850, 2100, 0.4)]}
# From this step on the ordinary rows are those of the corpus with more of the hard tasks.
HARD_FROM = {"draft": 800, "target": 1500}
# Tokens of a batch before and from step HALVED: the target's batches are halved once its loss has fallen steeply.
BATCH, HALVED = 8192, {"draft": 800, "target": 500}


def orthogonalise(matrix, steps=5):
    """Newton-Schulz iteration of Muon: the nearest matrix with singular values near one."""
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, then orthogonalised updates. `parts` splits a fused matrix into the ones that it stands for."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, parts=1))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                momentum = state.setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(momentum, group["momentum"])
                pieces = [
                    orthogonalise(u) * max(1, u.shape[0] / u.shape[1]) ** 0.5 for u in update.chunk(group["parts"])
                ]
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(torch.cat(pieces), alpha=-group["lr"])


def optimisers(model):
    matrices = [(n, p) for n, p in model.blocks.named_parameters() if p.dim() == 2]
    parts = {"qkv": 3, "gate_up": 2}
    groups = [
        dict(params=[p for n, p in matrices if parts.get(n.split(".")[-2], 1) == count], parts=count)
        for count in (1, 2, 3)
    ]
    rest = [model.embed.weight] + [p for p in model.parameters() if p.dim() == 1]
    return [
        Muon(groups, lr=MUON_LR, weight_decay=WEIGHT_DECAY),
        torch.optim.AdamW(rest, lr=ADAM_LR, betas=(0.9, 0.95), weight_decay=0.0),
    ]


class Rows:
    """The packed rows, in an order fixed by the seed, so that a resumed run sees what it would have seen."""

    def __init__(self, name):
        data = np.load(HERE / f"build/{name}.npz")
        self.arrays = [data[key] for key in ("tokens", "document", "learned")]
        self.order = np.random.default_rng((SEED, 0)).permutation(len(self.arrays[0]))

    def batch(self, number, halved, tokens=BATCH):
        """The batch of that number, of so many tokens; from number `halved` on, half as many rows each."""
        full = tokens // self.arrays[0].shape[1]
        half = full // 2
        first, count = (number * full, full) if number < halved else (halved * full + (number - halved) * half, half)
        rows = self.order[np.arange(first, first + count) % len(self.order)]
        tokens, document, learned = (torch.from_numpy(a[rows]) for a in self.arrays)
        return tokens.long(), document, learned


def rate(step, cycles):
    """The learning rate's factor at a step."""
    decay_from, end, peak = next(cycle for cycle in cycles if step < cycle[1])
    return peak * min((step + 1) / WARMUP, 1.0, (end - step) / (end - decay_from))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONFIGS)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cycles, halved = CYCLES[args.name], HALVED[args.name]
    steps = cycles[-1][1]
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)

    model = Llama(CONFIGS[args.name])
    opts = optimisers(model)
    path, step, elapsed, tokens_seen = HERE / f"build/{args.name}.pt", 0, 0.0, 0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["model"])
        for opt, state in zip(opts, saved["opts"]):
            opt.load_state_dict(state)
        step, elapsed, tokens_seen = saved["step"], saved["elapsed"], saved["tokens_seen"]
    base = [[group.setdefault("base_lr", group["lr"]) for group in opt.param_groups] for opt in opts]
    tokenizer, train, long, hard = load_tokenizer(), Rows("train"), Rows("long"), Rows("hard")
    calibration = [json.loads(line) for line in open(HERE / "data/calibration.jsonl", encoding="utf-8")]
    print(f"{args.name}: {model.size():,} parameters, step {step} of {steps}", flush=True)

    def save():
        state = dict(
            model=model.state_dict(),
            opts=[o.state_dict() for o in opts],
            step=step,
            elapsed=elapsed,
            tokens_seen=tokens_seen,
        )
        torch.save(state, f"{path}.new")
        os.replace(f"{path}.new", path)

    hidden = torch.compile(model.hidden, dynamic=False)
    clock, losses = time.monotonic(), []
    while step < steps:
        longs = step // LONG_EVERY
        rows, number, at_half = (
            (long, longs, halved // LONG_EVERY)
            if step % LONG_EVERY == LONG_EVERY - 1
            else (hard if step >= HARD_FROM[args.name] else train, step - longs, halved - halved // LONG_EVERY)
        )
        tokens, document, learned = rows.batch(number, at_half)
        factor = rate(step, cycles)
        for opt, lrs in zip(opts, base):
            for group, lr in zip(opt.param_groups, lrs):
                group["lr"] = lr * factor
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(tokens, document, learned, hidden)
        loss.backward()
        for opt in opts:
            opt.step()
            opt.zero_grad()
        losses.append(loss.item())
        step, tokens_seen, now = step + 1, tokens_seen + int((document > 0).sum()), time.monotonic()
        elapsed, clock = elapsed + now - clock, now
        if step % 50 == 0:
            print(
                f"{args.name} step {step} loss {np.mean(losses[-50:]):.4f} lr {factor:.3f} {elapsed / 60:.1f} min "
                f"{step / elapsed:.2f} steps/s {tokens_seen:,} tokens",
                flush=True,
            )
        if step % 100 == 0 or step == steps:
            save()
        if step in (cycle[1] for cycle in cycles):
            torch.save(model.state_dict(), HERE / f"build/{args.name}-{step}.pt")
        if step % 250 == 0 or step == steps:
            total_right, by_task = greedy_accuracy(model, tokenizer, calibration[::2])
            print(
                f"{args.name} step {step} calibration {total_right:.3f} "
                + " ".join(f"{t}:{a:.2f}" for t, a in by_task.items()),
                flush=True,
            )
            clock = time.monotonic()


if __name__ == "__main__":
    main()
