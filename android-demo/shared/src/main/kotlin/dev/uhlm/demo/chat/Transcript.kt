package dev.uhlm.demo.chat

import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said

/**
 * Returns a conversation as a Markdown text to share or to keep: messages quoted, replies as they were written. The iOS
 * app writes the same.
 */
internal fun Conversation.transcript(): String {
    val turns = turns.mapNotNull { turn ->
        when (turn) {
            is Said -> turn.text.lineSequence().joinToString("\n") { "> $it".trimEnd() }
            is Reply -> turn.text.trim().ifEmpty { null }
        }
    }
    return (listOf("# $title") + turns).joinToString("\n\n", postfix = "\n")
}

/** A name for a file with the conversation: its title, without what file systems refuse. */
internal fun Conversation.fileName(): String {
    val name = title.map { if (it.isLetterOrDigit() || it in " -_") it else ' ' }.joinToString("")
    return name.trim().replace(Regex(" +"), " ").ifEmpty { "conversation" } + ".md"
}
