//! Templates that somebody made to do harm, on a thread with as little stack as iOS gives to any but the first.

use std::fmt::Write as _;

use uhlm_law::chat::TemplateError;

use super::super::limits::{MAX_BYTES, MAX_SOURCE};
use super::attacks::ATTACKS;
use super::of_text;

/// Renders a template on a thread with a small stack.
fn on_a_small_stack(template: String) -> Result<String, TemplateError> {
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    thread.spawn(move || of_text(&template)).expect("a thread").join().expect("no panic")
}

#[test]
fn every_attack_ends_in_an_error() {
    for attack in ATTACKS {
        let outcome = on_a_small_stack((*attack).to_owned());
        assert!(
            matches!(
                outcome,
                Err(TemplateError::TooLong { .. }
                    | TemplateError::TooSlow
                    | TemplateError::Failed { .. }
                    | TemplateError::Invalid { .. })
            ),
            "{attack}: {:?}",
            outcome.map(|text| text.len())
        );
    }
}

#[test]
fn what_is_large_and_not_too_large_renders() {
    for (template, expected) in [
        ("{{ ('x' * 4000000) | length }}", "4000000"),
        ("{{ range(100000) | length }} {{ (range(99999) | list + range(100000) | list) | length }}", "100000 199999"),
        (
            "{{ [1, 2] * 3 }} {{ 3 * 'ab' }} {{ 2 * 3 * 4 }} {{ 2.5 * 2 }} {{ -2 * 3 ** 2 }}",
            "[1, 2, 1, 2, 1, 2] ababab 24 5.0 -18",
        ),
        ("{{ 'abc'.count('') }} {{ 'abab'.count('ab') }} {{ 'abc'[1:2:-1] }}|{{ 'abc'[2:0:-1] }}", "4 2 |cb"),
        (
            "{% set ns = namespace(l=[]) %}{% for i in range(300) %}{% set ns.l = ns.l + [i] %}{% endfor %}\
                {{ ns.l | sum }}",
            "44850",
        ),
        (
            "{% set ns = namespace(l=[]) %}{% for i in range(120) %}{% set ns.l = [ns.l] %}{% endfor %}\
                {{ ns.l | string | length }}",
            "242",
        ),
        ("{% macro f(n) %}{{ f(n - 1) if n else 'end' }}{% endmacro %}{{ f(45) }}", "end"),
        ("{% macro f() %}{% endmacro %}{{ f == f }} {{ f == 1 }} {{ f in [1, 'f'] }}", "True False False"),
    ] {
        assert_eq!(on_a_small_stack(template.to_owned()).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn the_deepest_value_is_printed_and_compared_in_the_deepest_call() {
    let depth = 126;
    let deepest = [
        "x",
        "x | string",
        "x | tojson",
        "x | tojson(indent=1)",
        "x | pprint",
        "'' ~ x",
        "x | e",
        "x == y",
        "x < y",
        "x in [y]",
        "{x: 1}[y]",
        "[x, y] | sort",
        "[x, y] | unique",
        "[x, y] | max",
        "[[x], [y]] | groupby('a')",
        "x | join",
        "x | title",
        "{'a': x} | dictsort(by='value')",
        "dict(a=x)",
        "[x] | batch(1)",
        "x | format(x)",
        "'%s' | format(x)",
        "'{}'.format(x)",
        "[y].index(x)",
        "y.count(x)",
        "1 < 2 < 3 and x < y <= x",
        "x | map('string') | list",
        "[x] | map('tojson') | list",
        "[x] | select('eq', y) | list",
        "[x] | selectattr('a', 'undefined') | list",
        "raise_exception(x)",
        "x | indent",
    ];
    for around in ["[0]", "{'a': 0}"] {
        for expression in deepest {
            for calls in 40..52 {
                let template = format!(
                    "{{% set ns = namespace(x=1, y=1) %}}{{% for i in range({depth}) %}}{{% set ns.x = {} %}}\
                    {{% set ns.y = {} %}}{{% endfor %}}{{% macro f(n, x, y) %}}\
                    {{% if n %}}{{{{ f(n - 1, x, y) }}}}{{% else %}}{{{{ {expression} }}}}{{% endif %}}{{% endmacro %}}\
                    {{{{ f({calls}, ns.x, ns.y) }}}}",
                    around.replace('0', "ns.x"),
                    around.replace('0', "ns.y"),
                );
                // Whether it is done or refused; not that the stack is gone.
                drop(on_a_small_stack(template));
            }
        }
    }
}

#[test]
fn a_template_that_is_too_large_or_nested_too_deep_is_not_compiled() {
    let around = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{{{{ {}{inner}{} }}}}", open.repeat(count), close.repeat(count))
    };
    for count in [35, 100, 380, 1_000, 10_000, 60_000, 500_000] {
        let mut branches = "{% if a %}".to_owned();
        for i in 0..count {
            write!(branches, "{{% elif a == {i} %}}").expect("a text");
        }
        branches.push_str("{% endif %}");
        let deep = [
            around("(", "a", ")", count),
            around("[", "a", "]", count),
            around("{1:", "a", "}", count),
            around("a[", "a", "]", count),
            around("f(", "a", ")", count),
            around("(1, [a.b(", "a", ")])", count / 3),
            around("not ", "a", "", count),
            around("- ", "a", "", count),
            around("", "a", ".b", count),
            around("", "a", "[0]", count),
            around("", "a", "()", count),
            around("", "a", "|e", count),
            around("", "a", " is a", count),
            around("", "a", "+a", count),
            around("", "a", "~a", count),
            around("", "a", "*a", count),
            around("", "a", "**a", count),
            around("", "a", " and a", count),
            around("", "a", " < a", count),
            around("", "a", " in a", count),
            around("", "a", " if a", count),
            around("", "a", " if a else a", count),
            around("1+", "a", "", count),
            around("'x'*9+", "a", "", count),
            format!("{{% set {}a{} = 1 %}}", "(".repeat(count), ")".repeat(count)),
            format!("{{% set a{} = 1 %}}", ".a".repeat(count)),
            format!("{{% filter e{} %}}{{% endfilter %}}", "|e".repeat(count)),
            format!("{}{}", "{% if a %}".repeat(count), "{% endif %}".repeat(count)),
            format!("{}{}", "{% for a in b %}".repeat(count), "{% endfor %}".repeat(count)),
            format!("{}{}", "{% set a %}".repeat(count), "{% endset %}".repeat(count)),
            format!("{}{}", "{% macro f() %}".repeat(count), "{% endmacro %}".repeat(count)),
            branches,
        ];
        for template in deep {
            let start: String = template.chars().take(40).collect();
            let (size, outcome) = (template.len(), on_a_small_stack(template));
            let is_small = size <= MAX_SOURCE && count <= 380;
            assert!(is_small || matches!(outcome, Err(TemplateError::Invalid { .. })), "{count} {start}: {outcome:?}");
        }
    }
}

#[test]
fn long_texts_without_an_end_are_compiled_in_no_time() {
    for piece in
        ["{", "{%", "{{", "{#", "{% raw %}", "{%'", "{{'", "{%-", "\n ", "a", "{{a}}", "{%if a%}{%endif%}", "{{'\\''}}"]
    {
        let template = piece.repeat(MAX_SOURCE / piece.len());
        // Whether it is a template is the engine's affair.
        drop(on_a_small_stack(template));
        let template = format!("{{% raw %}}{}", piece.repeat(MAX_SOURCE / piece.len() - 8));
        drop(on_a_small_stack(template));
    }
}

#[test]
fn what_is_written_is_bounded_wherever_it_goes() {
    let raw = format!("{{% for i in range(100000) %}}{}{{% endfor %}}", "x".repeat(1000));
    for template in [
        raw.clone(),
        format!("{{% set x %}}{raw}{{% endset %}}"),
        format!("{{% macro f() %}}{raw}{{% endmacro %}}{{% set x = f() %}}"),
        format!("{{% block a %}}{raw}{{% endblock %}}"),
    ] {
        assert_eq!(on_a_small_stack(template), Err(TemplateError::TooLong { bytes: MAX_BYTES }));
    }
}

#[test]
fn what_a_template_says_of_itself_is_cut_short() {
    let Err(TemplateError::Refused { reason }) = of_text("{{ raise_exception('x' * 1000000) }}") else {
        panic!("it refuses")
    };
    assert!(reason.len() < 100_000);
    let Err(TemplateError::Failed { reason }) = of_text("{{ [].index('x' * 1000000) }}") else { panic!("it fails") };
    assert!(reason.len() < 100_000);
}
