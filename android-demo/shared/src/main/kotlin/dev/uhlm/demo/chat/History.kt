package dev.uhlm.demo.chat

import dev.uhlm.Message
import dev.uhlm.Role
import dev.uhlm.ToolCall
import dev.uhlm.demo.storage.Call
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.storage.Turn

/** What models are told of a conversation: a message that got no answer is left out. */
internal fun List<Turn>.messages(system: String): List<Message> = buildList {
    if (system.isNotBlank()) add(Message(Role.SYSTEM, system))
    for ((turn, next) in this@messages.zipWithNext()) {
        if (turn !is Said || next !is Reply) continue
        val rounds = next.rounds()
        if (next.pieces.isEmpty() && rounds.isEmpty()) continue
        add(Message(Role.USER, turn.text))
        var from = 0
        for (calls in rounds) {
            val at = calls.first().at
            val made = calls.map { ToolCall(it.id, it.name, it.arguments) }
            add(Message(Role.ASSISTANT, next.text.substring(from, at), toolCalls = made))
            addAll(calls.map(::result))
            from = at
        }
        // Also where it is empty: person and model take turns.
        add(Message(Role.ASSISTANT, next.text.substring(from)))
    }
}

/** The calls of a reply, those that were made together in one list. */
private fun Reply.rounds(): List<List<Call>> = asked.filterIsInstance<Call>().groupBy(Call::round).values.toList()

/** No call may be without a result, which one has that the reply did not wait for. */
private fun result(call: Call): Message {
    val content = call.answer?.content ?: "Error: it was cancelled"
    return Message(Role.TOOL, content, toolCallId = call.id, toolName = call.name)
}
