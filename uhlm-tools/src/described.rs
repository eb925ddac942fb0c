//! Tools in plain messages, for models whose chat template knows nothing of them.
//!
//! The words are those of the Hermes format, which many models have learnt, whatever their own template is.

use uhlm_law::chat::{Message, Role};

use crate::definition::ToolDefinition;
use crate::format::ToolFormat;

/// Returns the messages with the tools described in the first one, calls as text of the model, and results as messages
/// of the person. A model that reads them writes calls in the format [`ToolFormat::Hermes`].
#[must_use]
pub fn described(messages: &[Message], tools: &[ToolDefinition]) -> Vec<Message> {
    let mut plain = in_turns(messages);
    if tools.is_empty() {
        return plain;
    }
    let description = description(tools);
    match plain.first_mut().filter(|first| first.role == Role::System) {
        Some(first) if first.content.trim().is_empty() => first.content = description,
        Some(first) => first.content = format!("{}\n\n{description}", first.content),
        None => plain.insert(0, Message::system(description)),
    }
    plain
}

/// Returns the messages as [`described`] does, with what it says in a system message at the beginning of the first
/// message of the person, for templates that refuse that role.
#[must_use]
pub fn described_to_user(messages: &[Message], tools: &[ToolDefinition]) -> Vec<Message> {
    let mut plain = described(messages, tools);
    if plain.first().is_none_or(|first| first.role != Role::System) {
        return plain;
    }
    let system = plain.remove(0);
    match plain.first_mut().filter(|first| first.role == Role::User) {
        Some(first) => first.content = format!("{}\n\n{}", system.content, first.content),
        None => plain.insert(0, Message::user(system.content)),
    }
    plain
}

/// Returns the messages with calls and results as plain text. Roles take turns in most templates: several results, and
/// what the person says after them, are one message.
fn in_turns(messages: &[Message]) -> Vec<Message> {
    let mut plain: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    let mut follows_result = false;
    for message in messages {
        let content = match message.role {
            Role::Tool => format!("<tool_response>\n{}\n</tool_response>", message.content),
            _ if message.tool_calls.is_empty() => message.content.clone(),
            _ => {
                let calls = ToolFormat::Hermes.write(&message.tool_calls);
                let said = message.content.trim_end();
                if said.is_empty() { calls } else { format!("{said}\n{calls}") }
            }
        };
        let is_result = message.role == Role::Tool;
        match plain.last_mut() {
            Some(last) if follows_result && (is_result || message.role == Role::User) => {
                last.content.push('\n');
                last.content.push_str(&content);
            }
            _ => {
                let role = if is_result { Role::User } else { message.role };
                let reasoning = message.reasoning.clone();
                plain.push(Message { role, reasoning, ..Message::user(content) });
            }
        }
        follows_result = is_result;
    }
    plain
}

fn description(tools: &[ToolDefinition]) -> String {
    let definitions: Vec<String> = tools.iter().map(ToolDefinition::json).collect();
    format!(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{}\n</tools>\n\n\
         For each function call, return a json object with function name and arguments within <tool_call></tool_call> \
         XML tags:\n<tool_call>\n{{\"name\": <function-name>, \"arguments\": <args-json-object>}}\n</tool_call>",
        definitions.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolCall;

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "f".into(), arguments: r#"{"x": 1}"#.into() }
    }

    #[test]
    fn tools_calls_and_results_become_plain_messages() {
        let tools = [ToolDefinition::new("f", "does", "")];
        let messages = [
            Message::system("Be brief."),
            Message::user("do"),
            Message { tool_calls: vec![call("1"), call("2")], ..Message::assistant("Yes.") },
            Message::tool(&call("1"), "one"),
            Message::tool(&call("2"), "two"),
            Message::assistant("done"),
        ];
        let plain = described(&messages, &tools);
        let roles: Vec<Role> = plain.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User, Role::Assistant]);
        assert!(plain[0].content.starts_with("Be brief.\n\n# Tools") && plain[0].content.contains(&tools[0].json()));
        assert_eq!(plain[2].content, format!("Yes.\n{}", ToolFormat::Hermes.write(&[call("1"), call("2")])));
        let expected = "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>";
        assert_eq!(plain[3].content, expected);
        assert!(plain.iter().all(|message| message.tool_calls.is_empty() && message.tool_call_id.is_none()));
    }

    #[test]
    fn the_tools_stand_first_where_nobody_gave_instructions_and_nowhere_without_tools() {
        let tools = [ToolDefinition::new("f", "does", "")];
        let plain = described(&[Message::user("do")], &tools);
        assert_eq!((plain.len(), plain[0].role), (2, Role::System));
        assert_eq!(described(&[Message::user("do")], &[]), [Message::user("do")]);
    }

    #[test]
    fn what_the_person_says_after_results_is_one_message_with_them() {
        let messages = [
            Message::user("do"),
            Message { tool_calls: vec![call("1")], ..Message::assistant("") },
            Message::tool(&call("1"), "one"),
            Message::user("and now?"),
            Message::assistant("done"),
            Message::user("thanks"),
        ];
        let plain = described(&messages, &[]);
        let roles: Vec<Role> = plain.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant, Role::User]);
        assert_eq!(plain[2].content, "<tool_response>\none\n</tool_response>\nand now?");
    }

    #[test]
    fn instructions_go_to_the_person_s_first_message_where_the_template_has_no_role_for_them() {
        let tools = [ToolDefinition::new("f", "does", "")];
        for messages in [vec![Message::user("do")], vec![Message::system("Be brief."), Message::user("do")]] {
            let plain = described_to_user(&messages, &tools);
            assert_eq!((plain.len(), plain[0].role), (1, Role::User));
            assert!(plain[0].content.contains(&tools[0].json()) && plain[0].content.ends_with("\n\ndo"));
            assert_eq!(plain[0].content.starts_with("Be brief."), messages.len() == 2);
        }
        assert_eq!(described_to_user(&[Message::user("do")], &[]), [Message::user("do")]);
    }
}
