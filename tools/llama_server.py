#!/usr/bin/env python3
"""The same judgements by llama.cpp's own server, to compare `uhlm loadtest` with.

A device drafts, and the target decides token by token. llama-server has no way to judge a window: it gives the
probabilities of one position a request, so each token that is decided takes a request and a forward pass of its own
(`/completion`, `n_predict` 1, `n_probs`, `cache_prompt`), however many drafted tokens would have stood. This script
asks for them as phones would, from so many sessions at once, each with a slot of its own and the cache on, and counts
passes, time and bytes.

    python3 -m venv venv && venv/bin/pip install xllamacpp
    venv/bin/python tools/llama_server.py target.gguf --sessions 1,8,32 --seconds 10

It prints a table, or with --json one document. Compare with
`uhlm loadtest --target target.gguf --sessions 1,8,32 --draft-ms 0 --writing windows`.
"""

import argparse
import http.client
import json
import random
import socket
import statistics
import sys
import threading
import time


class Counted(http.client.HTTPConnection):
    """A connection that counts the bytes on its socket, headers included."""

    up = 0
    down = 0

    def send(self, data):
        if hasattr(data, "__len__"):
            self.up += len(data)
        super().send(data)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve(path, sessions, context, threads):
    """Starts the server in this process; returns it with its port."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.port = free_port()
    params.n_parallel = sessions
    # A thread for each session that waits, and some for the counters.
    params.n_threads_http = sessions + 4
    params.endpoint_metrics = True
    params.n_ctx = context * sessions
    if threads:
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
    params.warmup = True
    server = xllamacpp.Server(params)
    return server, params.port


def request(connection, method, path, body=None):
    """Sends a request and returns the answer with the size of its head and body."""
    text = None if body is None else json.dumps(body).encode()
    headers = {} if text is None else {"Content-Type": "application/json"}
    connection.request(method, path, body=text, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + 17
    connection.down += head + len(content)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
    return json.loads(content) if content else None


def wait_until_ready(port, patience=120):
    began = time.monotonic()
    while time.monotonic() - began < patience:
        try:
            if request(Counted("127.0.0.1", port, timeout=5), "GET", "/health"):
                return
        except (OSError, RuntimeError):
            time.sleep(0.2)
    raise RuntimeError("the server does not come up")


def forwards(port):
    """Returns how many forward passes the engine has made."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    found = [line.split()[1] for line in text.splitlines() if line.startswith("llamacpp:n_decode_total ")]
    return float(found[0]) if found else float("nan")


class Session(threading.Thread):
    """One phone: a prompt, then one token a request, as the target decides them."""

    def __init__(self, port, slot, prompt, reply, top, stop):
        super().__init__(daemon=True)
        self.port, self.slot, self.prompt, self.reply, self.top, self.stop = port, slot, prompt, reply, top, stop
        self.times, self.tokens, self.failed = [], 0, None
        self.connection = Counted("127.0.0.1", port, timeout=300)
        self.measuring = threading.Event()

    def run(self):
        try:
            while not self.stop.is_set():
                self.write()
        except (OSError, RuntimeError, KeyError, http.client.HTTPException) as failure:
            self.failed = failure

    def write(self):
        ids = list(self.prompt)
        for _ in range(self.reply):
            if self.stop.is_set():
                return
            body = {
                "prompt": ids,
                "n_predict": 1,
                "n_probs": self.top,
                "cache_prompt": True,
                "id_slot": self.slot,
                "temperature": 0.0,
                "return_tokens": True,
            }
            began = time.monotonic()
            answer = request(self.connection, "POST", "/completion", body)
            if self.measuring.is_set():
                self.times.append(time.monotonic() - began)
                self.tokens += 1
            told = answer.get("tokens") or [answer["completion_probabilities"][0]["id"]]
            ids.append(told[0])


def prompts(port, count, length, seed):
    """Makes prompts of tokens out of ordinary words."""
    words = "the river runs past old houses while people walk home and talk about bread rain and work".split()
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        text = " ".join(dice.choice(words) for _ in range(length))
        ids = request(Counted("127.0.0.1", port, timeout=30), "POST", "/tokenize", {"content": text})["tokens"]
        made.append(ids[:length])
    return made


def measure(path, sessions, args):
    server, port = serve(path, sessions, args.prompt_tokens + args.reply_tokens + 8, args.threads)
    try:
        wait_until_ready(port)
        stop = threading.Event()
        texts = prompts(port, sessions, args.prompt_tokens, args.seed)
        phones = [Session(port, i, text, args.reply_tokens, args.n_probs, stop) for i, text in enumerate(texts)]
        for phone in phones:
            phone.start()
        time.sleep(args.warmup)
        passes = forwards(port)
        before = [(phone.connection.up, phone.connection.down) for phone in phones]
        for phone in phones:
            phone.measuring.set()
        time.sleep(args.seconds)
        passes = forwards(port) - passes
        stop.set()
        after = [(phone.connection.up, phone.connection.down) for phone in phones]
        for phone in phones:
            phone.join(timeout=60)
        failures = [phone.failed for phone in phones if phone.failed]
        if failures:
            raise RuntimeError(f"{len(failures)} sessions failed: {failures[0]}")
    finally:
        del server
    times = sorted(time for phone in phones for time in phone.times)
    tokens = sum(phone.tokens for phone in phones)
    at = lambda share: times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")
    grown = lambda side: sum(b[side] - a[side] for a, b in zip(before, after))
    return {
        "sessions": sessions,
        "tokens_per_second": tokens / args.seconds,
        # Each token is a request, and a pass of its slot; slots that are busy together share a forward.
        "passes_per_second": passes / args.seconds,
        "tokens_per_pass": tokens / passes if passes else float("nan"),
        "mean_ms": 1e3 * statistics.fmean(times) if times else float("nan"),
        "p50_ms": 1e3 * at(0.50),
        "p95_ms": 1e3 * at(0.95),
        "p99_ms": 1e3 * at(0.99),
        "bytes_up_per_token": grown(0) / max(tokens, 1),
        "bytes_down_per_token": grown(1) / max(tokens, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="target model, a GGUF file")
    parser.add_argument("--sessions", default="1,8,32", help="numbers of sessions, separated by commas")
    parser.add_argument("--seconds", type=float, default=10, help="seconds that are measured")
    parser.add_argument("--warmup", type=float, default=3, help="seconds before that")
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--reply-tokens", type=int, default=64)
    parser.add_argument("--n-probs", type=int, default=20, help="probabilities a position, as a verifier needs them")
    parser.add_argument("--threads", type=int, default=0, help="threads that decode; 0 for the server's choice")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    rows = [measure(args.model, int(sessions), args) for sessions in args.sessions.split(",")]
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    heading = ("sessions", "tokens/s", "passes/s", "tokens/pass", "p50", "p95", "p99", "up/token", "down/token")
    print(" ".join(f"{name:>{width}}" for name, width in zip(heading, (8, 9, 9, 11, 9, 9, 9, 9, 10))))
    for row in rows:
        print(
            f"{row['sessions']:8d} {row['tokens_per_second']:9.1f} {row['passes_per_second']:9.1f} "
            f"{row['tokens_per_pass']:11.2f} "
            f"{row['p50_ms']:6.1f} ms {row['p95_ms']:6.1f} ms {row['p99_ms']:6.1f} ms "
            f"{row['bytes_up_per_token']:7.0f} B {row['bytes_down_per_token']:8.0f} B"
        )


if __name__ == "__main__":
    sys.exit(main())
