"""Writes a model of real size for measuring speed: the demo draft model, wider, deeper and with a larger vocabulary.

    python wide.py build/wide.gguf                        about 60 M parameters in the layers and the output, V = 32,000
    python wide.py build/wide.gguf --vocab 151936 --layers 12

It writes the demo draft's text and knows no more than that: it is for measuring, never to be shown as a trained model.
- Width: every unit stands there COPIES times, and what reads the copies has its weights divided by that number (a power
  of two, so exactly). The mean square that RMSNorm divides by stays the same.
- Depth: further layers whose two output matrices are zero, so that they add nothing to what passes through them.
- Vocabulary: tokens beyond the demo's 1024 get the mean of two of its rows, so that their logits look like a model's
  and hardly any mass falls on them.
Only numpy and gguf are needed. The file is not kept in the repository.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).parent
COPIES = 8


def source(path):
    """The tensors of a GGUF file as float arrays (rows are outputs), and its reader."""
    reader = gguf.GGUFReader(path)
    return {
        t.name: np.array(t.data, dtype=np.float32).reshape(tuple(reversed(t.shape.tolist()))) for t in reader.tensors
    }, reader


def widened(matrix):
    """The same map on copies: each copy of an output is the sum over all copies of the inputs, each with its part."""
    return np.tile(matrix / COPIES, (COPIES, COPIES))


def vocabulary_rows(rows, size):
    """The rows of the demo's tokens, then means of two random ones."""
    rng = np.random.default_rng(8)
    pairs = rng.integers(0, len(rows), (size - len(rows), 2))
    return np.concatenate([rows, (rows[pairs[:, 0]] + rows[pairs[:, 1]]) / 2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--vocab", type=int, default=32_000)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--type", choices=["f16", "q8_0"], default="q8_0")
    args = parser.parse_args()
    tensors, reader = source(HERE / "demo-draft.gguf")
    field = lambda name: reader.get_field(name).contents()
    base_layers, heads = field("llama.block_count"), field("llama.attention.head_count")
    dim, hidden = field("llama.embedding_length") * COPIES, field("llama.feed_forward_length") * COPIES

    writer = gguf.GGUFWriter(args.out, "llama")
    writer.add_name(f"widened demo draft, for measuring speed, V {args.vocab}")
    writer.add_vocab_size(args.vocab)
    writer.add_context_length(field("llama.context_length"))
    writer.add_embedding_length(dim)
    writer.add_block_count(args.layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads * COPIES)
    writer.add_head_count_kv(heads * COPIES)
    writer.add_rope_dimension_count(field("llama.rope.dimension_count"))
    writer.add_rope_freq_base(field("llama.rope.freq_base"))
    writer.add_layer_norm_rms_eps(field("llama.attention.layer_norm_rms_epsilon"))
    tokens, types = list(field("tokenizer.ggml.tokens")), list(field("tokenizer.ggml.token_type"))
    writer.add_tokenizer_model(field("tokenizer.ggml.model"))
    writer.add_tokenizer_pre(field("tokenizer.ggml.pre"))
    writer.add_token_list(tokens + [f"<|unused {i}|>" for i in range(len(tokens), args.vocab)])
    writer.add_token_types(types + [gguf.TokenType.UNUSED] * (args.vocab - len(tokens)))
    writer.add_token_merges(field("tokenizer.ggml.merges"))
    for name in ("bos", "eos", "eot", "padding"):
        getattr(writer, f"add_{name.replace('padding', 'pad')}_token_id")(field(f"tokenizer.ggml.{name}_token_id"))
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(field("tokenizer.chat_template"))

    parameters = 0

    def matrix(name, value):
        nonlocal parameters
        parameters += value.size
        if args.type == "f16":
            writer.add_tensor(name, value.astype(np.float16))
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(value.astype(np.float32), kind), raw_dtype=kind)

    rows = vocabulary_rows(tensors["token_embd.weight"], args.vocab)
    matrix("token_embd.weight", np.tile(rows, (1, COPIES)))
    parameters = 0  # A step reads one row of the embedding, but all of the output.
    matrix("output.weight", np.tile(rows / COPIES, (1, COPIES)))
    writer.add_tensor("output_norm.weight", np.tile(tensors["output_norm.weight"], COPIES))
    for layer in range(args.layers):
        of = f"blk.{layer % base_layers}."
        for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            value = widened(tensors[f"{of}{part}.weight"])
            silent = layer >= base_layers and part in ("attn_output", "ffn_down")
            matrix(f"blk.{layer}.{part}.weight", np.zeros_like(value) if silent else value)
        for part in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{part}.weight", np.tile(tensors[f"{of}{part}.weight"], COPIES))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{args.out}: {parameters / 1e6:.1f} M parameters read in a step, {args.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
