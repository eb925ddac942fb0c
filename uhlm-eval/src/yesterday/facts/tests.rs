use super::*;
use crate::trace::tests::small;

/// Returns a reply of 3,000 positions that all have the same rows: the target's law is (0.5, 0.3, 0.2) on the tokens 3,
/// 5 and 8, the draft's (0.2, 0.3, 0.5).
fn trace() -> Trace {
    let mut trace = small();
    trace.header.sampling.temperature = 1.0;
    let row = |p: [f32; 3]| Row { ids: vec![3, 5, 8], logits: p.map(f32::ln).to_vec(), log_normaliser: 0.0 };
    let reply = RecordedReply {
        tokens: (0..3000).map(|i| [3, 5, 8][i % 3]).collect(),
        draft: vec![row([0.2, 0.3, 0.5]); 3000],
        target: vec![row([0.5, 0.3, 0.2]); 3000],
        ..trace.replies[0].clone()
    };
    trace.replies = vec![reply];
    trace
}

#[test]
fn under_the_maximal_coupling_a_draft_is_accepted_by_the_ratio_of_its_token_and_rejected_ones_are_in_excess() {
    let trace = trace();
    let facts = Facts::of(&trace, Coupling::Maximal, 5).expect("sound").remove(0);
    for (token, expected) in [(3, 0.4), (5, 1.0), (8, 1.0)] {
        let at: Vec<&Fact> = facts
            .positions
            .iter()
            .zip(&trace.replies[0].tokens)
            .filter(|(_, t)| **t == token)
            .map(|(f, _)| f)
            .collect();
        let share = at.iter().filter(|fact| fact.accepted).count() as f64 / at.len() as f64;
        // 1,000 tokens each: five standard errors are 0.08, a false alarm in two million.
        assert!(at.len() == 1000 && (share - expected).abs() < 0.08, "{share} of {token}");
    }
    for fact in &facts.positions {
        let q = if fact.accepted { fact.draft.q } else { 0.5 };
        assert!((fact.draft.q - q).abs() < 1e-6, "only the last token is in excess");
        assert!(fact.accepted || (fact.draft.beta - 0.6).abs() < 1e-6);
    }
    assert_eq!(facts.fates().fates.len(), 3000);
}

#[test]
fn shared_noise_drafts_what_the_session_drafts_and_leaves_nothing_to_chance() {
    let trace = trace();
    let facts = |seed| Facts::of(&trace, Coupling::Shared, seed).expect("sound").remove(0);
    let outcome = |facts: Facts| facts.positions.iter().map(|f| (f.accepted, f.draft)).collect::<Vec<_>>();
    let first = outcome(facts(1));
    assert_eq!(first, outcome(facts(2)));
    assert!(first.iter().all(|(accepted, draft)| draft.beta == f64::from(u8::from(!accepted))));
}

#[test]
fn replacements_run_out_as_often_as_they_did() {
    let rolls = |distance: f64| (0..1000).map(|i| refills(distance, (f64::from(i) + 0.5) / 1000.0)).sum::<usize>();
    assert_eq!(rolls(1.0), 0);
    // 0.9^8 = 0.430 of the rejections ask once, 0.9^16 = 0.185 of those again, and 0.9^32 = 0.034 of those again.
    let asked = rolls(0.1);
    assert!((500..=520).contains(&asked), "{asked}");
    assert_eq!(refills(0.0, 0.5), MAX_REFILLS);
}
