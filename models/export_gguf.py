"""Writes trained models as GGUF files.

    python export_gguf.py draft target prose-draft prose-target

Each has the llama architecture, matrices in F16, norms in F32, its tokenizer and the chat template.
"""

import json
import os
import sys
from pathlib import Path

import gguf
import numpy as np

from model import CONFIGS, published
from tokens import (
    CHAT_TEMPLATE,
    IM_END,
    END_OF_TEXT,
    LLAMA_CPP_PRE,
    PROSE_TOKENIZER,
    SPECIALS,
    TOKENIZER,
    load_tokenizer,
)

HERE = Path(__file__).parent


def add_tokenizer(writer, tokenizer):
    vocabulary = tokenizer.get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(LLAMA_CPP_PRE)
    writer.add_token_list(pieces)
    writer.add_token_types([gguf.TokenType.CONTROL if piece in SPECIALS else gguf.TokenType.NORMAL for piece in pieces])
    writer.add_token_merges([" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(vocabulary[END_OF_TEXT])
    writer.add_eos_token_id(vocabulary[IM_END])
    writer.add_eot_token_id(vocabulary[IM_END])
    writer.add_pad_token_id(vocabulary[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_tensors(writer, model):
    def matrix(name, value):
        writer.add_tensor(name, value.detach().numpy().astype(np.float16))

    def norm(name, value):
        writer.add_tensor(name, value.detach().numpy().astype(np.float32))

    matrix("token_embd.weight", model.embed.weight)
    for i, block in enumerate(model.blocks):
        for letter, part in zip("qkv", block.qkv.weight.chunk(3)):
            matrix(f"blk.{i}.attn_{letter}.weight", part)
        for letter, part in zip(("gate", "up"), block.gate_up.weight.chunk(2)):
            matrix(f"blk.{i}.ffn_{letter}.weight", part)
        matrix(f"blk.{i}.attn_output.weight", block.out.weight)
        matrix(f"blk.{i}.ffn_down.weight", block.down.weight)
        norm(f"blk.{i}.attn_norm.weight", block.attn_norm.weight)
        norm(f"blk.{i}.ffn_norm.weight", block.ffn_norm.weight)
    norm("output_norm.weight", model.norm.weight)


def export(name):
    config = CONFIGS[name]
    model = published(name)
    prose = name.startswith("prose")
    path = HERE / (f"{name}.gguf" if prose else f"demo-{name}.gguf")
    writer = gguf.GGUFWriter(f"{path}.new", "llama")
    writer.add_name(f"UHLM {path.stem.replace('-', ' ')}")
    writer.add_license("MIT OR Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(config.vocab)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.heads)
    writer.add_rope_dimension_count(config.dim // config.heads)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    add_tokenizer(writer, load_tokenizer(PROSE_TOKENIZER if prose else TOKENIZER))
    add_tensors(writer, model)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(f"{path}.new", path)
    print(f"{path.name}: {model.size():,} parameters, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        export(name)
