"""Trains one model of the prose pair on its own packed rows, with the demo pair's optimisers and one cycle.

    python train_prose.py prose-draft
    python train_prose.py prose-target

Resumable like train.py: a run that is stopped goes on from build/<name>.pt with the rows that it would have seen.
"""

import argparse
import os
import time

import numpy as np

from train import HERE, Rows, optimisers, rate
import torch

from model import CONFIGS, PUBLISHED, Llama

BATCH = 4096
# Different seeds, so that nothing but the kind of text is common to the two.
SEEDS = {"prose-draft": 21, "prose-target": 22}
# The step from which the learning rate falls linearly to zero.
DECAY_FROM = {"prose-draft": 70, "prose-target": 460}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=SEEDS)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    (steps,) = PUBLISHED[args.name]
    cycles = [(DECAY_FROM[args.name], steps, 1.0)]
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEEDS[args.name])
    model = Llama(CONFIGS[args.name])
    opts = optimisers(model)
    path, step, elapsed = HERE / f"build/{args.name}.pt", 0, 0.0
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["model"])
        for opt, state in zip(opts, saved["opts"]):
            opt.load_state_dict(state)
        step, elapsed = saved["step"], saved["elapsed"]
    base = [[group.setdefault("base_lr", group["lr"]) for group in opt.param_groups] for opt in opts]
    rows = Rows(args.name)
    print(f"{args.name}: {model.size():,} parameters, step {step} of {steps}", flush=True)
    clock, losses = time.monotonic(), []
    while step < steps:
        tokens, document, learned = rows.batch(step, steps, BATCH)
        factor = rate(step, cycles)
        for opt, lrs in zip(opts, base):
            for group, lr in zip(opt.param_groups, lrs):
                group["lr"] = lr * factor
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(tokens, document, learned)
        loss.backward()
        for opt in opts:
            opt.step()
            opt.zero_grad()
        losses.append(loss.item())
        step, now = step + 1, time.monotonic()
        elapsed, clock = elapsed + now - clock, now
        if step % 20 == 0:
            print(
                f"{args.name} step {step} loss {np.mean(losses[-20:]):.4f} lr {factor:.3f} {elapsed / 60:.1f} min",
                flush=True,
            )
        if step % 100 == 0 or step == steps:
            torch.save(
                dict(model=model.state_dict(), opts=[o.state_dict() for o in opts], step=step, elapsed=elapsed),
                f"{path}.new",
            )
            os.replace(f"{path}.new", path)
    torch.save(model.state_dict(), HERE / f"build/{args.name}-{steps}.pt")


if __name__ == "__main__":
    main()
