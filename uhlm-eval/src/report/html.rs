//! Writes the report as one HTML page that loads nothing.

use minijinja::{Environment, context};

use super::Block;
use crate::error::EvalError;

const TEMPLATE: &str = include_str!("page.html");

/// Makes a page of the blocks under a title; it loads nothing.
///
/// # Errors
/// [`EvalError::Plot`], if the page's template fails.
pub fn page(title: &str, blocks: &[Block]) -> Result<String, EvalError> {
    let failed = |error: minijinja::Error| EvalError::Plot { reason: error.to_string() };
    let mut environment = Environment::new();
    // The ending of the template's name turns escaping on.
    environment.add_template("page.html", TEMPLATE).map_err(failed)?;
    let template = environment.get_template("page.html").map_err(failed)?;
    template.render(context! { title, blocks }).map_err(failed)
}
