package dev.uhlm.demo.chat

import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import java.text.Normalizer

/** Whether a text stands in the title, a message or a reply, in whatever case and with whatever accents. */
internal fun Conversation.says(text: String): Boolean {
    val wanted = text.trim().plain()
    if (wanted.isEmpty() || wanted in title.plain()) return true
    return turns.any { turn ->
        val said = when (turn) {
            is Said -> turn.text
            is Reply -> turn.text
        }
        wanted in said.plain()
    }
}

private val accents = Regex("\\p{Mn}+")

private fun String.plain() = Normalizer.normalize(this, Normalizer.Form.NFD).replace(accents, "").lowercase()
