package dev.uhlm.demo.chat

import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Part
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.storage.parts
import dev.uhlm.demo.tools.codeSpan
import dev.uhlm.demo.tools.line

/**
 * Returns a conversation as a Markdown text to share or to keep: messages quoted, replies as they were written, with a
 * line for each call of a tool. The iOS app writes the same.
 */
internal fun Conversation.transcript(): String {
    val turns = turns.mapNotNull { turn ->
        when (turn) {
            is Said -> turn.text.lineSequence().joinToString("\n") { "> $it".trimEnd() }
            is Reply -> turn.written().ifEmpty { null }
        }
    }
    return (listOf("# $title") + turns).joinToString("\n\n", postfix = "\n")
}

private fun Reply.written() = parts().map { part ->
    when (part) {
        is Part.Words -> part.pieces.joinToString("") { it.text }.trim()
        is Part.Calls -> part.asked.joinToString("\n") { "- " + codeSpan(it.line()) }
    }
}.filter(String::isNotEmpty).joinToString("\n\n")

/** A reply's words to copy or to share: without the calls, between which the texts are paragraphs. */
internal fun Reply.words(): String {
    if (asked.isEmpty()) return text
    val words = parts().filterIsInstance<Part.Words>().map { part -> part.pieces.joinToString("") { it.text }.trim() }
    return words.filter(String::isNotEmpty).joinToString("\n\n")
}

/** A name for a file with the conversation: its title, without what file systems refuse. */
internal fun Conversation.fileName(): String {
    val name = title.map { if (it.isLetterOrDigit() || it in " -_") it else ' ' }.joinToString("")
    return name.trim().replace(Regex(" +"), " ").ifEmpty { "conversation" } + ".md"
}
