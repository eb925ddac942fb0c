package dev.uhlm.demo.ui

import androidx.compose.foundation.ExperimentalFoundationApi
import androidx.compose.foundation.combinedClickable
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.itemsIndexed
import androidx.compose.foundation.lazy.rememberLazyListState
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.runtime.snapshotFlow
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.draw.clip
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.Writing
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.words.say

/** What the person can do with messages and replies. */
internal class TurnActions(
    val copy: (String) -> Unit,
    val again: () -> Unit,
    /** Puts a message back into the field, by its place among the turns; what is sent then takes its place. */
    val edit: (turn: Int) -> Unit,
    /** Gives a text to another app; none where the system has none to give it to. */
    val share: ((String) -> Unit)?,
    val settings: () -> Unit,
    val models: () -> Unit,
)

@Composable
internal fun Messages(
    conversation: Conversation,
    writing: Writing?,
    tinted: Boolean,
    actions: TurnActions,
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
        verticalArrangement = Arrangement.spacedBy(16.dp),
        contentPadding = PaddingValues(20.dp, 16.dp),
        horizontalAlignment = Alignment.CenterHorizontally,
    ) {
        itemsIndexed(turns) { index, turn ->
            // Lines that are longer are hard to read.
            Box(Modifier.widthIn(max = 720.dp)) {
                when (turn) {
                    is Said -> SaidBubble(turn, { actions.copy(turn.text) }, { actions.edit(index) })
                    is Reply -> {
                        val isLast = index == turns.lastIndex
                        ReplyBlock(turn, writing.takeIf { isLast }, isLast, tinted, actions)
                    }
                }
            }
        }
    }
}

@OptIn(ExperimentalFoundationApi::class)
@Composable
private fun SaidBubble(said: Said, onCopy: () -> Unit, onEdit: () -> Unit) {
    var open by remember { mutableStateOf(false) }
    Box(Modifier.fillMaxWidth().padding(start = 48.dp), contentAlignment = Alignment.CenterEnd) {
        // The menu opens at the message, not at the edge of the list.
        Box {
            Surface(
                Modifier.widthIn(max = 472.dp).clip(saidShape)
                    .combinedClickable(
                        onClick = { open = true },
                        onLongClick = { open = true },
                        onClickLabel = say("more"),
                    )
                    .semantics(mergeDescendants = true) { contentDescription = say("chat.you", said.text) },
                shape = saidShape,
                color = MaterialTheme.colorScheme.primaryContainer,
            ) {
                Text(said.text, Modifier.padding(16.dp, 12.dp), style = MaterialTheme.typography.bodyLarge)
            }
            Menu(open, { open = false }) {
                for ((label, act) in listOf(say("copy") to onCopy, say("chat.edit") to onEdit)) {
                    val choose = {
                        open = false
                        act()
                    }
                    DropdownMenuItem(text = { Text(label) }, onClick = choose)
                }
            }
        }
    }
}
