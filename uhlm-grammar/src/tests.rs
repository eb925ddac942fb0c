//! Matchers against grammars whose texts are known: what is allowed, what is forced, what going back restores, and what
//! hostile grammars come to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use uhlm_law::digest::Digest;
use uhlm_law::model::{LanguageModel, ModelError, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{TokenId, TokenMask};
use uhlm_law::token::TokenKind;

use super::*;

/// A vocabulary of all bytes, some words, a mark without text and two ends. Its tokenizer takes the longest word.
struct Words {
    texts: Vec<Vec<u8>>,
    keys: TokenKeys,
}

const WORDS: [&str; 16] = [
    "\"name", "\": ", "\": \"", ", \"", "true", "false", "null", "red", "green", "{\"", "age", "}", "\"}", "Ma",
    "r\u{fc}", "  ",
];
/// Id of the first word, and of the first token without text.
const FIRST_WORD: u32 = 256;
const MARK: u32 = FIRST_WORD + WORDS.len() as u32;
/// End of turn, and end of text.
const ENDS: [TokenId; 2] = [MARK + 1, MARK + 2];

impl Words {
    fn new() -> Arc<Self> {
        let bytes = (0..=255_u8).map(|byte| vec![byte]);
        let words = WORDS.iter().map(|word| word.as_bytes().to_vec());
        let texts: Vec<Vec<u8>> = bytes.chain(words).chain(vec![Vec::new(); 3]).collect();
        let named = texts
            .iter()
            .enumerate()
            .map(|(id, text)| if text.is_empty() { vec![b'<', id as u8] } else { text.clone() });
        let named: Vec<Vec<u8>> = named.collect();
        let kind = |id: u32| if id >= MARK { TokenKind::Control } else { TokenKind::Normal };
        let keys =
            TokenKeys::new(named.iter().zip(0..).map(|(text, id)| (text.as_slice(), kind(id)))).expect("distinct");
        Arc::new(Self { texts, keys })
    }
}

impl Vocabulary for Words {
    fn size(&self) -> usize {
        self.texts.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        &self.texts[id as usize]
    }

    fn is_end(&self, id: TokenId) -> bool {
        ENDS.contains(&id)
    }
}

impl LanguageModel for Words {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self
    }

    fn token_keys(&self) -> &TokenKeys {
        &self.keys
    }

    fn vocabulary_hash(&self) -> Digest {
        Digest([0; 32])
    }

    fn tokenize(&self, text: &str, _: Special) -> Result<Vec<TokenId>, ModelError> {
        let (mut rest, mut ids) = (text.as_bytes(), Vec::new());
        while let Some(&first) = rest.first() {
            let longest = (FIRST_WORD..MARK).filter(|&id| rest.starts_with(self.piece(id)));
            let id = longest.max_by_key(|&id| self.piece(id).len()).unwrap_or(u32::from(first));
            rest = &rest[self.piece(id).len()..];
            ids.push(id);
        }
        Ok(ids)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        tokens.iter().flat_map(|&id| self.piece(id).to_vec()).collect()
    }
}

fn tables() -> Tables {
    Tables::of_language(Words::new()).expect("tables")
}

/// Compiles a grammar, and waits while too many others are being compiled: tests run at the same time.
fn compile(tables: &Tables, grammar: &Grammar) -> Result<Compiled, GrammarError> {
    loop {
        match tables.compile(grammar) {
            Err(GrammarError::Busy) => std::thread::sleep(Duration::from_millis(5)),
            outcome => return outcome,
        }
    }
}

fn matcher(grammar: &Grammar) -> Matcher {
    compile(&tables(), grammar).expect("a valid grammar").matcher(&ENDS)
}

/// Takes the tokens of a text.
fn take(matcher: &mut Matcher, text: &str) {
    for id in Words::new().tokenize(text, Special::Plain).expect("tokens") {
        matcher.accept(id).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

fn texts(mask: &TokenMask) -> Vec<String> {
    let words = Words::new();
    mask.ids()
        .map(|id| if ENDS.contains(&id) { "END".into() } else { String::from_utf8_lossy(words.piece(id)).into_owned() })
        .collect()
}

fn person() -> Grammar {
    Grammar::JsonSchema(
        r#"{"type":"object","properties":
            {"name":{"type":"string"},"age":{"type":"integer"},"color":{"enum":["red","green"]}},
            "required":["name","age","color"],"additionalProperties":false}"#
            .into(),
    )
}

/// Returns what a random walk that follows the mask writes, of at most `most` tokens.
fn walk(matcher: &mut Matcher, most: usize, mut dice: impl FnMut() -> u64) -> Vec<TokenId> {
    let mut ids = Vec::new();
    while ids.len() < most {
        let allowed: Vec<TokenId> = matcher.mask().expect("a mask").ids().collect();
        let id = allowed[dice() as usize % allowed.len()];
        if ENDS.contains(&id) {
            break;
        }
        matcher.accept(id).expect("an allowed token");
        ids.push(id);
    }
    ids
}

#[test]
fn what_a_schema_leaves_no_choice_about_is_forced_in_the_tokens_of_the_tokenizer() {
    let mut matcher = matcher(&person());
    let mut forced = Vec::new();
    while let Some(id) = matcher.forced() {
        assert_eq!(matcher.mask().expect("a mask").ids().collect::<Vec<_>>(), [id]);
        matcher.accept(id).expect("forced");
        forced.push(id);
    }
    let text = Words::new().detokenize(&forced);
    assert!("{\"name\": \"".starts_with(str::from_utf8(&text).expect("text")) && text.len() > 5, "{text:?}");
    assert_eq!(forced[0], Words::new().tokenize("{\"name", Special::Plain).expect("tokens")[0]);
    assert!(!matcher.is_complete());
    take(&mut matcher, &"{\"name\": \"Mar\u{fc}\", \"age\": 7"[text.len()..]);
    assert!(texts(&matcher.mask().expect("a mask")).contains(&"1".to_owned()));
    take(&mut matcher, ", \"color\": \"green\"}");
    assert!(matcher.is_complete());
    assert_eq!(matcher.forced(), Some(ENDS[0]), "nothing but the end of turn can follow");
    assert!(matcher.accept(ENDS[0]).is_err() && matcher.accept(u32::from(b' ')).is_err(), "nothing follows the text");
    matcher.rollback(1);
    assert!(!matcher.is_complete());
}

#[test]
fn a_choice_and_an_expression_allow_their_texts_and_nothing_else() {
    let mut choice = matcher(&Grammar::Choices(vec!["red".into(), "green".into(), "red wine".into()]));
    let first = texts(&choice.mask().expect("a mask"));
    assert!(first.contains(&"red".to_owned()) && first.contains(&"g".to_owned()) && !first.contains(&"a".to_owned()));
    take(&mut choice, "red");
    assert!(choice.is_complete());
    let after = texts(&choice.mask().expect("a mask"));
    assert!(after.contains(&"END".to_owned()) && after.contains(&" ".to_owned()), "{after:?}");
    let mut expression = matcher(&Grammar::Regex("[0-9]{2}-[a-c]+".into()));
    take(&mut expression, "12");
    assert_eq!(texts(&expression.mask().expect("a mask")), ["-"]);
    take(&mut expression, "-abc");
    assert!(expression.is_complete());
    let mut lark = matcher(&Grammar::Lark("start: \"<\" start \">\" | \"x\"".into()));
    take(&mut lark, "<<x>");
    assert!(!lark.is_complete());
    assert_eq!(texts(&lark.mask().expect("a mask")), [">"]);
    take(&mut lark, ">");
    assert!(lark.is_complete());
}

#[test]
fn tokens_without_text_and_ends_are_allowed_where_the_text_is_whole_alone() {
    let mut open = matcher(&Grammar::Regex(".*".into()));
    let mask = open.mask().expect("a mask");
    assert!(!mask.allows(MARK) && mask.allows(ENDS[0]) && mask.allows(ENDS[1]));
    let mut closed = matcher(&Grammar::Regex("a+".into()));
    let mask = closed.mask().expect("a mask");
    assert!(!mask.allows(MARK) && !mask.allows(ENDS[0]) && !mask.allows(ENDS[1]) && mask.count() > 0);
    assert_eq!(closed.accept(MARK), Err(ConstraintError::NotOfGrammar { at: 0 }));
    assert_eq!(closed.accept(u32::MAX), Err(ConstraintError::NotOfGrammar { at: 0 }));
    assert_eq!(closed.accept(u32::from(b'b')), Err(ConstraintError::NotOfGrammar { at: 0 }));
    assert!(closed.accept(u32::from(b'a')).is_ok(), "a refused token has changed nothing");
}

#[test]
fn an_answer_depends_on_the_tokens_of_the_reply_and_not_on_what_was_asked_before() {
    let words = Words::new();
    let ids = words.tokenize("{\"name\": \"Ma\", \"age\": 31, \"color\": \"red\"}", Special::Plain).expect("tokens");
    let compiled = compile(&tables(), &person()).expect("a valid grammar");
    let mut asked: Box<dyn Constraint> = Box::new(compiled.matcher(&ENDS));
    let fresh = |reply: &[TokenId]| {
        let mut fresh = compiled.matcher(&ENDS);
        (
            Constraint::mask(&mut fresh, reply),
            Constraint::forced(&mut fresh, reply),
            Constraint::is_complete(&mut fresh, reply),
        )
    };
    // There and back, with leaps.
    let steps = [0, 3, 1, ids.len(), 5, 4, ids.len() - 1, 2, 0, ids.len()];
    for at in steps {
        let mut fork = asked.fork();
        let reply = &ids[..at];
        let answers = (asked.mask(reply), asked.forced(reply), asked.is_complete(reply));
        assert_eq!(answers, fresh(reply), "at {at}");
        assert_eq!(fork.mask(reply), answers.0);
    }
    let mut wrong = ids[..3].to_vec();
    wrong.push(u32::from(b'{'));
    let at = wrong.iter().zip(0..).find_map(|(_, at)| fresh(&wrong[..=at]).0.is_err().then_some(at)).expect("refused");
    assert_eq!(asked.mask(&wrong), Err(ConstraintError::NotOfGrammar { at }));
    assert_eq!(asked.mask(&ids), fresh(&ids).0, "it goes on after a refusal");
    let ended: Vec<TokenId> = ids.iter().copied().chain([ENDS[1]]).collect();
    assert!(asked.is_complete(&ended) && !asked.is_complete(&ids[..4]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn taking_tokens_back_restores_the_mask_that_was(
        seeds in prop::collection::vec(any::<u64>(), 60),
        back in 1_usize..30,
    ) {
        let compiled = compile(&tables(), &person()).expect("a valid grammar");
        let mut matcher = compiled.matcher(&ENDS);
        let mut dice = seeds.iter().copied().cycle();
        let ids = walk(&mut matcher, 40, || dice.next().unwrap_or(0));
        let kept = ids.len().saturating_sub(back);
        matcher.rollback(back);
        prop_assert_eq!(matcher.len(), kept);
        let mut fresh = compiled.matcher(&ENDS);
        ids[..kept].iter().try_for_each(|&id| fresh.accept(id)).expect("allowed before");
        prop_assert_eq!(matcher.mask(), fresh.mask());
        prop_assert_eq!(matcher.forced(), fresh.forced());
        // And forwards again.
        ids[kept..].iter().try_for_each(|&id| matcher.accept(id)).expect("allowed before");
        ids[kept..].iter().try_for_each(|&id| fresh.accept(id)).expect("allowed before");
        prop_assert_eq!(matcher.mask(), fresh.mask());
    }
}

#[test]
fn a_long_forced_text_takes_time_in_proportion_to_its_length() {
    let text = "r\u{fc}ckw\u{e4}rts, true or false; ".repeat(120);
    let compiled = compile(&tables(), &Grammar::Choices(vec![text.clone(), "no".into()])).expect("a valid grammar");
    let mut matcher = compiled.matcher(&ENDS);
    take(&mut matcher, "r");
    let (began, mut ids) = (Instant::now(), vec![u32::from(b'r')]);
    while let Some(id) = matcher.forced().filter(|id| !ENDS.contains(id)) {
        matcher.accept(id).expect("forced");
        ids.push(id);
        if ids.len() % 64 == 0 {
            // A pass that is made in between makes a mask.
            let mask = matcher.mask().expect("a mask");
            assert_eq!(mask.ids().next().filter(|_| mask.count() == 1), matcher.forced());
        }
    }
    assert_eq!(String::from_utf8(Words::new().detokenize(&ids)).expect("a text"), text);
    assert!(ids.len() < text.len(), "words are forced as words");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_state_that_failed_leaves_its_copies_and_the_grammar_as_they_were() {
    let compiled = compile(&tables(), &person()).expect("a valid grammar");
    let (mut good, fork) = (compiled.matcher(&ENDS), compiled.matcher(&ENDS));
    take(&mut good, "{\"name");
    let mut bad = good.clone();
    bad.break_lexer();
    assert!(bad.accept(u32::from(b'"')).is_err());
    take(&mut good, "\": \"Ma\"");
    assert!(good.mask().is_ok_and(|mask| mask.count() > 0));
    // The one that failed begins again, and so does a new one.
    take(&mut bad, "{\"name\": \"");
    assert!(bad.mask().is_ok());
    take(&mut { fork }, "{\"name");
    take(&mut compiled.matcher(&ENDS), "{\"name");
}

#[test]
fn a_long_reply_is_followed_at_once_by_a_fresh_state() {
    let schema = r#"{"type":"object","properties":{"a":{"type":"string","maxLength":4000}},"required":["a"],
        "additionalProperties":false}"#;
    let compiled = compile(&tables(), &Grammar::JsonSchema(schema.into())).expect("a valid grammar");
    let text = format!("{{\"a\": \"{}\"}}", "abcdefghij".repeat(300));
    let reply = Words::new().tokenize(&text, Special::Plain).expect("tokens");
    let mut fresh = compiled.matcher(&ENDS);
    assert!(Constraint::is_complete(&mut fresh, &reply));
    let mut fresh = compiled.matcher(&ENDS);
    let before = Constraint::mask(&mut fresh, &reply[..2000]).expect("a mask");
    assert!(before.allows(u32::from(b'"')) && before.allows(u32::from(b'z')));
}

#[test]
fn without_a_tokenizer_nothing_is_forced_but_the_end() {
    let words = Words::new();
    let tables = Tables::of_vocabulary(words.vocabulary()).expect("tables");
    let mut matcher = compile(&tables, &Grammar::Choices(vec!["red".into()])).expect("a valid grammar").matcher(&ENDS);
    assert_eq!(matcher.forced(), None);
    let first = texts(&matcher.mask().expect("a mask"));
    assert!(first.contains(&"r".to_owned()) && first.contains(&"red".to_owned()), "{first:?}");
    take(&mut matcher, "red");
    assert_eq!(matcher.forced(), Some(ENDS[0]));
}

#[test]
fn what_cannot_be_used_is_a_typed_error_soon() {
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    let invalid = [
        Grammar::JsonSchema("{".into()),
        Grammar::JsonSchema("[1]".into()),
        Grammar::JsonSchema(r#"{"type":"no such type"}"#.into()),
        Grammar::JsonSchema(r##"{"$ref":"#/$defs/missing"}"##.into()),
        Grammar::JsonSchema(r#"{"$ref":"https://example.com/schema.json"}"#.into()),
        Grammar::JsonSchema("false".into()),
        Grammar::JsonSchema(deep(r#"{"items":"#, "{}", "}", 2000)),
        Grammar::JsonSchema(deep("[", "", "]", 20_000)),
        Grammar::Regex("(".into()),
        Grammar::Regex(deep("(", "a", ")", 20_000)),
        Grammar::Regex("(?=a)b".into()),
        Grammar::Lark("start: missing".into()),
        Grammar::Lark("no start at all".into()),
        Grammar::Lark(format!("start: {}", deep("(", "\"a\"", ")", 20_000))),
        Grammar::Lark(String::new()),
        Grammar::Choices(vec![String::new()]),
    ];
    let tables = tables();
    for grammar in &invalid {
        let error = compile(&tables, grammar).expect_err("a grammar that cannot be used");
        // One that takes longer than it may is another error.
        assert!(matches!(error, GrammarError::Invalid { .. }), "{grammar:.80?}: {error}");
    }
    let large =
        [Grammar::Choices(Vec::new()), Grammar::Choices(vec!["a".into(); 1025]), Grammar::Regex("a".repeat(65_537))];
    for grammar in &large {
        assert!(matches!(compile(&tables, grammar), Err(GrammarError::TooLarge { .. })));
    }
}

#[test]
fn what_takes_much_work_ends_soon_one_way_or_the_other() {
    let properties: Vec<String> = (0..2000).map(|i| format!("\"p{i}\":{{\"type\":\"string\"}}")).collect();
    let wide = format!("{{\"type\":\"object\",\"properties\":{{{}}}}}", properties.join(","));
    let any_of: Vec<String> =
        (0..40).map(|i| format!("{{\"properties\":{{\"p{i}\":{{\"type\":\"integer\"}}}}}}")).collect();
    let crossed = format!("{{\"allOf\":[{}]}}", vec![format!("{{\"anyOf\":[{}]}}", any_of.join(",")); 6].join(","));
    let costly = [
        Grammar::JsonSchema(wide),
        Grammar::JsonSchema(crossed),
        Grammar::JsonSchema(r##"{"$ref":"#"}"##.into()),
        Grammar::JsonSchema(
            r##"{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##.into(),
        ),
        Grammar::Regex("(a{1,1000}){1,1000}".into()),
        Grammar::Regex("((a|b|ab)*c){500}[a-z]{1,5000}".into()),
        Grammar::Regex("(.*a.{40})|(.*b.{41})".into()),
        Grammar::Lark("start: a a a a a a a a\na: a a | \"x\" | ".into()),
    ];
    let tables = tables();
    for grammar in &costly {
        let (name, began) = (format!("{grammar:.60?}"), Instant::now());
        let compiled = tables.compile(grammar);
        let took = began.elapsed();
        assert!(took < COMPILE_TIME + Duration::from_millis(500), "{name}: {took:?}");
        // What compiles is written for a while, and a mask ends with its work at the latest.
        let Ok(compiled) = compiled else { continue };
        let (mut matcher, mut i) = (compiled.matcher(&ENDS), 0_u64);
        for _ in 0..20 {
            let began = Instant::now();
            let mask = matcher.mask();
            assert!(began.elapsed() < Duration::from_millis(1500), "{name}: {:?}", began.elapsed());
            let Ok(mask) = mask else { break };
            let allowed: Vec<TokenId> = mask.ids().filter(|id| !ENDS.contains(id)).collect();
            i += 1;
            let Some(&id) = allowed.get(i as usize % allowed.len().max(1)) else { break };
            if matcher.accept(id).is_err() {
                break;
            }
        }
    }
}
