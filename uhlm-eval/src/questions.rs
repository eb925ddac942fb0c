//! Questions with known answers, and the rule that decides whether a reply is right.

use std::path::Path;

use serde::Deserialize;

use crate::error::EvalError;

/// One line of a question file. Without `check` it is a free prompt, with it a reply can be marked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Line")]
pub struct Question {
    /// Kind of question, where the file names it.
    pub task: Option<String>,
    /// Text of the prompt.
    pub question: String,
    /// Right final answer; `None` for a free prompt.
    pub check: Option<String>,
}

/// A line as files spell it. Spec-Bench has `category` for the task, and in `turns` what the person says one after the
/// other, of which the first is asked.
#[derive(Deserialize)]
struct Line {
    #[serde(default, alias = "category")]
    task: Option<String>,
    #[serde(default, alias = "prompt")]
    question: Option<String>,
    #[serde(default)]
    turns: Vec<String>,
    #[serde(default)]
    check: Option<String>,
}

impl TryFrom<Line> for Question {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        let Line { task, question, turns, check } = line;
        let question = question.or_else(|| turns.into_iter().next()).ok_or("nothing is asked")?;
        Ok(Self { task, question, check })
    }
}

/// Categories of MT-bench, one of the six parts of Spec-Bench, whose file names the other five whole.
const MT_BENCH: [&str; 8] = ["writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities"];

impl Question {
    /// Returns the kind of prompt that results are told by: the task, where the eight categories of MT-bench are one.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        let task = self.task.as_deref()?;
        Some(if MT_BENCH.contains(&task) { "MT-bench" } else { task })
    }

    /// Tells whether a reply's final answer is the right one; never for a free prompt.
    #[must_use]
    pub fn is_answered_by(&self, reply: &str) -> bool {
        self.check.as_deref().is_some_and(|check| final_answer(reply) == check)
    }
}

/// Returns the text after the last `Answer: `, without white space around it and without one full stop at its end. A
/// reply without that mark is taken whole.
#[must_use]
pub fn final_answer(reply: &str) -> &str {
    let answer = reply.rsplit_once("Answer: ").map_or(reply, |(_, answer)| answer).trim();
    answer.strip_suffix('.').unwrap_or(answer)
}

/// Reads a file of questions: JSON Lines with a field `question`, `prompt` or `turns`, and maybe `task` or `category`
/// and `check`; or plain text with one prompt a line. Blocks on the file.
///
/// # Errors
/// [`EvalError::Questions`]: no such file, a line that is no question, or none at all.
pub fn read(path: &Path) -> Result<Vec<Question>, EvalError> {
    let refused = |reason: String| EvalError::Questions { path: path.into(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let questions = parse(&text).map_err(|(line, error)| {
        let rule = "every line is an object with a field `question`, `prompt` or `turns`, or all are plain text";
        refused(format!("line {line}: {error}; {rule}"))
    })?;
    if questions.is_empty() { Err(refused("there is no prompt in it".into())) } else { Ok(questions) }
}

fn parse(text: &str) -> Result<Vec<Question>, (usize, serde_json::Error)> {
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let is_json = lines().next().is_some_and(|(_, line)| line.trim_start().starts_with('{'));
    lines()
        .map(|(i, line)| {
            if is_json {
                serde_json::from_str(line).map_err(|error| (i + 1, error))
            } else {
                Ok(Question { task: None, question: line.trim().to_owned(), check: None })
            }
        })
        .collect()
}

/// Takes `count` questions so that the tasks of the file are equally represented: the first of each task, then the
/// second of each, and so on.
#[must_use]
pub fn spread(questions: &[Question], count: usize) -> Vec<Question> {
    let mut seen = std::collections::HashMap::<Option<&str>, usize>::new();
    let mut ranked: Vec<(usize, &Question)> = questions
        .iter()
        .map(|question| {
            let place = seen.entry(question.task.as_deref()).or_default();
            *place += 1;
            (*place, question)
        })
        .collect();
    ranked.sort_by_key(|&(place, _)| place);
    ranked.into_iter().take(count).map(|(_, question)| question.clone()).collect()
}

/// Takes `count` questions of each [kind](Question::kind), the kinds in the order in which they occur. Tasks of one
/// kind take turns, as in [`spread`].
#[must_use]
pub fn of_each_kind(questions: &[Question], count: usize) -> Vec<Question> {
    let mut kinds: Vec<(Option<&str>, Vec<Question>)> = Vec::new();
    for question in questions {
        match kinds.iter_mut().find(|(kind, _)| *kind == question.kind()) {
            Some((_, all)) => all.push(question.clone()),
            None => kinds.push((question.kind(), vec![question.clone()])),
        }
    }
    kinds.iter().flat_map(|(_, all)| spread(all, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_answer_stands_after_the_last_mark() {
        assert_eq!(final_answer("7+9=16. Answer: 16787."), "16787");
        assert_eq!(final_answer("Answer: 1. No, Answer:  two words. \n"), "two words");
        assert_eq!(final_answer(" Friday. "), "Friday");
        assert_eq!(final_answer("Answer: 3.5"), "3.5");
        assert_eq!(final_answer("Answer: etc.."), "etc.");
    }

    #[test]
    fn a_free_prompt_has_no_right_answer() {
        let [free, checked] =
            &parse("{\"question\":\"q\"}\n\n{\"question\":\"q\",\"check\":\"4\"}").expect("valid")[..]
        else {
            panic!("two questions")
        };
        assert!(!free.is_answered_by("Answer: 4."));
        assert!(checked.is_answered_by("2+2=4. Answer: 4.") && !checked.is_answered_by("Answer: 5."));
    }

    #[test]
    fn lines_of_other_sets_of_questions_are_understood() {
        let lines = r#"{"question_id": 81, "category": "writing", "turns": ["Write.", "Write again."]}
{"category": "math", "prompt": "Add."}"#;
        let found = parse(lines).expect("valid");
        let of = |question: &Question| (question.task.clone().unwrap_or_default(), question.question.clone());
        assert_eq!(
            found.iter().map(of).collect::<Vec<_>>(),
            [("writing".into(), "Write.".into()), ("math".into(), "Add.".into())]
        );
        assert!(parse(r#"{"category": "math", "turns": []}"#).is_err());
    }

    #[test]
    fn plain_text_is_one_prompt_a_line() {
        let questions = parse("What is it?\n\n  And that? \n").expect("plain text");
        assert_eq!(questions.iter().map(|q| &q.question[..]).collect::<Vec<_>>(), ["What is it?", "And that?"]);
        assert_eq!(parse("{\"question\": 1}").map_err(|(line, _)| line), Err(1));
    }

    #[test]
    fn a_part_of_the_questions_holds_every_task() {
        let question =
            |task: &str, n: usize| Question { task: Some(task.into()), question: format!("{task}{n}"), check: None };
        let all: Vec<_> = ["a", "b"].iter().flat_map(|task| (0..3).map(|n| question(task, n))).collect();
        let names: Vec<_> = spread(&all, 4).into_iter().map(|q| q.question).collect();
        assert_eq!(names, ["a0", "b0", "a1", "b1"]);
    }

    #[test]
    fn the_categories_of_mt_bench_are_one_kind() {
        let question = |task: &str| Question { task: Some(task.into()), question: task.into(), check: None };
        let all = ["qa", "writing", "writing", "math", "qa", "qa", "math"].map(question);
        let names: Vec<_> = of_each_kind(&all, 3).into_iter().map(|q| q.question).collect();
        assert_eq!(names, ["qa", "qa", "qa", "writing", "math", "writing"]);
        assert_eq!(all.iter().map(|q| q.kind().unwrap_or_default()).collect::<Vec<_>>()[..2], ["qa", "MT-bench"]);
    }
}
