package dev.uhlm.demo.ui

import androidx.compose.foundation.clickable
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxHeight
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.Add
import androidx.compose.material.icons.filled.MoreVert
import androidx.compose.material.icons.filled.Search
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.FilledTonalButton
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.selected
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ChatState
import dev.uhlm.demo.chat.says
import dev.uhlm.demo.words.say

@Composable
internal fun ConversationList(
    state: ChatState,
    onOpen: (String?) -> Unit,
    onDelete: (String) -> Unit,
    onRename: (id: String, title: String) -> Unit,
    modifier: Modifier = Modifier,
) {
    var deleting by rememberSaveable { mutableStateOf<String?>(null) }
    var searched by rememberSaveable { mutableStateOf("") }
    var renaming by rememberSaveable { mutableStateOf<String?>(null) }
    Column(modifier.fillMaxHeight().padding(12.dp)) {
        FilledTonalButton({ onOpen(null) }, Modifier.fillMaxWidth()) {
            Icon(Icons.Filled.Add, contentDescription = null)
            Text(say("chat.new"), Modifier.padding(start = 8.dp))
        }
        OutlinedTextField(
            searched,
            { searched = it },
            Modifier.fillMaxWidth().padding(top = 8.dp).testTag("search"),
            placeholder = { Text(say("list.search")) },
            leadingIcon = { Icon(Icons.Filled.Search, contentDescription = null) },
            singleLine = true,
            shape = RoundedCornerShape(28.dp),
        )
        val shown = remember(state.conversations, searched) { state.conversations.filter { it.says(searched) } }
        if (shown.isEmpty() && searched.isNotBlank()) Text(say("list.none"), Modifier.padding(12.dp))
        LazyColumn(Modifier.padding(top = 8.dp).testTag("conversations")) {
            items(shown, key = { it.id }) { conversation ->
                val open = conversation.id == state.open
                Surface(
                    Modifier.fillMaxWidth().padding(vertical = 2.dp).semantics { selected = open },
                    shape = MaterialTheme.shapes.medium,
                    color = with(MaterialTheme.colorScheme) { if (open) secondaryContainer else surfaceContainerLow },
                ) {
                    Row(
                        Modifier.clickable { onOpen(conversation.id) }.padding(start = 12.dp),
                        verticalAlignment = Alignment.CenterVertically,
                    ) {
                        Column(Modifier.weight(1f).padding(vertical = 8.dp)) {
                            Text(conversation.title, maxLines = 1, overflow = TextOverflow.Ellipsis)
                            Text(
                                when (conversation.id) {
                                    in state.calls -> say("tools.waiting")
                                    in state.writing -> say("chat.writing")
                                    else -> moment(conversation.touched)
                                },
                                style = MaterialTheme.typography.labelSmall,
                                color = MaterialTheme.colorScheme.onSurfaceVariant,
                            )
                        }
                        RowMenu(conversation.title, { renaming = conversation.id }, { deleting = conversation.id })
                    }
                }
            }
        }
    }
    state.conversations.firstOrNull { it.id == renaming }?.let { renamed ->
        RenameDialog(renamed.title, { renaming = null }, { onRename(renamed.id, it) })
    }
    state.conversations.firstOrNull { it.id == deleting }?.let { doomed ->
        DeleteDialog(doomed.title, { deleting = null }, { onDelete(doomed.id) })
    }
}

@Composable
private fun RowMenu(title: String, onRename: () -> Unit, onDelete: () -> Unit) {
    var open by remember { mutableStateOf(false) }
    Box {
        IconButton({ open = true }) { Icon(Icons.Filled.MoreVert, contentDescription = say("list.more", title)) }
        Menu(open, { open = false }) {
            for ((text, act) in listOf(say("list.rename") to onRename, say("delete") to onDelete)) {
                val choose = {
                    open = false
                    act()
                }
                DropdownMenuItem(text = { Text(text) }, onClick = choose)
            }
        }
    }
}

@Composable
private fun RenameDialog(title: String, onClose: () -> Unit, onRename: (String) -> Unit) {
    var text by rememberSaveable { mutableStateOf(title) }
    AlertDialog(
        onDismissRequest = onClose,
        title = { Text(say("list.rename.title")) },
        text = { OutlinedTextField(text, { text = it }, Modifier.testTag("title"), singleLine = true) },
        confirmButton = {
            val rename = {
                onClose()
                onRename(text)
            }
            TextButton(rename, Modifier.testTag("rename"), text.isNotBlank()) { Text(say("list.rename")) }
        },
        dismissButton = { TextButton(onClose) { Text(say("cancel")) } },
    )
}

@Composable
private fun DeleteDialog(title: String, onClose: () -> Unit, onDelete: () -> Unit) {
    AlertDialog(
        onDismissRequest = onClose,
        title = { Text(say("list.delete.title")) },
        text = { Text(say("list.delete.text", title)) },
        confirmButton = {
            TextButton({
                onClose()
                onDelete()
            }) { Text(say("delete")) }
        },
        dismissButton = { TextButton(onClose) { Text(say("keep")) } },
    )
}
