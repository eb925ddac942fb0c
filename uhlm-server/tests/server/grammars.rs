//! Grammars that devices ask for: what is not valid is refused with 422 and soon, whoever sends it, and what is valid
//! is drawn under its mask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uhlm_law::advance::*;
use uhlm_law::grammar::Grammar;
use uhlm_law::model::LanguageModel as _;
use uhlm_law::sampling::SamplingParams;

use crate::device::*;
use crate::support::*;
use crate::synthetic::Synthetic;

/// Makes a request that begins a generation with a grammar, and lets the target write it.
fn asked(grammar: Grammar) -> Advance {
    let prompt = [5, 6, 7];
    let begin = begin(&prompt, SamplingParams::default(), 1);
    let begin = Begin { grammar: Some(Arc::new(grammar)), max_tokens: 60, ..begin };
    Advance { grants: Grants::UNLIMITED, ..start(&prompt, begin) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_grammar_is_refused_with_422_soon_and_nothing_of_it_is_repeated() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(15_000), close.repeat(15_000));
    let bad = [
        Grammar::JsonSchema(r#"{"type":"secret"}"#.into()),
        Grammar::JsonSchema(r#"{"$ref":"https://secret.example/schema"}"#.into()),
        Grammar::JsonSchema(deep("[", "]")),
        Grammar::Regex(format!("secret{}", deep("(", ")"))),
        Grammar::Lark("start: secret".into()),
        Grammar::Lark(format!("start: {}", deep("(", ")"))),
    ];
    for grammar in bad {
        let began = Instant::now();
        let refused = session.advance(&asked(grammar)).await.unwrap_err();
        assert_eq!((refused.status, refused.body.code), (422, ErrorCode::Unsupported));
        assert!(!refused.body.reason.contains("secret"), "{}", refused.body.reason);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    let large = asked(Grammar::Regex("a".repeat(65_537)));
    assert_eq!(session.advance(&large).await.unwrap_err().body.code, ErrorCode::Malformed);
    let answer = session.advance(&asked(Grammar::Choices(vec!["forty two".into()]))).await.unwrap();
    assert_eq!(answer.end(), EndReason::Eog);
    let text = model().detokenize(&answer.ids()[..answer.ids().len() - 1]);
    assert_eq!(String::from_utf8(text).unwrap(), "forty two");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sessions_are_served_while_a_grammar_is_compiled() {
    let fixture = Fixture::new(llama()).await;
    let (hostile, other) = (fixture.open().await, fixture.open().await);
    // Different ones, so that none is known from before.
    let costly = |i: usize| Grammar::Regex(format!("((a|b|ab)*c{{1,{}}}){{300}}[a-z]{{1,4000}}", i + 10));
    let hostile = async {
        // As many as take a while, however fast the machine is.
        let (mut work, mut is_refused, mut grammars) = (Duration::ZERO, false, 0..);
        while !is_refused && work < Duration::from_millis(200) {
            let began = Instant::now();
            let answer = hostile.advance(&asked(costly(grammars.next().unwrap()))).await;
            work += began.elapsed();
            is_refused = answer.is_err_and(|refused| refused.body.reason == "the grammar takes too long to compile");
        }
    };
    let served = async {
        let mut longest = Duration::ZERO;
        for seq in 0..20 {
            let began = Instant::now();
            let request = Advance { generation: seq, ..greedily(&[5, 6], &[7]) };
            other.advance(&request).await.unwrap();
            longest = longest.max(began.elapsed());
        }
        longest
    };
    let ((), longest) = tokio::join!(hostile, served);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_session_stay_in_order_while_a_grammar_is_compiled() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let mut waited = Duration::ZERO;
    for generation in 0..8 {
        // Larger ones, until one takes a while, however fast the machine is.
        let property = |i: u32| format!(r#""p{i}":{{"type":"string","pattern":"^[a-f]+{i}$"}}"#);
        let properties: Vec<String> = (0..10 << generation).map(property).collect();
        let costly = format!(r#"{{"type":"object","properties":{{{}}}}}"#, properties.join(","));
        let first = Advance { generation, ..asked(Grammar::JsonSchema(costly)) };
        let later = Advance { generation, grants: Grants::UNLIMITED, ..window(1, &first.stand, &[]) };
        let (began, first) = (Instant::now(), session.advance(&first));
        let second = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let answer = session.stream(&later).await.expect("no desync");
            (began.elapsed(), answer.rest().await)
        };
        let (first, (took, second)) = tokio::join!(first, second);
        // Both are answered, the later one whole.
        first.expect("a valid grammar");
        assert!(!second.ids().is_empty());
        waited = took;
        if waited > Duration::from_millis(20) {
            break;
        }
    }
    assert!(waited > Duration::from_millis(20), "no grammar takes long, so the test shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_tokens_that_are_not_of_the_grammar_are_refused_and_drafted_ones_are_not_taken() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let word = |text: &str| model().tokenize(text, uhlm_law::model::Special::Plain).unwrap();
    let grammar = Grammar::Choices(vec!["yes".into(), "no".into()]);
    let drafted = Advance { draft: word("maybe"), ..asked(grammar.clone()) };
    let ids = session.advance(&drafted).await.unwrap().ids();
    let said = String::from_utf8(model().detokenize(&ids[..ids.len() - 1])).unwrap();
    assert!(["yes", "no"].contains(&said.as_str()), "{said}");
    let begun = asked(grammar);
    let stand = [&begun.stand[..], &word("maybe")].concat();
    let given = Advance { generation: 1, have: stand.len() as u32, stand, ..begun };
    let refused = session.advance(&given).await.unwrap_err();
    assert_eq!((refused.status, refused.body.code), (422, ErrorCode::Unsupported));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_a_language_takes_no_grammars_and_says_so() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    assert!(!fixture.handle().info().capabilities.contains(Capabilities::GRAMMAR));
    let session = fixture.open().await;
    let begin = begin(&[1], SamplingParams::greedy(), 1);
    let begin = Begin { grammar: Some(Arc::new(Grammar::Regex("a".into()))), ..begin };
    let refused = session.advance(&start(&[1], begin)).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::Unsupported);
    let other = Fixture::new(llama()).await;
    assert!(other.handle().info().capabilities.contains(Capabilities::GRAMMAR));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grammar_of_a_session_that_is_not_there_is_not_compiled() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    assert_eq!(session.close().await, 204);
    // Nothing is said of the grammar, which is not valid.
    let refused = session.advance(&asked(Grammar::Regex("(".into()))).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::Gone);
}
