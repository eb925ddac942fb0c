package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Spacer
import androidx.compose.foundation.layout.size
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.ArrowDropDown
import androidx.compose.material.icons.filled.Check
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.Icon
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.onClick
import androidx.compose.ui.semantics.selected
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.StoredModel
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.words.say

/** The model that writes here; a tap shows the others that are on the device, and the way to more. */
@Composable
internal fun ModelPicker(
    stored: List<StoredModel>,
    settings: Settings,
    use: (StoredModel) -> Unit,
    modifier: Modifier = Modifier,
    more: () -> Unit,
) {
    var open by rememberSaveable { mutableStateOf(false) }
    val label = say("models.choose")
    TextButton({ open = true }, modifier.testTag("model").semantics { onClick(label, null) }) {
        Text(
            settings.modelName.ifBlank { say("chat.no_model") },
            Modifier.weight(1f, fill = false),
            maxLines = 1,
            overflow = TextOverflow.Ellipsis,
            style = MaterialTheme.typography.labelLarge,
        )
        Icon(Icons.Filled.ArrowDropDown, contentDescription = null, Modifier.size(18.dp))
    }
    Menu(open, { open = false }) {
        for (model in stored) {
            Entry(model.name.removeSuffix(".gguf"), bytes(model.bytes.toLong()), model.path == settings.model) {
                open = false
                use(model)
            }
        }
        // A file that was named by hand lies outside of the store.
        val isElsewhere = settings.model.isNotBlank() && stored.none { it.path == settings.model }
        if (isElsewhere) Entry(settings.modelName, null, true) { open = false }
        if (stored.isNotEmpty() || isElsewhere) HorizontalDivider()
        DropdownMenuItem(
            text = { Text(say("models.more")) },
            onClick = {
                open = false
                more()
            },
        )
    }
}

@Composable
private fun Entry(name: String, size: String?, used: Boolean, onClick: () -> Unit) {
    DropdownMenuItem(
        text = { Text(name) },
        onClick = onClick,
        modifier = Modifier.semantics { selected = used },
        leadingIcon = {
            val small = Modifier.size(20.dp)
            if (used) Icon(Icons.Filled.Check, say("models.used"), small) else Spacer(small)
        },
        trailingIcon = {
            if (size != null) Text(size, style = MaterialTheme.typography.labelMedium)
        },
    )
}
