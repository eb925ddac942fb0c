"""llama.cpp's own server (the xllamacpp wheel) on one GGUF file: tokenise, greedy replies, next-token distributions."""

import json
import urllib.request

import numpy as np
import xllamacpp


class Served:
    def __init__(self, path, threads=2):
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel = 1024, 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.warmup, params.n_gpu_layers, params.port = False, 0, 0
        self.server = xllamacpp.Server(params)

    def _post(self, path, body):
        request = urllib.request.Request(
            f"{self.server.listening_address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def tokenize(self, text):
        return self._post("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def chat_prompt(self, messages):
        return self._post("/apply-template", {"messages": messages})["prompt"]

    def greedy(self, prompt, limit=96):
        """The reply's text and token ids; `prompt` is a list of token ids."""
        answer = self._post(
            "/completion",
            {"prompt": prompt, "n_predict": limit, "temperature": 0, "return_tokens": True, "cache_prompt": True},
        )
        return answer["content"], answer["tokens"]

    def distribution(self, prompt, vocab, top=64):
        """The next-token distribution at temperature 1 after a list of token ids, over its `top` likeliest tokens."""
        answer = self._post(
            "/completion",
            {
                "prompt": prompt,
                "n_predict": 1,
                "n_probs": top,
                "temperature": 1,
                "top_k": 0,
                "top_p": 1,
                "min_p": 0,
                "cache_prompt": True,
            },
        )
        p = np.zeros(vocab)
        for entry in answer["completion_probabilities"][0]["top_logprobs"]:
            p[entry["id"]] = np.exp(entry["logprob"])
        return p / p.sum()
