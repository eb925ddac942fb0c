//! Decides whether a reply to a task is right.

use super::sandbox::{Sandbox, SandboxError};
use super::set::{Check, Task};

/// Tells whether a reply is right; blocks while a program runs.
///
/// # Errors
/// [`SandboxError`] if the sandbox itself does not work; a program that fails is a wrong reply.
pub fn is_right(task: &Task, reply: &str, sandbox: &Sandbox) -> Result<bool, SandboxError> {
    match &task.check {
        Check::Number(wanted) => Ok(final_number(reply).is_some_and(|found| is_same(&found, wanted))),
        Check::Program { beginning, tests, entry_point } => {
            sandbox.passes(&program(beginning, &code(reply), tests, entry_point))
        }
    }
}

/// Returns the number that a reply ends with: the first after its last `####` or `\boxed{`, else the last one there is,
/// without signs for thousands.
fn final_number(reply: &str) -> Option<String> {
    let after = |mark: &str| reply.rsplit_once(mark).and_then(|(_, rest)| numbers(rest).into_iter().next());
    after("####").or_else(|| after("\\boxed{")).or_else(|| numbers(reply).pop())
}

/// Returns all numbers of a text in decimal notation, in order.
fn numbers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut previous = ' ';
    // A space at the end closes the last number.
    for character in text.chars().chain([' ']) {
        match character {
            '0'..='9' => {
                if current.is_empty() && previous == '-' {
                    current.push('-');
                }
                current.push(character);
            }
            ',' if !current.is_empty() => {}
            '.' if !current.is_empty() && !current.contains('.') => current.push('.'),
            _ if !current.is_empty() => {
                found.push(std::mem::take(&mut current).trim_end_matches('.').to_owned());
            }
            _ => {}
        }
        previous = character;
    }
    found
}

fn is_same(found: &str, wanted: &str) -> bool {
    match (found.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(found), Ok(wanted)) => (found - wanted).abs() < 1e-6,
        _ => found == wanted,
    }
}

/// Returns the first block of code of a reply, or the reply itself if it has none. A block that never ends is taken up
/// to the end of the reply.
fn code(reply: &str) -> String {
    let Some((_, block)) = reply.split_once("```") else { return reply.to_owned() };
    let body = block.split_once('\n').map_or("", |(_, body)| body);
    body.split("\n```").next().unwrap_or(body).to_owned()
}

/// Returns the reply's code between the given beginning and the tests. If the reply is the body alone, the given
/// beginning makes it a function; if it is the whole function, its own definition replaces the given one, whose imports
/// it may use.
fn program(beginning: &str, code: &str, tests: &str, entry_point: &str) -> String {
    let is_whole = code.contains(&format!("def {entry_point}("));
    let given = if is_whole { format!("{beginning}    pass\n\n") } else { beginning.to_owned() };
    format!("{given}{code}\n\n{tests}\ncheck({entry_point})\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_number_stands_after_the_mark_or_last() {
        let cases = [
            ("3 and 4.\n#### 1,234", "1234"),
            ("So it is \\boxed{-7.50}.", "-7.50"),
            ("He has 3 apples and 5 pears, 8 in all.", "8"),
            ("#### $18 a day for 2 days", "18"),
            ("It costs 12.", "12"),
            ("5 - 3 = 2", "2"),
        ];
        for (reply, wanted) in cases {
            assert_eq!(final_number(reply).as_deref(), Some(wanted), "{reply}");
        }
        assert_eq!(final_number("None."), None);
        assert!(is_same("18.00", "18") && !is_same("18.5", "18"));
    }

    #[test]
    fn code_is_the_first_block_or_everything() {
        assert_eq!(code("Here:\n```python\ndef f():\n    return 1\n```\nIt returns 1."), "def f():\n    return 1");
        assert_eq!(code("```\nx = 1"), "x = 1");
        assert_eq!(code("    return 1"), "    return 1");
    }

    #[test]
    fn a_body_alone_and_a_whole_function_make_the_same_program() -> Result<(), SandboxError> {
        let sandbox = match Sandbox::find() {
            Ok(sandbox) => sandbox,
            // Without Python, or without a way to shut the network off, programs are not run at all.
            Err(_) => return Ok(()),
        };
        let (beginning, tests) = ("def two():\n    \"\"\"Two.\"\"\"\n", "def check(f):\n    assert f() == 2\n");
        for (body, right) in [
            ("    return 2", true),
            ("def two():\n    return 2", true),
            ("def two():\n    return 3", false),
            ("    return (", false),
            ("import os\ndef two():\n    os._exit(0)", false),
            ("import socket\ndef two():\n    socket.create_connection(('127.0.0.1', 9), 1)\n    return 2", false),
        ] {
            let passes = sandbox.passes(&program(beginning, body, tests, "two"))?;
            assert_eq!(passes, right, "{body}");
        }
        Ok(())
    }
}
