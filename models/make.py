"""Makes the demo pair from nothing: corpus, tokenizer, both trainings, GGUF files, checks, evaluation.

    python -m pip install -r requirements.txt
    python make.py

Resumable: a step whose output is there is not done again, and training goes on from its checkpoint.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(*command):
    print("+", *command, flush=True)
    subprocess.run([sys.executable, *command], cwd=HERE, check=True)


def main():
    if not (HERE / "build/hard.jsonl").exists():
        run("make_corpus.py")
    if not (HERE / "build/hard.npz").exists():
        run("tokens.py")
    run("train.py", "target")
    run("train.py", "draft")
    run("export_gguf.py", "draft", "target")
    run("check_export.py")
    run("eval_pair.py", "--json", "build/eval.json")


if __name__ == "__main__":
    main()
