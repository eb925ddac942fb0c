"""Starts a real llama-server on loopback, from the PyPI package xllamacpp, and waits for the end.

    python tools/engines/llama_server.py models/demo-target.gguf [PORT]

One token of a pass is computed at a time (`n_ubatch = 1`), so that rows are the same to the bit whatever was read
before; leave that out for speed.
"""
import sys
import time

import xllamacpp


def main(model, port="8080"):
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_ctx = 2048
    params.n_parallel = 2
    params.n_ubatch = 1
    params.warmup = False
    params.n_gpu_layers = 0
    server = xllamacpp.Server(params)
    print("listening on", getattr(server, "listening_address", port), flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
