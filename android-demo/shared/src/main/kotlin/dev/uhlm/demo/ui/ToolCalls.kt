package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.WindowInsets
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.layout.statusBars
import androidx.compose.foundation.layout.windowInsetsPadding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.KeyboardArrowDown
import androidx.compose.material.icons.filled.KeyboardArrowUp
import androidx.compose.material.icons.outlined.Build
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.Icon
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.onClick
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.font.FontFamily
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.PendingCall
import dev.uhlm.demo.storage.Asked
import dev.uhlm.demo.storage.Call
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Miscall
import dev.uhlm.demo.tools.line
import dev.uhlm.demo.tools.question
import dev.uhlm.demo.tools.values
import dev.uhlm.demo.words.say

/** What a reply asked of a tool, in a sentence, which unfolds to what was asked and what was answered. */
@Composable
internal fun CallRow(asked: Asked, isOver: Boolean) {
    var open by rememberSaveable { mutableStateOf(false) }
    val quiet = MaterialTheme.colorScheme.onSurfaceVariant
    val label = if (open) say("tools.hide") else say("tools.show")
    Surface(
        { open = !open },
        Modifier.fillMaxWidth().testTag("call").semantics { onClick(label, null) },
        shape = MaterialTheme.shapes.small,
        color = MaterialTheme.colorScheme.surfaceContainerLow,
    ) {
        Column(Modifier.padding(12.dp, 8.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
            Row(verticalAlignment = Alignment.CenterVertically) {
                Icon(Icons.Outlined.Build, contentDescription = null, Modifier.size(16.dp), tint = quiet)
                Text(
                    asked.line(isOver),
                    Modifier.weight(1f).padding(horizontal = 8.dp),
                    style = MaterialTheme.typography.bodyMedium,
                    color = quiet,
                    maxLines = if (open) Int.MAX_VALUE else FOLDED_LINES,
                    overflow = TextOverflow.Ellipsis,
                )
                val arrow = if (open) Icons.Filled.KeyboardArrowUp else Icons.Filled.KeyboardArrowDown
                Icon(arrow, contentDescription = null, Modifier.size(18.dp), tint = quiet)
            }
            if (open) Details(asked)
        }
    }
}

/** What is asked comes before what was answered, and both are seen in large type too; pages need not be. */
private const val FOLDED_LINES = 3

@Composable
private fun Details(asked: Asked) = when (asked) {
    is Call -> {
        val values = values(asked.arguments)
        if (values.isNotEmpty()) Detail(say("tools.values"), values)
        asked.answer?.let { Detail(say("tools.answer"), it.content) }
        Unit
    }
    is Miscall -> {
        Detail(say("tools.written"), asked.text)
        Detail(say("tools.reason"), asked.reason)
    }
}

@Composable
private fun Detail(title: String, text: String) {
    Column(verticalArrangement = Arrangement.spacedBy(2.dp)) {
        Text(title, style = MaterialTheme.typography.labelMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
        Text(text.trim(), style = MaterialTheme.typography.bodyMedium, fontFamily = FontFamily.Monospace)
    }
}

/** Asks whether a call may be made. A dialog that is left otherwise is a no: the model waits for a word. */
@Composable
internal fun ToolDialog(pending: PendingCall, onAnswer: (isAllowed: Boolean) -> Unit) {
    AlertDialog(
        onDismissRequest = { onAnswer(false) },
        modifier = Modifier.testTag("tool"),
        title = { Text(question(pending.call.name)) },
        text = {
            Column(Modifier.verticalScroll(rememberScrollState()), verticalArrangement = Arrangement.spacedBy(12.dp)) {
                Text(say("tools.may.text"))
                val values = values(pending.call.arguments)
                if (values.isNotEmpty()) {
                    Surface(
                        Modifier.fillMaxWidth(),
                        shape = MaterialTheme.shapes.small,
                        color = MaterialTheme.colorScheme.surfaceContainerHighest,
                    ) {
                        Text(
                            values,
                            // A model may write pages; the buttons stay in sight.
                            Modifier.heightIn(max = 200.dp).verticalScroll(rememberScrollState()).padding(12.dp),
                            style = MaterialTheme.typography.bodyMedium,
                            fontFamily = FontFamily.Monospace,
                        )
                    }
                }
                if (pending.mayBeSent) Text(say("tools.may.sent"), style = MaterialTheme.typography.bodySmall)
            }
        },
        confirmButton = { TextButton({ onAnswer(true) }) { Text(say("tools.allow")) } },
        dismissButton = { TextButton({ onAnswer(false) }) { Text(say("tools.refuse")) } },
    )
}

/**
 * Says that a conversation which nobody looks at asks for a tool, and leads there: its reply waits until somebody does.
 */
@Composable
internal fun AskingElsewhere(conversation: Conversation, onOpen: () -> Unit) {
    Surface(
        Modifier.fillMaxWidth().testTag("asking"),
        color = MaterialTheme.colorScheme.secondaryContainer,
    ) {
        Row(
            Modifier.windowInsetsPadding(WindowInsets.statusBars).padding(16.dp, 4.dp, 8.dp, 4.dp),
            verticalAlignment = Alignment.CenterVertically,
            horizontalArrangement = Arrangement.spacedBy(12.dp),
        ) {
            Icon(Icons.Outlined.Build, contentDescription = null, Modifier.size(18.dp))
            // As in the list: a long title must not push out what it is about.
            Column(
                Modifier.weight(1f).semantics(mergeDescendants = true) { liveRegion = LiveRegionMode.Polite },
            ) {
                Text(
                    conversation.title,
                    style = MaterialTheme.typography.titleSmall,
                    maxLines = 1,
                    overflow = TextOverflow.Ellipsis,
                )
                Text(say("tools.waiting"), style = MaterialTheme.typography.bodySmall)
            }
            TextButton(onOpen) { Text(say("open")) }
        }
    }
}
