//! Requests bring the target's own text, however it is asked for.

use super::*;

#[test]
fn unlimited_grants_bring_what_the_target_writes_alone() {
    let verifier = local(Duration::ZERO);
    let asked = first(40, &[], Grants::UNLIMITED);
    assert_eq!(ask(&verifier, open(&verifier), asked), (reply(40), EndReason::Max));
}

#[test]
fn a_draft_that_the_target_would_write_brings_one_token_more_in_one_pass() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let written = reply(8);
    let (_call, frames) = start(&verifier, open(&verifier), first(8, &written[..4], Grants::NONE), LONG);
    let frames = all(&frames);
    let Ok(Frame::Text(Text { pos, ids, passes, pass_us, queue_us, .. })) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!((*pos, &ids[..], *passes), (3, &written[..5], 1));
    assert!(pass_us.is_some() && queue_us.is_some());
    assert_eq!(frames[1..], [Ok(Frame::End(EndReason::Granted))]);
    assert_eq!(decoded.load(Ordering::Acquire), PROMPT.len() + 4);
}

#[test]
fn rows_after_a_mismatch_are_not_decoded() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let written = reply(8);
    let wrong = (written[1] + 1) % VOCABULARY as TokenId;
    let session = open(&verifier);
    let drafted = [written[0], wrong, written[2], written[3]];
    assert_eq!(ask(&verifier, session, first(8, &drafted, Grants::NONE)).0, written[..2]);
    assert_eq!(decoded.load(Ordering::Acquire), PROMPT.len() + 1);
    // The next pass decodes what the target has written itself, and the draft.
    assert_eq!(ask(&verifier, session, then(1, &written[..2], &[written[2]], Grants::NONE)).0, written[2..4]);
    assert_eq!(decoded.load(Ordering::Acquire), PROMPT.len() + 3);
}

#[test]
fn windows_grants_and_wrong_drafts_change_nothing_about_the_text() {
    let verifier = local(Duration::ZERO);
    let written = reply(60);
    for width in [1, 2, 5, 9] {
        let session = open(&verifier);
        let mut held: Vec<TokenId> = Vec::new();
        for seq in 0.. {
            let next = &written[held.len()..written.len().min(held.len() + width)];
            // Every third draft is wrong at its end.
            let mut draft = next.to_vec();
            if seq % 3 == 2 {
                draft.last_mut().into_iter().for_each(|id| *id = (*id + 1) % (END - 1));
            }
            let granted = grants(seq as u8 % 3);
            let request = if seq == 0 { first(60, &draft, granted) } else { then(seq, &held, &draft, granted) };
            let (text, reason) = ask(&verifier, session, request);
            held.extend(text);
            if reason == EndReason::Max {
                break;
            }
            assert!(held.len() < 60 && seq < 200, "no end");
        }
        assert_eq!(held, written, "windows of {width}");
    }
}

#[test]
fn grants_are_self_made_passes_of_a_token_each() {
    let verifier = local(Duration::ZERO);
    let written = reply(20);
    let session = open(&verifier);
    let (_call, frames) = start(&verifier, session, first(20, &[], grants(3)), LONG);
    let frames = all(&frames);
    let texts: Vec<_> = frames[..3].iter().map(|f| matches!(f, Ok(Frame::Text(t)) if t.ids.len() == 1)).collect();
    assert_eq!((texts, frames.len()), (vec![true; 3], 4));
    assert_eq!(
        ask(&verifier, session, then(1, &written[..3], &[], grants(2))),
        (written[3..5].to_vec(), EndReason::Granted)
    );
}

#[test]
fn a_prompt_alone_is_decoded_and_brings_no_text() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let session = open(&verifier);
    let prompt: Vec<TokenId> = (0..100).map(|i| i % 20).collect();
    let begin = Begin { reply_start: 100, ..begin(4) };
    let request = Advance { have: 100, stand: prompt.clone(), begin: Some(begin), ..first(4, &[], Grants::NONE) };
    assert_eq!(ask(&verifier, session, request), (vec![], EndReason::Granted));
    assert_eq!(decoded.load(Ordering::Acquire), 99, "the last one is left for the pass that needs its row");
}

#[test]
fn a_reply_ends_by_its_end_token_and_by_stop_strings() {
    let ends = SyntheticModel { end_bias: 1.0, ..SyntheticModel::target() };
    let verifier = ends.verifier(|config| config);
    let written = ends.reply(&begin(200), &PROMPT);
    assert_eq!(written.last(), Some(&END), "the seed's reply ends by itself");
    let asked = first(200, &[], Grants::UNLIMITED);
    assert_eq!(ask(&verifier, open(&verifier), asked), (written.clone(), EndReason::Eog));

    let verifier = local(Duration::ZERO);
    let written = reply(30);
    let text = |ids: &[TokenId]| String::from_utf8_lossy(&target().detokenize(ids)).into_owned();
    let stop = text(&written[10..13]);
    let at = (0..30).find(|&n| text(&written[..n]).contains(&stop)).expect("it is there");
    let begin = Some(Begin { stop: vec![stop], ..begin(30) });
    let (heard, reason) = ask(&verifier, open(&verifier), Advance { begin, ..first(30, &[], Grants::UNLIMITED) });
    assert_eq!((heard, reason), (written[..at].to_vec(), EndReason::Stop));
}

#[test]
fn given_tokens_go_before_and_labels_say_which_are_the_targets_own() {
    let verifier = local(Duration::ZERO);
    let written = reply(8);
    let wrong = (written[1] + 1) % (END - 1);
    let session = open(&verifier);
    let given = [&PROMPT[..], &[written[0], wrong]].concat();
    let labels = Labelling { matched: true, probabilities: true };
    let request = Advance { have: 5, stand: given.clone(), labels, ..first(8, &[], grants(1)) };
    let (call, frames) = start(&verifier, session, request, LONG);
    call.detach();
    let frames = all(&frames);
    // The first request gives the prompt with it, so only what is given later is labelled.
    assert!(matches!(&frames[0], Ok(Frame::Text(text)) if text.pos == 5 && text.ids.len() == 1), "{frames:?}");
    let Ok(Frame::Text(text)) = &frames[0] else { panic!("{frames:?}") };
    let continued = [&given[PROMPT.len()..], &text.ids].concat();
    let next = target().reply(&begin(8), &[&PROMPT[..], &continued].concat())[0];
    let skipped = (next + 1) % (END - 1);
    let base = [&PROMPT[..], &continued].concat();
    let request = Advance {
        seq: 1,
        have: base.len() as u32 + 1,
        base: base.len() as u32,
        check: PrefixHash::of(&base),
        stand: vec![skipped],
        begin: None,
        labels,
        ..first(8, &[], grants(1))
    };
    let (call, frames) = start(&verifier, session, request, LONG);
    call.detach();
    let frames = all(&frames);
    let Some(Ok(Frame::Text(Text { labels: Some(labels), .. }))) = frames.first() else { panic!("{frames:?}") };
    let law = target().law(&begin(8).sampling, *base.last().expect("a token"));
    assert_eq!((labels.pos, &labels.matched[..]), (base.len() as u32, &[false][..]));
    assert!((labels.p[0] - law.prob(skipped)).abs() < 1e-6, "{labels:?}");
}

#[test]
fn another_generation_replaces_the_one_before_and_keeps_what_they_have_in_common() {
    let (verifier, decoded) = counting(Duration::ZERO);
    let session = open(&verifier);
    let written = reply(6);
    assert_eq!(ask(&verifier, session, first(6, &[], Grants::UNLIMITED)).0, written);
    let before = decoded.load(Ordering::Acquire);
    let base = [&PROMPT[..], &written].concat();
    let begin = Begin { seed: 43, reply_start: base.len() as u32 + 1, ..begin(6) };
    let prompt = [&base[..], &[2]].concat();
    let request = Advance {
        generation: 1,
        have: prompt.len() as u32,
        base: base.len() as u32,
        check: PrefixHash::of(&base),
        stand: vec![2],
        begin: Some(begin.clone()),
        ..first(6, &[], grants(1))
    };
    let (text, _) = ask(&verifier, session, request);
    assert_eq!(text, target().reply(&begin, &prompt)[..1]);
    assert_eq!(decoded.load(Ordering::Acquire) - before, 2, "the last token of the old reply and the new one");
    // What belongs to the old generation is answered and changes nothing.
    let late = then(9, &[], &[1], Grants::UNLIMITED);
    assert_eq!(ask(&verifier, session, late), (vec![], EndReason::Superseded));
}
