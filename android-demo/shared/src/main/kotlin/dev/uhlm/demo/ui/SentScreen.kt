package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.font.FontFamily
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ChatState
import dev.uhlm.demo.chat.ChatViewModel
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.SentEntry
import dev.uhlm.demo.words.say

/** What left the device in the open conversation, request by request. */
@Composable
internal fun SentScreen(state: ChatState, chat: ChatViewModel, settings: Settings, back: () -> Unit) {
    Page(say("screen.sent"), back) {
        val conversation = state.conversation
        val sent = conversation?.sent.orEmpty()
        Column(Modifier.padding(horizontal = 16.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
            val (tokens, bytes) = tokens(sent.sumOf { it.tokens }) to bytes(sent.sumOf { it.bytes })
            Text(
                if (sent.isEmpty()) say("sent.none")
                else say("sent.total", requests(sent.size), tokens, bytes),
                style = MaterialTheme.typography.titleMedium,
            )
            Text(
                if (settings.recordText) say("sent.kept")
                else say("sent.kept.no_text"),
                style = MaterialTheme.typography.bodyMedium,
                color = MaterialTheme.colorScheme.onSurfaceVariant,
            )
            Chips {
                // However it came to be agreed, and only for the server that is set: nothing is sent to another one.
                if (conversation?.mayBeSent(settings.server, settings.agreed) == true) {
                    OutlinedButton(chat::withdrawConsent) { Text(say("sent.withdraw")) }
                }
                if (sent.isNotEmpty()) OutlinedButton(chat::forgetSent) { Text(say("sent.clear")) }
            }
        }
        LazyColumn(Modifier.testTag("sent")) {
            items(sent.asReversed()) { SentRow(it) }
        }
    }
}

@Composable
private fun SentRow(entry: SentEntry) {
    Column(
        Modifier.fillMaxWidth().padding(16.dp, 10.dp).semantics(mergeDescendants = true) {},
        verticalArrangement = Arrangement.spacedBy(2.dp),
    ) {
        Row {
            Text(entry.kind.title, Modifier.weight(1f).alignByBaseline(), style = MaterialTheme.typography.bodyLarge)
            Text(time(entry.at), Modifier.alignByBaseline(), style = MaterialTheme.typography.labelMedium)
        }
        val answer = if (entry.answered) null else say("sent.unanswered")
        Text(
            listOfNotNull(tokens(entry.tokens), bytes(entry.bytes), answer).joinToString(" · "),
            style = MaterialTheme.typography.labelMedium,
            color = MaterialTheme.colorScheme.onSurfaceVariant,
        )
        entry.text?.takeIf { it.isNotBlank() }?.let {
            Text(it.trim(), style = MaterialTheme.typography.bodySmall, fontFamily = FontFamily.Monospace)
        }
    }
    HorizontalDivider()
}
