//! Compiles a template and runs its guarded program, in a way that ends in an error and never in a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::machinery::{Vm, WhitespaceConfig, get_compiled_template, make_string_output};
use minijinja::{Environment, Value};
use uhlm_law::chat::TemplateError;

use super::limits::{MAX_FUEL, failure, said};
use super::program::guarded;
use super::{filters, generation_tag, operators, python, source};

const NAME: &str = "chat";
/// Largest number of blocks, loops and calls around each other while a template runs; a call of a macro counts for six.
/// With the deepest value printed in the deepest call, less than two thirds of a stack of 512 KiB are used.
const MAX_FRAMES: usize = 300;

/// Compiles a template as Hugging Face's tokenizers do: blocks trimmed, loop controls, and what [`python`] adds.
///
/// # Errors
/// [`TemplateError::Invalid`].
pub(super) fn compiled(text: &str) -> Result<Environment<'static>, TemplateError> {
    let white_space = WhitespaceConfig { trim_blocks: true, lstrip_blocks: true, ..WhitespaceConfig::default() };
    let invalid = |reason: String| TemplateError::Invalid { reason };
    let compile = || {
        let source = source::prepared(&generation_tag::replaced(text), white_space).map_err(invalid)?;
        let mut environment = Environment::new();
        environment.set_trim_blocks(white_space.trim_blocks);
        environment.set_lstrip_blocks(white_space.lstrip_blocks);
        environment.set_fuel(Some(MAX_FUEL));
        environment.set_recursion_limit(MAX_FRAMES);
        // The engine would run what is included, which is the template itself, without its guards.
        environment.set_path_join_callback(|_, _| "".into());
        filters::add_to(&mut environment);
        operators::add_to(&mut environment);
        python::add_to(&mut environment);
        environment.add_template_owned(NAME, source).map_err(|error| invalid(said(&error)))?;
        Ok(environment)
    };
    catch_unwind(AssertUnwindSafe(compile)).unwrap_or_else(|_| Err(invalid(PANIC.into())))
}

/// Renders the template that was compiled.
///
/// # Errors
/// [`TemplateError`].
pub(super) fn rendered(environment: &Environment<'_>, variables: Value) -> Result<String, TemplateError> {
    let render = || {
        let template = environment.get_template(NAME).map_err(|error| failure(&error))?;
        let compiled = get_compiled_template(&template);
        let program = guarded(&compiled.instructions);
        let blocks = compiled.blocks.iter().map(|(name, block)| (*name, guarded(block))).collect();
        let mut text = String::new();
        let mut out = make_string_output(&mut text);
        let vm = Vm::new(environment);
        vm.eval(&program, variables, &blocks, &mut out, compiled.initial_auto_escape)
            .map(drop)
            .map_err(|error| failure(&error))?;
        drop(out);
        Ok(text)
    };
    let panicked = |_| Err(TemplateError::Failed { reason: PANIC.into() });
    catch_unwind(AssertUnwindSafe(render)).unwrap_or_else(panicked)
}

/// What is said of a fault of the engine's.
const PANIC: &str = "the template engine cannot do this";
