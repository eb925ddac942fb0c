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
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.DropdownMenu
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

@Composable
internal fun ConversationList(
    state: ChatState,
    onOpen: (String?) -> Unit,
    onDelete: (String) -> Unit,
    onRename: (id: String, title: String) -> Unit,
    modifier: Modifier = Modifier,
) {
    var deleting by rememberSaveable { mutableStateOf<String?>(null) }
    var renaming by rememberSaveable { mutableStateOf<String?>(null) }
    Column(modifier.fillMaxHeight().padding(12.dp)) {
        FilledTonalButton({ onOpen(null) }, Modifier.fillMaxWidth()) {
            Icon(Icons.Filled.Add, contentDescription = null)
            Text("New conversation", Modifier.padding(start = 8.dp))
        }
        LazyColumn(Modifier.padding(top = 8.dp).testTag("conversations")) {
            items(state.conversations, key = { it.id }) { conversation ->
                val open = conversation.id == state.open
                Surface(
                    Modifier.fillMaxWidth().padding(vertical = 2.dp).semantics { selected = open },
                    shape = RoundedCornerShape(12.dp),
                    color = with(MaterialTheme.colorScheme) { if (open) secondaryContainer else surfaceContainerLow },
                ) {
                    Row(
                        Modifier.clickable { onOpen(conversation.id) }.padding(start = 12.dp),
                        verticalAlignment = Alignment.CenterVertically,
                    ) {
                        Column(Modifier.weight(1f).padding(vertical = 8.dp)) {
                            Text(conversation.title, maxLines = 1, overflow = TextOverflow.Ellipsis)
                            Text(
                                if (conversation.id in state.writing) "Writing…" else moment(conversation.touched),
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
        IconButton({ open = true }) { Icon(Icons.Filled.MoreVert, contentDescription = "More about $title") }
        DropdownMenu(open, { open = false }) {
            for ((text, act) in listOf("Rename" to onRename, "Delete" to onDelete)) {
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
        title = { Text("Rename this conversation") },
        text = { OutlinedTextField(text, { text = it }, Modifier.testTag("title"), singleLine = true) },
        confirmButton = {
            val rename = {
                onClose()
                onRename(text)
            }
            TextButton(rename, enabled = text.isNotBlank()) { Text("Rename") }
        },
        dismissButton = { TextButton(onClose) { Text("Cancel") } },
    )
}

@Composable
private fun DeleteDialog(title: String, onClose: () -> Unit, onDelete: () -> Unit) {
    AlertDialog(
        onDismissRequest = onClose,
        title = { Text("Delete this conversation?") },
        text = { Text("“$title” is removed from this device. That cannot be undone.") },
        confirmButton = {
            TextButton({
                onClose()
                onDelete()
            }) { Text("Delete") }
        },
        dismissButton = { TextButton(onClose) { Text("Keep") } },
    )
}
