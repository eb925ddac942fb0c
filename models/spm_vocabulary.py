"""Trains the vocabulary of 1,024 pieces of `spm-1024.vocabulary.gguf`: a SentencePiece tokenizer (BPE with bytes for
what it has no piece for), in a GGUF file without weights. Tests bridge between it and the byte-level vocabularies of
the bundled models.

    python spm_vocabulary.py

Needs `sentencepiece` and `gguf` from `requirements.txt`. The same text gives the same file.
"""

import io
import json
from pathlib import Path

import gguf
import sentencepiece as spm

HERE = Path(__file__).parent
OUT = HERE / "spm-1024.vocabulary.gguf"
PIECES = 1024
MARKS = ["<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def sentences():
    """Yields the questions and prompts that are bundled, and words of other scripts, so that a few of their characters
    are pieces and most are not."""
    for file in sorted((HERE / "data").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield row["question"]
            if "answer" in row:
                yield str(row["answer"])
    for text in ["Grüße aus Köln", "naïve café", "漢字かな交じり文", "한국어", "Привет, мир", "🎉🚀 fin."]:
        yield from [text] * 8


def train():
    """Returns the trained processor."""
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=sentences(),
        model_writer=model,
        vocab_size=PIECES,
        model_type="bpe",
        byte_fallback=True,
        control_symbols=MARKS,
        character_coverage=0.9995,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    return spm.SentencePieceProcessor(model_proto=model.getvalue())


def write(processor):
    """Writes the file."""
    tokens, scores, kinds = [], [], []
    for piece in range(processor.get_piece_size()):
        tokens.append(processor.id_to_piece(piece).encode("utf-8"))
        scores.append(processor.get_score(piece))
        if processor.is_unknown(piece):
            kinds.append(gguf.TokenType.UNKNOWN)
        elif processor.is_control(piece):
            kinds.append(gguf.TokenType.CONTROL)
        elif processor.is_byte(piece):
            kinds.append(gguf.TokenType.BYTE)
        else:
            kinds.append(gguf.TokenType.NORMAL)
    writer = gguf.GGUFWriter(OUT, "llama")
    writer.add_name("SentencePiece vocabulary of 1,024 pieces")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(processor.unk_id())
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.piece_to_id(MARKS[1]))
    writer.add_eot_token_id(processor.piece_to_id(MARKS[1]))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(TEMPLATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


if __name__ == "__main__":
    write(train())
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")
