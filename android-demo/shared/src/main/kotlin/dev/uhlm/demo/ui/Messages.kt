package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.itemsIndexed
import androidx.compose.foundation.lazy.rememberLazyListState
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.foundation.text.selection.SelectionContainer
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.snapshotFlow
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.unit.dp
import dev.uhlm.FinishReason
import dev.uhlm.Recovery
import dev.uhlm.demo.chat.Writing
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.Problem
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.ReplyEnd
import dev.uhlm.demo.storage.Said

/** What the person can do about a reply that failed. */
internal class ProblemActions(val again: () -> Unit, val settings: () -> Unit, val models: () -> Unit)

@Composable
internal fun Messages(
    conversation: Conversation,
    writing: Writing?,
    tinted: Boolean,
    actions: ProblemActions,
    modifier: Modifier = Modifier,
) {
    val list = rememberLazyListState()
    val turns = conversation.turns
    LaunchedEffect(conversation.id, turns.size) {
        if (turns.isNotEmpty()) list.scrollToItem(turns.lastIndex, Int.MAX_VALUE)
    }
    // Follow what is written, unless the person scrolled away from it.
    LaunchedEffect(conversation.id, writing != null) {
        if (writing == null) return@LaunchedEffect
        var atEnd = true
        snapshotFlow { list.layoutInfo.totalItemsCount to list.canScrollForward }.collect { (_, more) ->
            if (list.isScrollInProgress) atEnd = !more
            if (atEnd && more) list.scrollToItem((list.layoutInfo.totalItemsCount - 1).coerceAtLeast(0), Int.MAX_VALUE)
        }
    }
    LazyColumn(
        modifier.fillMaxWidth().testTag("messages"),
        state = list,
        verticalArrangement = Arrangement.spacedBy(12.dp),
        contentPadding = androidx.compose.foundation.layout.PaddingValues(16.dp),
    ) {
        itemsIndexed(turns) { index, turn ->
            when (turn) {
                is Said -> SaidBubble(turn)
                is Reply -> {
                    val isLast = index == turns.lastIndex
                    ReplyBlock(turn, writing.takeIf { isLast }, isLast, tinted, actions)
                }
            }
        }
    }
}

@Composable
private fun SaidBubble(said: Said) {
    Box(Modifier.fillMaxWidth(), contentAlignment = Alignment.CenterEnd) {
        Surface(
            Modifier.widthIn(max = 520.dp).padding(start = 40.dp)
                .semantics(mergeDescendants = true) { contentDescription = "You: ${said.text}" },
            shape = RoundedCornerShape(16.dp, 16.dp, 4.dp, 16.dp),
            color = MaterialTheme.colorScheme.primaryContainer,
        ) {
            SelectionContainer {
                Text(said.text, Modifier.padding(14.dp, 10.dp), style = MaterialTheme.typography.bodyLarge)
            }
        }
    }
}

@Composable
private fun ReplyBlock(reply: Reply, writing: Writing?, last: Boolean, tinted: Boolean, actions: ProblemActions) {
    Column(Modifier.fillMaxWidth().widthIn(max = 640.dp), verticalArrangement = Arrangement.spacedBy(6.dp)) {
        if (writing != null && writing.opening) {
            Text("Loading the model…", color = MaterialTheme.colorScheme.onSurfaceVariant)
            LinearProgressIndicator(Modifier.fillMaxWidth())
        } else if (writing != null && reply.pieces.isEmpty() && writing.provisional.isEmpty()) {
            Text("Thinking…", color = MaterialTheme.colorScheme.onSurfaceVariant)
        } else {
            SelectionContainer {
                TintedText(reply.pieces, writing?.provisional.orEmpty(), tinted, Modifier.testTag("reply"))
            }
        }
        (writing?.figures ?: reply.end?.figures)?.let { LiveLine(it) }
        if (writing == null) Ending(reply.end, last, actions)
    }
}

@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun LiveLine(figures: Figures) {
    FlowRow(
        Modifier.testTag("figures").semantics(mergeDescendants = true) {},
        horizontalArrangement = Arrangement.spacedBy(14.dp),
        verticalArrangement = Arrangement.spacedBy(2.dp),
    ) {
        for (part in figures.line()) {
            Text(part, style = MaterialTheme.typography.labelMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
        }
    }
}

@Composable
private fun Ending(end: ReplyEnd?, last: Boolean, actions: ProblemActions) {
    val note = when {
        end == null -> "The app ended while this was written."
        end.problem != null -> null
        end.finish == FinishReason.CANCELLED -> "Stopped."
        end.finish == FinishReason.MAX_TOKENS -> "Cut at the longest reply that Settings allow."
        end.finish == FinishReason.CONTEXT_FULL -> "The model can hold no more of this conversation. Start a new one."
        else -> null
    }
    if (note != null) {
        Text(note, style = MaterialTheme.typography.labelMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
    }
    end?.problem?.let { ProblemCard(it, last, actions) }
    val again = end == null || end.finish == FinishReason.CANCELLED
    if (last && again) OutlinedButton(actions.again) { Text("Try again") }
}

@Composable
private fun ProblemCard(problem: Problem, last: Boolean, actions: ProblemActions) {
    Surface(
        Modifier.semantics { liveRegion = LiveRegionMode.Polite }.testTag("problem"),
        shape = RoundedCornerShape(12.dp),
        color = MaterialTheme.colorScheme.errorContainer,
    ) {
        Column(Modifier.padding(14.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
            Text(problem.hint, color = MaterialTheme.colorScheme.onErrorContainer)
            if (!last) return@Column
            when (problem.recovery) {
                Recovery.PROVIDE_MODEL, Recovery.DOWNLOAD_AGAIN, Recovery.CHOOSE_ANOTHER_MODEL, Recovery.FREE_STORAGE ->
                    OutlinedButton(actions.models) { Text("Models") }
                Recovery.SIGN_IN, Recovery.CHECK_ENDPOINT, Recovery.FIX_OPTIONS ->
                    OutlinedButton(actions.settings) { Text("Settings") }
                else -> Unit
            }
            OutlinedButton(actions.again) { Text("Try again") }
        }
    }
}

/** Where nothing was said yet. */
@Composable
internal fun Welcome(hasModel: Boolean, onModels: () -> Unit, modifier: Modifier = Modifier) {
    Box(modifier.fillMaxSize().padding(32.dp), contentAlignment = Alignment.Center) {
        Column(horizontalAlignment = Alignment.CenterHorizontally, verticalArrangement = Arrangement.spacedBy(12.dp)) {
            Text("Ask something", style = MaterialTheme.typography.headlineSmall)
            Text(
                if (hasModel) {
                    "A small model on this phone writes. A large one is asked only where the small one is unsure."
                } else {
                    "A small model on this phone writes the answers. Choose one first."
                },
                textAlign = TextAlign.Center,
                color = MaterialTheme.colorScheme.onSurfaceVariant,
            )
            if (!hasModel) OutlinedButton(onModels) { Text("Choose a model") }
        }
    }
}
