"""Writes a bundled model in Hugging Face's format, for engines that read no GGUF file (vLLM, SGLang).

    python tools/engines/demo_to_hf.py models/demo-target.gguf FOLDER

Needs gguf, numpy, safetensors and tokenizers. The numbers stay as they are; only the order of the rows of queries and
keys is the other one (llama.cpp rotates neighbours, transformers halves).
"""
import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers


def field(reader, key):
    return reader.fields[key].contents()


def rotated_by_halves(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(reader, heads):
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    parts = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    for tensor in reader.tensors:
        value = np.array(tensor.data, dtype=np.float32).reshape([int(n) for n in reversed(tensor.shape)])
        name = names.get(tensor.name)
        if name is None:
            _, layer, part, _ = tensor.name.split(".")
            name = f"model.layers.{layer}.{parts[part]}.weight"
            if part in ("attn_q", "attn_k"):
                value = rotated_by_halves(value, heads)
        yield name, np.ascontiguousarray(value)


def write_tokenizer(reader, folder):
    pieces, types = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [piece for piece, kind in zip(pieces, types) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in control])
    tokenizer.save(str(folder / "tokenizer.json"))
    eos = pieces[field(reader, "tokenizer.ggml.eos_token_id")]
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos, "model_max_length": 1024,
              "chat_template": field(reader, "tokenizer.chat_template")}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def main(path, folder):
    reader, folder = GGUFReader(path), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    llama = lambda key: field(reader, f"llama.{key}")
    heads = llama("attention.head_count")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32",
        "hidden_size": llama("embedding_length"), "intermediate_size": llama("feed_forward_length"),
        "num_hidden_layers": llama("block_count"), "num_attention_heads": heads, "num_key_value_heads": heads,
        "head_dim": llama("embedding_length") // heads, "rms_norm_eps": llama("attention.layer_norm_rms_epsilon"),
        "rope_theta": llama("rope.freq_base"), "max_position_embeddings": llama("context_length"),
        "vocab_size": len(field(reader, "tokenizer.ggml.tokens")), "tie_word_embeddings": True,
        "attention_bias": False, "mlp_bias": False, "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    save_file(dict(tensors(reader, heads)), folder / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(reader, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
