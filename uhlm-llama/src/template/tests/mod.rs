//! The renderings of templates of our own writing, beside those of jinja2 (`tests/templates/render.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime};
use minijinja::Value;
use serde::Deserialize;
use uhlm_law::chat::TemplateError;

use super::Template;

mod attacks;
mod guarded;
mod hostile;

/// A conversation, and its rendering.
#[derive(Deserialize)]
struct Case {
    messages: Value,
    #[serde(default = "yes")]
    add_generation_prompt: bool,
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    /// Rendering by jinja2; `None` where it refuses.
    expected: Option<String>,
    /// Reason why it is refused here although jinja2 renders it.
    refused_here: Option<String>,
}

fn yes() -> bool {
    true
}

fn now() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 3, 5).and_then(|day| day.and_hms_opt(7, 8, 9)).expect("a time")
}

fn rendered(template: &str, case: &Case) -> Result<String, TemplateError> {
    let template = Template::compile(template, "<s>".into(), "</s>".into(), None)?;
    let given = [
        ("messages".to_owned(), case.messages.clone()),
        ("add_generation_prompt".to_owned(), case.add_generation_prompt.into()),
    ];
    template.render(given.into_iter().chain(case.variables.clone()), now())
}

fn of_text(template: &str) -> Result<String, TemplateError> {
    let template = Template::compile(template, String::new(), String::new(), None)?;
    template.render([("messages".to_owned(), Value::from(Vec::<Value>::new()))], now())
}

fn templates() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let files = std::fs::read_dir(directory).expect("the templates").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "jinja")).collect();
    files.sort();
    files
}

#[test]
fn every_template_renders_as_jinja2_renders_it_or_is_refused() {
    let (templates, mut compared, mut wrong) = (templates(), 0, Vec::new());
    assert!(templates.len() >= 40, "{} templates", templates.len());
    for path in templates {
        let template = std::fs::read_to_string(&path).expect("a template");
        let cases = std::fs::read_to_string(path.with_extension("json")).expect("its conversations");
        let cases: Vec<Case> = serde_json::from_str(&cases).expect("conversations");
        assert!(!cases.is_empty(), "{}", path.display());
        for (i, case) in cases.iter().enumerate() {
            compared += 1;
            let ours = rendered(&template, case);
            let expected = case.expected.as_ref().filter(|_| case.refused_here.is_none());
            if ours.as_ref().ok() != expected {
                wrong.push(format!("{} {i}: {ours:?}, and there {:?}", path.display(), case.expected));
            }
        }
    }
    assert!(compared > 120 && wrong.is_empty(), "{compared} compared\n{}", wrong.join("\n"));
}

#[test]
fn what_a_template_raises_is_told_in_its_own_words() {
    let refused = |reason: &str| Err(TemplateError::Refused { reason: reason.into() });
    assert_eq!(of_text("{{ raise_exception('no system messages') }}"), refused("no system messages"));
    let in_macro = "{% macro f() %}{{ raise_exception('in a macro') }}{% endmacro %}{{ f() }}";
    assert_eq!(of_text(in_macro), refused("in a macro"));
    assert!(matches!(of_text("{{ nothing.deeper }}"), Err(TemplateError::Failed { .. })));
    assert!(matches!(of_text("{{ strftime_now('%Q') }}"), Err(TemplateError::Failed { .. })));
    assert!(matches!(of_text("{% if %}"), Err(TemplateError::Invalid { .. })));
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let nested = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}";
    assert_eq!(of_text(nested), Err(TemplateError::TooSlow));
    let in_macro = format!("{{% macro f() %}}{nested}{{% endmacro %}}{{{{ f() }}}}");
    assert_eq!(of_text(&in_macro), Err(TemplateError::TooSlow));
    let recursive = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    assert!(matches!(of_text(recursive), Err(TemplateError::Failed { .. })));
}

#[test]
fn a_template_that_writes_without_end_is_stopped() {
    let long = format!("{{% for i in range(100000) %}}{}{{% endfor %}}", "x".repeat(1000));
    assert!(matches!(of_text(&long), Err(TemplateError::TooLong { .. })));
    assert!(matches!(
        of_text("{{ 'x' * 100000000 }}"),
        Err(TemplateError::TooLong { .. } | TemplateError::Failed { .. })
    ));
}
