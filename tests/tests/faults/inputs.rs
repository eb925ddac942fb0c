//! Files that no converter writes, and some that publishers do: each loads, or is refused with a reason that says what
//! the file is.

use std::path::Path;

use uhlm_law::model::{LanguageModel as _, ModelError, Sequence as _, Special};
use uhlm_llama::memory::{self, MemoryError};
use uhlm_llama::{ContextOptions, LoadError, LoadOptions, MemoryNeed, Model};
use uhlm_testing::gguf::Value;
use uhlm_testing::gguf_edit::GgufEdit;

/// The outcome of loading a file.
enum Becomes {
    /// The file loads.
    Loaded,
    /// The file is refused with [`LoadError::Unsupported`] with this in its text.
    Unsupported(&'static str),
    /// The file is refused with [`LoadError::Damaged`] with this in its text.
    Damaged(&'static str),
}
use Becomes::{Damaged, Loaded, Unsupported};

fn number(key: &str, number: u32) -> GgufEdit {
    GgufEdit::demo().with(key, &Value::U32(number))
}

fn words(key: &str, text: &str) -> GgufEdit {
    GgufEdit::demo().with(key, &Value::Text(text.into()))
}

/// Returns the bundled model with a SentencePiece tokenizer of the same texts; with `bytes` it has a token for each
/// byte.
fn sentence_piece(bytes: bool) -> GgufEdit {
    let edit = words("tokenizer.ggml.model", "llama");
    if !bytes {
        return edit;
    }
    edit.tokens(|tokens| {
        for byte in 0..=255 {
            tokens[700 + byte] = format!("<0x{byte:02X}>");
        }
    })
}

#[test]
fn each_strange_file_loads_or_says_what_it_is() {
    let rename = |pairs: &[(usize, &str)]| {
        GgufEdit::demo().tokens(|tokens| pairs.iter().for_each(|(id, text)| tokens[*id] = (*text).to_owned()))
    };
    let experts = |count, used| number("llama.expert_count", count).with("llama.expert_used_count", &Value::U32(used));
    let files: Vec<(&str, GgufEdit, Becomes)> = vec![
        ("as it is", GgufEdit::demo(), Loaded),
        ("no layers", number("llama.block_count", 0), Unsupported("it has 0 layers, llama.cpp runs 1 to 512")),
        ("65,535 layers", number("llama.block_count", 65_535), Unsupported("it has 65535 layers")),
        ("one layer too many", number("llama.block_count", 3), Unsupported("blk.2")),
        ("layers that predict", number("llama.nextn_predict_layers", 9), Unsupported("predict ahead")),
        (
            "rope scaling dynamic",
            words("llama.rope.scaling.type", "dynamic"),
            Unsupported("its rope scaling is \"dynamic\""),
        ),
        ("rope scaling yarn", words("llama.rope.scaling.type", "yarn"), Loaded),
        ("experts used, none there", number("llama.expert_used_count", 2), Unsupported("it uses 2 of 0 experts")),
        ("experts there, none used", number("llama.expert_count", 2), Unsupported("it uses 0 of 2 experts")),
        ("too many experts", experts(2000, 2), Unsupported("it has 2000 experts")),
        ("more used than there", experts(2, 4), Unsupported("it uses 4 of 2 experts")),
        (
            "experts in odd groups",
            experts(8, 2).with("llama.expert_group_count", &Value::U32(3)),
            Unsupported("0 of 3 groups of its 8 experts"),
        ),
        ("no_vocab", words("tokenizer.ggml.model", "no_vocab"), Unsupported("it has no vocabulary, only weights")),
        ("none", words("tokenizer.ggml.model", "none"), Unsupported("it has no vocabulary, only weights")),
        ("an unknown tokenizer", words("tokenizer.ggml.model", "mystery"), Unsupported("its tokenizer is \"mystery\"")),
        ("a tokenizer of RWKV", words("tokenizer.ggml.model", "rwkv"), Unsupported("its tokenizer is \"rwkv\"")),
        ("a tokenizer of encoders", words("tokenizer.ggml.model", "bert"), Unsupported("its tokenizer is \"bert\"")),
        ("no tokenizer", GgufEdit::demo().without("tokenizer.ggml.model"), Unsupported("it has no tokenizer")),
        ("an unknown splitter", words("tokenizer.ggml.pre", "mystery"), Unsupported("mystery")),
        ("no merges", GgufEdit::demo().without("tokenizer.ggml.merges"), Unsupported("merges")),
        ("two empty tokens", rename(&[(900, ""), (901, "")]), Loaded),
        (
            "an empty token and its name",
            rename(&[(900, ""), (901, "[EMPTY_900]")]),
            Unsupported("two tokens have the text \"[EMPTY_900]\""),
        ),
        ("two equal tokens", rename(&[(900, "same"), (901, "same")]), Unsupported("two tokens have the text \"same\"")),
        ("bytes of SentencePiece", sentence_piece(true), Loaded),
        ("no bytes of SentencePiece", sentence_piece(false), Unsupported("its vocabulary has no tokens for the bytes")),
        (
            "not causal",
            GgufEdit::demo().with("llama.attention.causal", &Value::Bool(false)),
            Unsupported("its attention is not causal"),
        ),
        ("an embedding model", number("llama.pooling_type", 3), Unsupported("it is an embedding model")),
        ("an encoder", GgufEdit::demo().architecture("bert"), Unsupported("it is an encoder")),
        ("an encoder and a decoder", GgufEdit::demo().architecture("t5"), Unsupported("goes through an encoder first")),
        ("diffusion", GgufEdit::demo().architecture("llada"), Unsupported("it is a diffusion model")),
        ("a draft head", GgufEdit::demo().architecture("eagle3"), Unsupported("it is a part of another model")),
        ("an architecture that nobody knows", GgufEdit::demo().architecture("llama9"), Unsupported("llama9")),
        ("no context", number("llama.context_length", 0), Unsupported("its context_length is 0")),
        (
            "an absurd context",
            number("llama.context_length", u32::MAX),
            Unsupported("its context_length is 4294967295"),
        ),
        ("no width", number("llama.embedding_length", 0), Unsupported("its embedding_length is 0")),
        ("no heads", number("llama.attention.head_count", 0), Unsupported("")),
        ("heads that do not divide", number("llama.attention.head_count", 7), Unsupported("")),
        ("more heads of keys", number("llama.attention.head_count_kv", 96), Unsupported("")),
        ("no heads of keys", number("llama.attention.head_count_kv", 0), Unsupported("")),
        ("a signed number", GgufEdit::demo().with("llama.block_count", &Value::I32(2)), Unsupported("")),
        ("a text for a number", words("llama.block_count", "two"), Unsupported("")),
        (
            "types for half the tokens",
            GgufEdit::demo().with("tokenizer.ggml.token_type", &Value::I32s(vec![1; 512])),
            Unsupported("toktypes"),
        ),
        ("BOS that there is none of", number("tokenizer.ggml.bos_token_id", 5000), Loaded),
        ("one token", GgufEdit::demo().tokens(|tokens| tokens.truncate(1)), Unsupported("")),
        ("no tokens", GgufEdit::demo().tokens(Vec::clear), Unsupported("")),
        ("no architecture", GgufEdit::demo().without("general.architecture"), Damaged("no general.architecture")),
        ("an alignment of 7", number("general.alignment", 7), Damaged("alignment 7")),
    ];
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("strange.gguf");
    let mut wrong = Vec::new();
    for (name, edit, becomes) in files {
        edit.write(&path);
        let found = Model::load(&path, &LoadOptions::default());
        let right = match (&becomes, &found) {
            (Loaded, Ok(model)) => model.tokenize("caf\u{e9} \u{1f389} 12", Special::ParseWithBos).is_ok(),
            (Unsupported(text), Err(error @ LoadError::Unsupported { .. })) => error.to_string().contains(text),
            (Damaged(text), Err(error @ LoadError::Damaged { .. })) => error.to_string().contains(text),
            _ => false,
        };
        let found = found.map_or_else(|error| error.to_string(), |_| "loaded".into());
        if !right {
            wrong.push(format!("{name}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Keys of the values that llama.cpp computes with.
const NUMBERS: [&str; 33] = [
    "llama.attention.clamp_kqv",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.key_length",
    "llama.attention.layer_norm_rms_epsilon",
    "llama.attention.max_alibi_bias",
    "llama.attention.scale",
    "llama.attention.sliding_window",
    "llama.attention.value_length",
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "llama.embedding_scale",
    "llama.expert_count",
    "llama.expert_used_count",
    "llama.feed_forward_length",
    "llama.leading_dense_block_count",
    "llama.logit_scale",
    "llama.residual_scale",
    "llama.rope.dimension_count",
    "llama.rope.freq_base",
    "llama.rope.scaling.factor",
    "llama.rope.scaling.original_context_length",
    "llama.vocab_size",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.unknown_token_id",
];

/// A value that ended the process would end the test: it needs no child processes to show that none does.
#[test]
fn any_value_of_a_header_may_be_any_other() {
    let mut values: Vec<Value> = [0, 1, 7, 96, 65_535, 1 << 31, u32::MAX].map(Value::U32).into();
    values.extend([0.0, -1.0, 1e30, f32::NAN].map(Value::F32));
    values.extend([vec![], vec![0; 2], vec![-1; 1024], vec![1 << 30; 3000]].map(Value::I32s));
    values.extend([true, false].map(Value::Bool));
    values.extend([Value::Text(String::new()), Value::Texts(vec!["a b".into(); 3])]);
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("other.gguf");
    let (mut loaded, mut refused) = (0, 0);
    for key in NUMBERS {
        for value in &values {
            GgufEdit::demo().with(key, value).write(&path);
            match Model::load(&path, &LoadOptions::default()) {
                Ok(model) => {
                    loaded += 1;
                    let tokens =
                        model.tokenize("12 cats \u{1f389}", Special::ParseWithBos).expect("every byte was tried");
                    let options = ContextOptions { threads: 1, ..ContextOptions::default() };
                    let mut sequence = model.new_sequence(&options).expect("it fits");
                    sequence.decode(&tokens, &|| false).expect("a pass was tried");
                }
                Err(LoadError::Unsupported { .. } | LoadError::Damaged { .. } | LoadError::Memory(_)) => refused += 1,
                Err(other) => panic!("{key} {value:?}: {other}"),
            }
        }
    }
    assert!(loaded > 50 && refused > 200, "{loaded} {refused}");
}

/// Returns the bundled model with another splitter of text.
fn split_by(pre: &str) -> std::sync::Arc<Model> {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("splits.gguf");
    words("tokenizer.ggml.pre", pre).write(&path);
    Model::load(&path, &LoadOptions::default()).expect("a model")
}

#[test]
fn long_text_becomes_tokens_or_an_error_whatever_splits_it_and_however_small_the_stack_is() {
    let letters = |count: usize| "x".repeat(count);
    for pre in ["gpt-4o", "tekken", "default", "deepseek-v3", "bloom", "exaone-moe", "qwen2", "llama-bpe"] {
        let model = split_by(pre);
        // What recurses gets a thread of its own; the one that asks may be small, as on iOS.
        let small = std::thread::Builder::new().stack_size(512 << 10);
        let asks = small.spawn(move || {
            for text in [
                letters(20_000),
                "X\u{e9}".repeat(10_000),
                " ".repeat(20_000),
                "\n".repeat(20_000),
                "!?".repeat(9_000),
                "9".repeat(20_000),
                "one two ".repeat(3_000),
            ] {
                let tokens = model.tokenize(&text, Special::Plain).expect("tokens");
                assert_eq!(String::from_utf8_lossy(&model.detokenize(&tokens)), text);
            }
            let long = model.tokenize(&letters(200_000), Special::Plain);
            let lines = model.tokenize(&(letters(2000) + "\n").repeat(100), Special::Plain);
            (long, lines)
        });
        let (long, lines) = asks.expect("a thread").join().expect("no panic");
        assert_eq!(long.is_ok(), ["qwen2", "llama-bpe"].contains(&pre), "{pre}");
        assert!(lines.is_ok(), "{pre}");
        if let Err(error) = long {
            let said =
                "the text cannot be made into tokens: 200000 characters without a line break, 131072 can be split";
            assert_eq!(error.to_string(), said);
        }
    }
}

#[test]
fn a_match_of_the_longest_length_fits_its_stack() {
    // Twelve splitters with eleven texts each were tried; these nest the most.
    for pre in ["gpt-4o", "default", "exaone-moe"] {
        let model = split_by(pre);
        for piece in ["x", "X\u{e9}x", "\n"] {
            let text: String = piece.chars().cycle().take(1 << 17).collect();
            assert!(model.tokenize(&text, Special::Plain).is_ok(), "{pre} {piece:?}");
        }
    }
}

/// Returns the tokens of a text at the beginning, with a file that asks for BOS and EOS (the tokens at the beginning
/// and the end of a text) or does not.
fn beginning(bos: bool, eos: bool, text: &str) -> Vec<u32> {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("ends.gguf");
    let edit = GgufEdit::demo().with("tokenizer.ggml.add_bos_token", &Value::Bool(bos));
    edit.with("tokenizer.ggml.add_eos_token", &Value::Bool(eos)).without("tokenizer.chat_template").write(&path);
    load(&path).tokenize(text, Special::ParseWithBos).expect("tokens")
}

fn load(path: &Path) -> std::sync::Arc<Model> {
    Model::load(path, &LoadOptions::default()).expect("a model")
}

#[test]
fn a_prompt_has_one_bos_where_the_model_adds_it_and_no_eos_at_its_end() {
    let (plain, bos) = (beginning(false, false, "the cat"), 0);
    let name = GgufEdit::demo().texts("tokenizer.ggml.tokens")[bos as usize].clone();
    assert!(!plain.contains(&bos) && !plain.is_empty());
    let with_bos = [&[bos], &plain[..]].concat();
    let printed = format!("{name}the cat");
    for eos in [false, true] {
        assert_eq!(beginning(false, eos, "the cat"), plain);
        assert_eq!(beginning(true, eos, "the cat"), with_bos);
        // Whoever wrote the token's name wants it, once, with a template in the file or without.
        assert_eq!(beginning(true, eos, &printed), with_bos);
        assert_eq!(beginning(false, eos, &printed), with_bos);
        assert_eq!(beginning(true, eos, ""), [bos]);
    }
}

#[test]
fn a_context_is_as_long_as_memory_allows_and_what_a_header_claims_takes_none() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("long.gguf");
    number("llama.context_length", 1 << 20).write(&path);
    let capacity = |model: &std::sync::Arc<Model>, context| {
        let options = ContextOptions { context, threads: 1, ..ContextOptions::default() };
        model.new_sequence(&options).map(|sequence| sequence.capacity())
    };
    assert_eq!((load(&path).trained_context(), capacity(&load(&path), 0)), (1 << 20, Ok(4096)));
    // What the app says is free holds for contexts, too.
    let available = memory::estimate(&path, 1024).expect("a model").total();
    let memory = Some(MemoryNeed { context: 0, available: Some(available) });
    let model = Model::load(&path, &LoadOptions { memory, ..LoadOptions::default() }).expect("it fits");
    assert_eq!((model.fitted_context(), capacity(&model, 0), capacity(&model, 512)), (Ok(1024), Ok(1024), Ok(512)));
    let long = capacity(&model, 2048).expect_err("too long");
    assert!(matches!(long, ModelError::NotEnoughMemory { context: 2048, fits: Some(1024), .. }), "{long}");
    let memory = Some(MemoryNeed { context: 0, available: Some(1 << 20) });
    let refused = Model::load(&path, &LoadOptions { memory, ..LoadOptions::default() }).expect_err("too little");
    let LoadError::Memory(MemoryError::NotEnough { context: 256, fits: None, .. }) = refused else {
        panic!("{refused}")
    };
}

#[test]
fn signed_sizes_count_in_the_estimate_as_unsigned_ones_do() {
    let folder = tempfile::tempdir().expect("a directory");
    let (unsigned, signed) = (folder.path().join("u.gguf"), folder.path().join("i.gguf"));
    GgufEdit::demo().write(&unsigned);
    let edit =
        GgufEdit::demo().with("llama.context_length", &Value::I32(1024)).with("llama.block_count", &Value::I32(2));
    edit.with("llama.attention.head_count_kv", &Value::I32s(vec![3, 3])).write(&signed);
    let estimate = |path: &Path| memory::estimate(path, 0).expect("complete");
    let (unsigned, signed) = (estimate(&unsigned), estimate(&signed));
    assert_eq!((signed.cache, signed.compute, signed.context), (unsigned.cache, unsigned.compute, 1024));
}

#[test]
fn what_was_tried_is_told_from_what_was_not() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("others.gguf");
    GgufEdit::demo().write(&path);
    assert!(load(&path).summary().is_tried());
    // The tensors of this architecture are those of the bundled one.
    GgufEdit::demo().architecture("mistral3").write(&path);
    match Model::load(&path, &LoadOptions::default()) {
        Ok(model) => assert!(!model.summary().is_tried()),
        Err(error) => panic!("{error}"),
    }
}
