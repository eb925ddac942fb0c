//! Reads the tasks of a published file, with the check that a right reply passes.

use std::path::Path;

use serde::Deserialize;

use crate::error::EvalError;

/// A set of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Python functions, judged by their tests (<https://github.com/openai/human-eval>, arXiv 2107.03374).
    HumanEval,
    /// School mathematics with one number as the answer (<https://github.com/openai/grade-school-math>, arXiv
    /// 2110.14168).
    Gsm8k,
}

impl Set {
    /// Returns the name of the set in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HumanEval => "HumanEval",
            Self::Gsm8k => "GSM8K",
        }
    }
}

/// The check that a right reply passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A program that passes tests.
    Program {
        /// Beginning of the function: imports, signature and docstring.
        beginning: String,
        /// Source that defines `check(candidate)`.
        tests: String,
        /// Name of the function.
        entry_point: String,
    },
    /// The number that the reply ends with, without signs for thousands.
    Number(String),
}

/// One task of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Set that the task is of.
    pub set: Set,
    /// Name of the task, unique in its set.
    pub id: String,
    /// Text that the model is asked.
    pub prompt: String,
    /// Check that a right reply passes.
    pub check: Check,
}

/// Text that ends a reply to any task: after the first block of code, only talk follows.
pub const STOP: &str = "\n```\n";

#[derive(Deserialize)]
struct Function {
    task_id: String,
    prompt: String,
    entry_point: String,
    test: String,
}

#[derive(Deserialize)]
struct Problem {
    question: String,
    answer: String,
}

impl Task {
    fn function(line: &str) -> Result<Self, String> {
        let function: Function = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let beginning = function.prompt;
        Ok(Self {
            set: Set::HumanEval,
            id: function.task_id,
            prompt: format!(
                "Complete the following Python function. Reply with the whole function in one block of code.\n\n\
                 ```python\n{}\n```",
                beginning.trim_end()
            ),
            check: Check::Program { beginning, tests: function.test, entry_point: function.entry_point },
        })
    }

    fn problem(number: usize, line: &str) -> Result<Self, String> {
        let problem: Problem = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let (_, answer) = problem.answer.rsplit_once("####").ok_or("its answer has no line `#### NUMBER`")?;
        Ok(Self {
            set: Set::Gsm8k,
            id: format!("GSM8K/{number}"),
            prompt: format!(
                "{}\n\nThink step by step, and end with a line of the form `#### NUMBER` that gives the answer.",
                problem.question.trim()
            ),
            check: Check::Number(answer.trim().replace(',', "")),
        })
    }
}

/// Reads the first `count` tasks of a published file in JSON Lines. Blocks on the file.
///
/// # Errors
/// [`EvalError::Questions`] if there is no such file, or a line is no task of this set.
pub fn read(set: Set, path: &Path, count: usize) -> Result<Vec<Task>, EvalError> {
    let refused = |reason: String| EvalError::Questions { path: path.into(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).take(count);
    let tasks = lines.map(|(number, line)| {
        let task = match set {
            Set::HumanEval => Task::function(line),
            Set::Gsm8k => Task::problem(number, line),
        };
        task.map_err(|error| refused(format!("line {}: {error}", number + 1)))
    });
    tasks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_asked_for_with_its_beginning_and_judged_by_its_tests() {
        let line = r#"{"task_id": "T/1", "prompt": "def two():\n    \"\"\"Two.\"\"\"\n", "entry_point": "two",
            "test": "def check(candidate):\n    assert candidate() == 2\n", "canonical_solution": "    return 2\n"}"#;
        let task = Task::function(&line.replace('\n', " ")).expect("a task");
        assert_eq!((task.id.as_str(), task.set), ("T/1", Set::HumanEval));
        assert!(task.prompt.ends_with("```python\ndef two():\n    \"\"\"Two.\"\"\"\n```"), "{}", task.prompt);
        assert!(matches!(task.check, Check::Program { entry_point, .. } if entry_point == "two"));
    }

    #[test]
    fn a_problem_s_answer_is_the_number_after_the_mark() {
        let line = r#"{"question": "How many? ", "answer": "2 * 600 = 1,200.\n#### 1,200"}"#;
        let task = Task::problem(3, line).expect("a task");
        assert_eq!((task.id.as_str(), task.check), ("GSM8K/3", Check::Number("1200".into())));
        assert!(Task::problem(0, r#"{"question": "How many?", "answer": "two"}"#).is_err());
    }
}
