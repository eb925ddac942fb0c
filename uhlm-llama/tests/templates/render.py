"""Fills in what each template of this directory renders to, by jinja2 called as transformers calls it.

    pip install jinja2
    python render.py

Each NAME.json lists conversations for NAME.jinja; "expected" or "error" is written into each. "refused_here" is ours:
what jinja2 renders and we refuse, with the reason.
"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

# What `strftime_now` says, here and in the test.
NOW = datetime.datetime(2026, 3, 5, 7, 8, 9)


class Generation(jinja2.ext.Extension):
    """The tag of transformers' AssistantTracker, which renders what is in it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    """The environment of `transformers.utils.chat_template_utils._compile_jinja_template`."""

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def main():
    here = pathlib.Path(__file__).parent
    for path in sorted(here.glob("*.json")):
        cases = json.loads(path.read_text(encoding="utf-8"))
        source = path.with_suffix(".jinja").read_text(encoding="utf-8")
        for case in cases:
            variables = {"tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>"}
            variables |= case.get("variables", {})
            case.pop("expected", None)
            case.pop("error", None)
            try:
                template = environment().from_string(source)
                case["expected"] = template.render(
                    messages=case["messages"],
                    add_generation_prompt=case.get("add_generation_prompt", True),
                    **variables,
                )
            except Exception as error:  # whatever the template does wrong is its result
                case["error"] = type(error).__name__
        text = json.dumps(cases, ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
