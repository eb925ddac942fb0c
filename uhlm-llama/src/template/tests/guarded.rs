//! What guarded programs do is what the engine's own do, where these do no harm.

use minijinja::{Environment, Value};
use uhlm_law::chat::TemplateError;

use super::super::python_text::str_of;
use super::of_text;

/// Renders with the engine alone, but for how values are printed.
fn unguarded(template: &str) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(|out, _, value| out.write_str(&str_of(value)).map_err(minijinja::Error::from));
    environment.add_template_owned("chat", template.to_owned())?;
    let variables: Value = [("messages", Value::from(Vec::<Value>::new()))].into_iter().collect();
    environment.get_template("chat")?.render(variables)
}

#[test]
fn a_guarded_program_renders_as_the_engine_does() {
    for template in [
        // Branches.
        "{% for i in range(6) %}{% if i == 0 %}a{% elif i == 1 %}b{% elif i < 4 and i != 2 %}c{% else %}d{% endif %}\
            {% endfor %}",
        "{{ 1 if true else 2 }}{{ 'a' if false }}{{ (1 if x else 2) * (3 if not x else 4) }}{{ x or 'y' }}\
            {{ 1 and 2 or 3 }}",
        "{{ 1 < 2 < 3 }}{{ 3 > 2 > 2 }}{{ 1 == 1 != 2 }}{{ 1 in [1] in [[1]] }}{{ 2 not in [1] }}\
            {{ (1 < x < 3) if x }}",
        // Loops.
        "{% for x in [1, 2] %}{{ x }}{% else %}none{% endfor %}{% for x in [] %}{{ x }}{% else %}none{% endfor %}",
        "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% elif x == 6 %}{% break %}{% endif %}{{ x }}\
            {% endfor %}",
        "{% for x in range(9) if x % 2 == 1 and x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}none\
            {% endfor %}",
        "{% for x in [3, 3, 4] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }}{{ loop.cycle(*['c', 'd']) }}\
            {{ loop.previtem }}{{ loop.nextitem }}{{ loop.first }}{{ loop.last }}{% endfor %}",
        "{% for x in [[1, [2]], [3]] recursive %}{{ loop.depth }}{% if x is iterable %}({{ loop(x) }}){% else %}\
            {{ x }}{% endif %}{% endfor %}",
        "{% for x in [[1, [2]], [3]] recursive %}{% if x is iterable %}{% set y = loop(x) %}<{{ y }}>{% else %}\
            {{ x }}{% endif %}{% endfor %}",
        "{% for k, (a, b) in [['x', [1, 2]]] %}{{ k }}{{ a }}{{ b }}{% endfor %}{% for c in 'abc' %}{{ c }}-\
            {% endfor %}",
        "{% for i in range(3) %}{% for j in range(3) %}{% if j == i %}{% continue %}{% endif %}{{ i }}{{ j }} \
            {% endfor %}{% endfor %}",
        // Variables.
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c %}x{{ a }}y{% endset %}{{ c }}{% set d | upper %}{{ c }}\
            {% endset %}{{ d }}",
        "{% with a = 1, b = a %}{% set c = 3 %}{{ a }}{{ b }}{{ c }}{% endwith %}{{ a is defined }}",
        "{% filter upper | replace('A', 'b') %}a{{ 'a' }}{% endfilter %}{% autoescape false %}<{% endautoescape %}",
        "{% set ns = namespace(i=0, s='') %}{% for x in 'abc' %}{% set ns.i = ns.i + 1 %}\
            {% set ns.s = ns.s ~ x ~ ns.i %}{% endfor %}{{ ns.s }}{{ ns }}{{ ns.i }}{{ ns['s'] }}\
            {{ ns.no is defined }}",
        "{% set ns = namespace({'b': 1, 'a': [2]}) %}{{ ns }}{% for k in ns %}{{ k }}{% endfor %}{{ 'a' in ns }}\
            {{ ns | length }}{% set m = namespace(ns) %}{% set m.a = 3 %}{{ m.a }}{{ ns.a }}{{ ns | items | list }}\
            {{ ns == m }}{{ ns is mapping }}",
        "{% macro f(ns) %}{% set ns.i = ns.i + 1 %}{{ ns.i }}{% endmacro %}{% set n = namespace(i=0) %}{{ f(n) }}\
            {{ f(ns=n) }}{{ f(*[n]) }}{{ n.i }}",
        // Macros.
        "{% macro f(a, b=2, c='x' * 2) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}\
            {{ f(*[1, 2]) }}{{ f(1, **{'b': 5}) }}{{ f(*[1], *[2], c=4) }}",
        "{% macro f(x) %}[{{ caller(x) }}|{{ caller(x + 1) }}]{% endmacro %}{% call(y) f(1) %}{{ y }}\
            {% call(z) f(y) %}{{ z }}{% endcall %}{% endcall %}",
        "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}{% set g = f %}\
            {{ g(2) }}",
        "{% macro f() %}{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}\
            {% endmacro %}{{ f() }}{% set x = f() ~ f() %}{{ x }}",
        "{% set q = 3 %}{% macro f() %}{{ q * q }}{% macro g() %}{{ q }}{% endmacro %}{{ g() }}{% endmacro %}{{ f() }}",
        "{% do range(3) %}{% macro f(a) %}{{ a }}{% endmacro %}{% do f(1) %}{{ f.name }}{{ f.arguments }}",
        // Blocks.
        "{% block a %}a{{ x }}{% block b %}b{% endblock %}{% endblock %}{{ self.b() }}{% set y = self.a() %}\
            {{ y | upper }}",
        "{% for x in [1, 2] %}{% block c %}{% for y in [3, 4] if y != 3 %}{{ y }}{% endfor %}{% endblock %}\
            {% endfor %}",
        // Operators.
        "{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ 7 % 3 }} {{ 2 ** 3 ** 2 }} {{ -(1 + 2) * 3 }} \
            {{ 2 * 3 * x if x else 2 * 3 }}",
        "{{ 'a' + 'b' ~ 1 ~ 2.0 ~ true ~ none ~ x }}{{ (['a'] + ['b']) | join }}{{ [1] * 2 }}{{ 'ab' * 2 }}\
            {{ ([1] + [2] + [3])[1] }}",
        "{{ 'abcdef'[1:4] }}{{ 'abcdef'[::-1] }}{{ 'abcdef'[-3:] }}{{ 'abcdef'[::2] }}{{ [1, 2, 3, 4][1:-1] }}\
            {{ [1, 2, 3][5:] }}{{ x[1:] }}",
        "{{ {'a': 1, 'b': {'c': [2]}}.b.c[0] }}{{ {'a': 1}['a'] }}{{ 'abc'[1] }}{{ [1, 2][-1] }}{{ {1: 2}[1] }}\
            {{ [1][5] is defined }}",
        "{{ 1 == 1.0 }}{{ 'a' < 'b' }}{{ [1, 2] <= [1, 3] }}{{ [1] == [1] }}{{ {'a': [1]} == {'a': [1]} }}\
            {{ 2 >= 3 }}{{ 'b' in 'abc' }}{{ 'k' in {'k': 1} }}{{ 1 in x }}",
        "{{ [1, 2] | map('string') | join('-') }}{{ [[1, 2], [3]] | map('last') | list }}\
            {{ {'b': 1, 'a': 2} | dictsort }}{{ [3, 1, 2] | sort | first }}",
        "{{ 'a,b'.split(',') | list }}{{ [1, 2, 3] | batch(2, 0) | list }}{{ [1, 2, 3] | slice(2) | list }}\
            {{ [{'a': 1}, {'a': 2}, {'a': 1}] | groupby('a') | length }}",
        "{% for g in [{'a': 1, 'b': 2}, {'a': 2, 'b': 3}, {'a': 1, 'b': 4}] | groupby('a') %}{{ g.grouper }}\
            {{ g.list | map(attribute='b') | join(',') }}{% endfor %}",
        "{{ dict(a=1, b=2).items() | list }}{{ dict({'a': 1}, b=2).get('a') }}\
            {{ {'a': {'b': 1}}.get('a').get('b') }}{{ {}.get('x', 'y') }}",
        "{{ '%s-%03d-%.2f' | format('a', 7, 1.5) }}{{ '{}-{:>4}-{0}'.replace('{0}', '').format('a', 'b') }}",
        "{{ [1, 2] | length }}{{ 'x' | default('y') }}{{ x | default([1]) }}{{ 5 is odd }}{{ 6 is divisibleby 3 }}\
            {{ x is none }}{{ none is none }}",
        "{% raw %}{{ x }}{% endraw %}{# nothing #}{%- if true -%} a {%- endif +%} b",
        "{% if true %}\n  {% for i in range(2) %}\n    {{ i }}\n  {% endfor %}\n{% endif %}\n",
    ] {
        assert_eq!(of_text(template).ok(), unguarded(template).ok(), "{template}");
        assert!(of_text(template).is_ok(), "{template}: {:?}", of_text(template));
    }
}

#[test]
fn an_error_names_the_line_that_the_engine_names() {
    for template in [
        "a\n{% for i in range(3) %}\n{{ i.x.y }}\n{% endfor %}",
        "\n\n{{ 'a' + 1 }}",
        "{% set x = [] %}\n{{ x | nothing }}",
        "{% macro f(x) %}\n\n{{ x.y.z }}{% endmacro %}\n{{ f(1) }}",
        "\n{{ nothing(1) }}",
        "\n\n\n{% set x = 3 %}{% set x.y = 4 %}",
        "\n{{ 1 is nothing }}",
        "\n{% if true %}\n{{ [1] * 'x' }}{% endif %}",
        "\n{{ {'a': 1}[1:] }}",
        "\n{{ {'a': 1}.nothing() }}",
        "\n{{ 1 in 2 }}",
        "\n\n{{ f(**3) }}",
        "{% if %}",
        "\n{{ a b }}",
    ] {
        let line = unguarded(template).expect_err(template).line().expect(template);
        let reason = match of_text(template) {
            Err(TemplateError::Failed { reason } | TemplateError::Invalid { reason }) => reason,
            other => panic!("{template}: {other:?}"),
        };
        assert!(reason.ends_with(&format!("(in chat:{line})")), "{template}: {reason}, not in {line}");
    }
}
