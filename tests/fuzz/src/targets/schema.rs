//! Grammars of strangers: compiled within their time or refused; what is allowed can be taken and what is not cannot,
//! what is forced is all that is allowed, and going back restores the state.

use std::sync::OnceLock;
use std::time::Instant;

use uhlm_grammar::{COMPILE_TIME, ConstraintError, Grammar, GrammarError, Matcher, Tables};
use uhlm_law::model::Vocabulary;
use uhlm_law::sampling::TokenId;

use crate::Target;
use crate::choices::Choices;

pub(crate) const TARGET: Target = Target { name: "schema", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "{\"type\": \"object\"",
    "\"properties\": {",
    "\"required\": [",
    "\"additionalProperties\": false",
    "\"items\": ",
    "\"enum\": [",
    "\"$ref\": \"#\"",
    "\"anyOf\": [",
    "\"allOf\": [",
    "\"pattern\": \"",
    "\"minLength\": ",
    "\"maxItems\": 100000",
    "\"minimum\": -1e300",
    "\"format\": \"date-time\"",
    "\"x-guidance\": {\"whitespace_flexible\": false}",
    "[a-z]{1000}",
    "(a|b)*",
    "\\p{L}",
    "start: ",
    "%json ",
    "%ignore /\\s/",
    "%regex {",
    " | ",
];
/// Pieces of several bytes that the vocabulary has beside all single bytes.
const PIECES: [&str; 10] = ["{\"", "\": ", "\", \"", "true", "null", "ab", "12", "  ", "\u{4e2d}", "\"}"];
/// Id of the token that ends a reply, the last one.
const END: TokenId = 256 + PIECES.len() as TokenId;
/// Number of tokens of a reply that are tried.
const STEPS: usize = 24;
/// Time beyond that of the compiler in which it must have answered, in seconds: the machine may be busy.
const SLACK: f64 = 8.0;

struct Bytes;

impl Vocabulary for Bytes {
    fn size(&self) -> usize {
        END as usize + 1
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        static SINGLE: [u8; 256] = {
            let mut all = [0; 256];
            let mut i = 0;
            while i < 256 {
                all[i] = i as u8;
                i += 1;
            }
            all
        };
        let id = id as usize;
        SINGLE.get(id..=id).or_else(|| Some(PIECES.get(id.checked_sub(256)?)?.as_bytes())).unwrap_or_default()
    }

    fn is_end(&self, id: TokenId) -> bool {
        id == END
    }
}

fn run(data: &[u8]) {
    let Some((&head, rest)) = data.split_first() else { return };
    let (text, choices) =
        rest.iter().position(|byte| *byte == 0).map_or((rest, &[][..]), |at| (&rest[..at], &rest[at..]));
    let text = String::from_utf8_lossy(text).into_owned();
    let grammar = match head % 4 {
        0 => Grammar::JsonSchema(text),
        1 => Grammar::Regex(text),
        2 => Grammar::Choices(text.split('|').map(str::to_owned).collect()),
        _ => Grammar::Lark(text),
    };
    static TABLES: OnceLock<Result<Tables, GrammarError>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| Tables::of_vocabulary(&Bytes));
    let tables = tables.as_ref().unwrap_or_else(|error| panic!("the vocabulary: {error}"));
    let began = Instant::now();
    let compiled = tables.compile(&grammar);
    let took = began.elapsed().as_secs_f64();
    assert!(took < COMPILE_TIME.as_secs_f64() + SLACK, "compiled for {took} s");
    match compiled {
        Ok(compiled) => follow(&mut compiled.matcher(&[END]), &mut Choices::new(choices)),
        // Work that was given up goes on until it ends, and takes the places of what follows.
        Err(GrammarError::TooSlow { .. } | GrammarError::Busy) => std::thread::sleep(COMPILE_TIME / 8),
        Err(error) => assert!(!error.kind().is_empty()),
    }
}

/// Writes a reply of the grammar, token by token, and tries what must not be part of it.
fn follow(matcher: &mut Matcher, choices: &mut Choices<'_>) {
    for _ in 0..STEPS {
        let Ok(mask) = matcher.mask() else { return };
        let allowed: Vec<TokenId> = mask.ids().collect();
        assert!(!allowed.is_empty(), "nothing is allowed");
        if let Some(forced) = matcher.forced() {
            assert_eq!(allowed, [forced], "what is forced is all that is allowed");
        }
        if allowed.contains(&END) {
            assert!(matcher.is_complete(), "a reply may end that is not whole");
        }
        if let Some(other) = (0..END).find(|id| !allowed.contains(id)) {
            let refused = matcher.accept(other);
            assert!(refused.is_err(), "{other} is not allowed");
            if matches!(refused, Err(ConstraintError::TooComplex { .. })) {
                return;
            }
        }
        let id = allowed[choices.below(allowed.len())];
        if id == END || choices.is_over() {
            return;
        }
        let before = matcher.len();
        match matcher.accept(id) {
            Ok(()) => {}
            Err(ConstraintError::TooComplex { .. }) => return,
            Err(error) => panic!("{id} is allowed: {error}"),
        }
        if choices.yes() {
            matcher.rollback(1);
            // A state that had to begin again says so by its length.
            if matcher.len() != before {
                return;
            }
            assert_eq!(matcher.mask().ok(), Some(mask), "going back restores the state");
            if matcher.accept(id).is_err() {
                return;
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let schema = r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "age":
        {"type": "integer", "minimum": 0}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
        "required": ["name"], "additionalProperties": false}"#;
    let nested = r##"{"$defs": {"n": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"next":
        {"$ref": "#/$defs/n"}}}]}}, "$ref": "#/$defs/n"}"##;
    let lark = "start: greeting \" \" name\ngreeting: \"Hello\" | \"Hi\"\nname: /[A-Z][a-z]{1,8}/ | \"\u{4e2d}\"\n";
    let call = "start: \"{\" call \"}\"\ncall: %json {\"type\": \"array\", \"items\": {\"type\": \"number\"}}\n";
    let choices: &[u8] = &[0, 7, 1, 200, 3, 4, 5, 6, 7, 0, 9, 10, 77, 12, 13, 14];
    let inputs: [(u8, &str); 8] = [
        (0, schema),
        (0, nested),
        (0, "true"),
        (1, "[0-9]{4}-[0-9]{2}(-[0-9]{2})?"),
        (1, "(ab|12)*\u{4e2d}+"),
        (2, "red|green|dark green|"),
        (3, lark),
        (3, call),
    ];
    inputs.iter().map(|(kind, text)| [&[*kind], text.as_bytes(), choices].concat()).collect()
}
