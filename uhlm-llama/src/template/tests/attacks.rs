//! Templates that try to end the process, to take its memory or to keep it busy.

/// Makes the text `big`, of about a million bytes.
macro_rules! big {
    ($($template:literal),+) => {
        concat!("{% set big = 'abcdefgh' * 125000 %}", $($template),+)
    };
}

/// Repeats what follows up to `{% endfor %}`, with a namespace for what grows.
macro_rules! again {
    ($first:literal, $($template:literal),+) => {
        concat!("{% set ns = namespace(x=", $first, ") %}{% for i in range(100000) %}", $($template),+)
    };
}

/// Each of them ends in an error.
pub(super) const ATTACKS: &[&str] = &[
    // Texts that are doubled.
    again!("'a'", "{% set ns.x = ns.x ~ ns.x %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ns.x + ns.x %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ns.x * 2 %}{% endfor %}"),
    again!("'aa'", "{% set ns.x = ns.x * ns.x | length %}{% endfor %}"),
    again!("'a'", "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}"),
    again!("'a'", "{% set y | upper %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}"),
    again!("'a'", "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns.x = f(ns.x) %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ns.x | replace('a', 'aa') %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ns.x.replace('a', ns.x ~ 'a') %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ns.x.replace('', ns.x) %}{% endfor %}"),
    again!("'a'", "{% set ns.x = [ns.x, ns.x] | join(ns.x) %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ns.x.join([ns.x, ns.x]) %}{% endfor %}"),
    again!("'aa'", "{% set ns.x = ns.x.join(ns.x | list) %}{% endfor %}"),
    again!("'<'", "{% set ns.x = ns.x | replace('&', '&<') | e | string %}{% endfor %}"),
    again!("'a'", "{% set ns.x = '%s%s' | format(ns.x, ns.x) %}{% endfor %}"),
    again!("'a'", "{% set ns.x = '{0}{0}{0}'.format(ns.x) %}{% endfor %}"),
    again!("'a'", "{% set ns.x = '%(x)s%(x)s' | format({'x': ns.x}) %}{% endfor %}"),
    again!("'a'", "{% set ns.x = [ns.x] | string ~ [ns.x] %}{% endfor %}"),
    again!("'a'", "{% set ns.x = {'a': ns.x, 'b': ns.x} | tojson %}{% endfor %}"),
    again!("'a'", "{% set ns.x = ('\\t' ~ ns.x).expandtabs(1000000) %}{% endfor %}"),
    again!("'a\\nb'", "{% set ns.x = (ns.x ~ '\\n' ~ ns.x) | indent(100000) %}{% endfor %}"),
    "{% set x = 'a' %}{% macro f(x, n) %}{{ f(x ~ x, n - 1) }}{% endmacro %}{{ f('a' * 100000, 1000) }}",
    // Lists that are doubled, and lists of which each holds the one before it twice.
    again!("[1]", "{% set ns.x = ns.x + ns.x %}{% endfor %}"),
    again!("[1]", "{% set ns.x = ns.x * 2 %}{% endfor %}"),
    again!("[1]", "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}"),
    again!("{}", "{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x }}"),
    again!("[1]", "{% set ns.x = ns.x | batch(1) | list + ns.x %}{% endfor %}"),
    again!("{'a': 1}", "{% set ns.x = dict(ns.x, b=ns.x) %}{% endfor %}"),
    "{{ [1] * 1000000000 }}",
    "{{ [1] * 1000000000 * 1000000000 * 1000000000 }}",
    "{% for x in [] * 1000000000000 %}{% endfor %}",
    "{% for x in range(0) * 1000000000000 %}{% endfor %}",
    "{{ ([] * 1000000000000) == [1] }}",
    "{{ 'x' * 100000000 }}",
    "{{ ('x' * 100000000) ~ ('x' * 100000000) ~ ('x' * 100000000) ~ ('x' * 100000000) }}",
    "{{ x ~ ('x' * 100000000) ~ ('x' * 10 * 10000000) ~ (100000000 * 'x') }}",
    "{{ ['x' * 100000000, {'a': 'x' * 100000000}] }}",
    // Lists and mappings that are nested.
    again!("[]", "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}"),
    again!("[]", "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == ns.x }}"),
    again!("[]", "{% set ns.x = [ns.x] %}{% endfor %}{{ [ns.x, ns.x] | sort | unique | tojson }}"),
    again!("[]", "{% set ns.x = (ns.x, 1) %}{% endfor %}"),
    again!("{}", "{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x | tojson }}"),
    again!("{}", "{% set ns.x = {(ns.x, 1): 1} %}{% endfor %}"),
    again!("{}", "{% set ns.x = dict(a=ns.x) %}{% endfor %}"),
    again!("{}", "{% set ns.x = nothing | default(a=ns.x) %}{% endfor %}"),
    again!("{}", "{% set ns.x = {'a': ns.x}.items() %}{% endfor %}"),
    again!("{}", "{% set ns.x = {'a': ns.x} | dictsort %}{% endfor %}"),
    again!("[]", "{% set ns.x = [ns.x] | batch(1) %}{% endfor %}"),
    again!("[]", "{% set ns.x = [ns.x] | slice(1) %}{% endfor %}"),
    again!("[]", "{% set ns.x = [{'a': ns.x}] | groupby('b') %}{% endfor %}"),
    again!("[]", "{% set ns.x = [[ns.x]] | map('list') %}{% endfor %}"),
    again!("[]", "{% set ns.x = namespace(a=ns.x) %}{% endfor %}"),
    again!("[]", "{% set ns.x = [namespace(a=ns.x)] %}{% endfor %}"),
    "{% set ns = namespace(x=joiner('a')) %}{% for i in range(100000) %}{% set ns.x = joiner([ns.x]) %}{% endfor %}",
    "{% set ns = namespace(x=cycler('a')) %}{% for i in range(100000) %}{% set ns.x = cycler([ns.x]) %}{% endfor %}",
    "{% macro f(x, n) %}{{ f([x], n - 1) if n else x }}{% endmacro %}{{ f([], 1000) }}",
    "{% for x in [[]] recursive %}{{ loop([[x]]) }}{% endfor %}",
    // What is put into itself.
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
    "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}",
    "{% set ns = namespace() %}{% set ns.a = {'b': [ns]} %}{{ ns | tojson }}",
    "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a }}",
    "{% set ns = namespace() %}{% for x in [ns] %}{% set ns.a = loop %}{{ ns }}{% endfor %}",
    "{% set ns = namespace() %}{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}",
    "{% set ns = namespace() %}{% set ns.a = joiner(ns) %}",
    "{% set ns = namespace() %}{% set ns.a = cycler(1, ns) %}",
    "{% set ns = namespace() %}{% macro f() %}{{ ns }}{% endmacro %}{% set ns.a = f %}",
    "{% set ns = namespace(x='a' * 1000000) %}{{ [ns] * 100000 }}",
    "{% set ns = namespace(x='a' * 1000000) %}{{ ([ns] * 100000) == ([ns] * 100000 + [1]) }}",
    // Many values that are large.
    big!("{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = ns.x + [big ~ i] %}{% endfor %}"),
    big!("{% macro f(n) %}{% set y = big ~ n %}{{ f(n + 1) if n < 100000 }}{% endmacro %}{{ f(0) }}"),
    big!(
        "{% set big = big * 4 %}{% macro f(n) %}{% set y = big ~ n %}{{ f(n + 1) if n < 100000 }}{% endmacro %}\
            {{ f(0) }}"
    ),
    big!("{% for i in range(100000) %}{% set a = big ~ i %}{% set b = range(100000) %}{% endfor %}"),
    big!("{% set x %}{% for i in range(100000) %}{{ big }}{% endfor %}{% endset %}"),
    big!("{% macro f() %}{% for i in range(100000) %}{{ big }}{% endfor %}{% endmacro %}{% set x = f() %}"),
    big!("{% filter upper %}{% for i in range(100000) %}{{ big }}{% endfor %}{% endfilter %}"),
    big!("{{ [big, big, big, big, big] }}"),
    big!("{{ big | list }}"),
    big!("{{ big.split('') }}{{ big.split('a') }}{{ big.split('b') }}{{ big | split('a') }}"),
    big!(
        "{% macro f(n) %}{% set y = big.split('z') %}{{ f(n + 1) }}{% endmacro %}\
        {% for i in range(100000) %}{% set a = big.split('z') %}{% set b = big.partition('c') %}{% endfor %}{{ f(0) }}"
    ),
    again!(
        "[]",
        "{% set ns.x = [[i]] + (ns.x if ns.x | length < 9 else []) %}{% set y = range(50000) | batch(1) %}{% endfor %}"
    ),
    big!("{{ big.replace('a', '\\n').splitlines() * 2 }}"),
    big!("{{ big.replace('a', ' ').split() * 2 }}"),
    big!("{{ (range(100000) | list)[:3000] | join(big) }}"),
    big!("{{ {big: 1, big ~ 1: 2, big ~ 2: 3, big ~ 3: 4, big ~ 4: 5} }}"),
    big!("{{ range(100000) | map('default', big, true) | map('replace', 'a', 'b') | list }}"),
    big!("{{ range(100000) | map('format', big) | list }}{{ range(100000) | map('center', 1000000) | list }}"),
    big!("{{ big | tojson(indent=big) }}"),
    "{{ range(100000) | list | tojson(separators=['a' * 100000, ':']) }}",
    "{{ range(100000) | list | tojson(indent='a' * 100000) }}",
    "{% set l = range(100000) %}{{ dict(a=1)(*l, *l, *l, *l) }}",
    "{% macro f() %}{% endmacro %}{% set l = range(100000) %}{{ f(*l, *l, *l, *l) }}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{% for i in range(100000) %}{% call f() %}x{% endcall %}{% endfor %}",
    // Numbers that stand for sizes.
    "{{ 'a' | center(1000000000000) }}",
    "{{ 'a'.center(1000000000000) }}",
    "{{ 'a'.ljust(1000000000000) }}",
    "{{ 'a'.rjust(1000000000000) }}",
    "{{ 'a'.zfill(1000000000000) }}",
    "{{ '\\ta'.expandtabs(1000000000000) }}",
    "{{ 'a\\nb' | indent(1000000000000) }}",
    "{{ 'a\\nb' | indent(width=1000000000000) }}",
    "{{ '%1000000000000d' | format(1) }}",
    "{{ '%.1000000000000f' | format(1) }}",
    "{{ '%.70000e' | format(1) }}",
    "{{ '{:1000000000000}'.format(1) }}",
    "{{ '{:.70000e}'.format(1.5) }}",
    "{{ [1] | batch(1000000000000) | list }}",
    "{{ [1] | batch(1000000000000, 1) | list }}",
    "{{ [1] | slice(1000000000000) | list }}",
    "{{ range(1000000000000) }}",
    "{{ range(-9223372036854775807, 9223372036854775807) }}",
    "{{ [1][170141183460469231731687303715884105727:] }}",
    // Faults of the engine.
    "{{ 1 is divisibleby 0 }}",
    "{% for x in [1] %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1] %}{{ loop.cycle(*[]) }}{% endfor %}",
    "{% import 'a' as 1 %}",
    "{% include 'chat' %}",
    "{% extends 'chat' %}",
    "{% import 'chat' as x %}",
    "{{ debug() }}",
    // Blocks, macros and loops that call themselves.
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{% block a %}{% set x = self.b() %}{% endblock %}{% block b %}{% set x = self.a() %}{% endblock %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{% for x in [1] %}{% set y %}{{ f() }}{% endset %}{% endfor %}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ caller() }}{% endmacro %}\
        {% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
    "{% macro f() %}{{ {'f': f}.f() }}{% endmacro %}{{ f() }}",
    "{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}",
    // What takes time.
    big!(
        "{% set other = big ~ 'x' %}{% for i in range(100000) %}{% if big == other %}{% endif %}{% endfor %}\
        {% for i in range(100000) %}{% if big ~ '' == big %}{% endif %}{% endfor %}"
    ),
    big!("{% for i in range(100000) %}{% if 'ha' in big %}{% endif %}{% if 'x' in big %}{% endif %}{% endfor %}"),
    big!("{% for i in range(100000) %}{% if big.find('x') %}{% endif %}{% endfor %}"),
    big!("{% for i in range(100000) %}{% if big[900000] %}{% endif %}{% endfor %}"),
    big!("{% for i in range(100000) %}{% if big | length %}{% endif %}{% endfor %}"),
    big!("{% for i in range(100000) %}{% if big is lower %}{% endif %}{% endfor %}"),
    big!("{% for i in range(100000) %}{% for c in big %}{% break %}{% endfor %}{% endfor %}"),
    big!("{% for i in range(100000) %}{% if {big: 1}[big] %}{% endif %}{% endfor %}"),
    big!("{% for i in range(100000) %}{{ big.strip('x') | length }}{% endfor %}"),
    big!("{{ big.strip(big) }}"),
    big!("{{ strftime_now(big) }}"),
    big!("{{ range(100000) | map(attribute=big) | list }}"),
    big!("{{ range(100000) | map(attribute='a.a.a.a.a.a.a.a.a.a.a.a') | list }}"),
    "{% set l = range(100000) %}{% for i in l %}{% if l | sort(reverse=true) %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l | unique %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l == l + [1] %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if -1 in l %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l | map('string') %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l | select('eq', 1) %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l | tojson %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l[::-1] %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% for j in l %}{% endfor %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l.index(99999) %}{% endif %}{% endfor %}",
    "{% set l = range(100000) %}{% for i in l %}{% if l.count(99999) %}{% endif %}{% endfor %}",
    "{% set m = {} %}{% set ns = namespace(m=m) %}{% for i in range(2000) %}{% set ns.m = dict(ns.m, **{i ~ 'x': i}) %}\
        {% endfor %}{% set m = ns.m %}{% for i in range(100000) %}{% set x = namespace(m) %}{% endfor %}",
    "{% set ns = namespace(m={}) %}{% for i in range(2000) %}{% set ns.m = dict(ns.m, **{i ~ 'x': i}) %}{% endfor %}\
        {% set n = namespace(ns.m) %}{% for i in range(100000) %}{% for k in n %}{% break %}{% endfor %}{% endfor %}",
    "{% set l = range(100000) | map('string') | list %}{{ l | map('%made') | map('%spread') | list }}",
];
