package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.imePadding
import androidx.compose.foundation.layout.padding
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.ArrowDropDown
import androidx.compose.material.icons.filled.KeyboardArrowUp
import androidx.compose.material.icons.filled.Menu
import androidx.compose.material.icons.filled.MoreVert
import androidx.compose.material.icons.filled.Warning
import androidx.compose.material3.DropdownMenu
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TopAppBar
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.mapSaver
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.Mode
import dev.uhlm.demo.chat.ChatState
import dev.uhlm.demo.chat.ChatViewModel
import dev.uhlm.demo.chat.ConsentChoice
import dev.uhlm.demo.chat.banner
import dev.uhlm.demo.settings.Settings

/** Where the menu leads. */
internal enum class Screen { CHAT, SENT, MODELS, SETTINGS }

@OptIn(ExperimentalMaterial3Api::class)
@Composable
internal fun ChatScreen(
    state: ChatState,
    settings: Settings,
    chat: ChatViewModel,
    change: ((Settings) -> Settings) -> Unit,
    onDrawer: (() -> Unit)?,
    onScreen: (Screen) -> Unit,
) {
    var controls by rememberSaveable { mutableStateOf(false) }
    // What was typed and not sent, by conversation: it waits there while another one is looked at.
    var drafts by rememberSaveable(stateSaver = draftsSaver) { mutableStateOf(emptyMap()) }
    val here = state.open.orEmpty()
    val type = { text: String -> drafts = drafts + (here to text) }
    Scaffold(
        topBar = {
            TopAppBar(
                title = {
                    val title = state.conversation?.title ?: "New conversation"
                    Text(title, maxLines = 1, overflow = TextOverflow.Ellipsis)
                },
                navigationIcon = {
                    if (onDrawer != null) {
                        IconButton(onDrawer) { Icon(Icons.Filled.Menu, contentDescription = "Conversations") }
                    }
                },
                actions = { OverflowMenu(onScreen) },
            )
        },
    ) { padding ->
        Column(Modifier.padding(padding).imePadding()) {
            Banner(state, settings)
            val conversation = state.conversation
            if (conversation == null || conversation.turns.isEmpty()) {
                Welcome(settings.model.isNotBlank(), { onScreen(Screen.MODELS) }, Modifier.weight(1f))
            } else {
                val actions = ProblemActions(chat::again, { onScreen(Screen.SETTINGS) }, { onScreen(Screen.MODELS) })
                Messages(conversation, state.writingHere, settings.tinted, actions, Modifier.weight(1f))
            }
            HorizontalDivider()
            ControlsBar(settings, controls, { controls = !controls }, change)
            Composer(
                drafts[here].orEmpty(),
                state.writingHere != null,
                type,
                { if (state.loaded && chat.send(drafts[here].orEmpty())) type("") },
                chat::stop,
            )
        }
    }
    state.question?.let { question ->
        ConsentDialog(question) { choice ->
            // Until then the message is where it was typed: a dialog that is dismissed must not lose it.
            if (choice != ConsentChoice.NEITHER && question.message != null) type("")
            chat.answer(choice)
        }
    }
}

private val draftsSaver = mapSaver({ drafts: Map<String, String> -> drafts }, { kept -> kept.mapValues { "${it.value}" } })

/** One line that says how the next reply is written; it opens the rest. */
@Composable
private fun ControlsBar(
    settings: Settings,
    open: Boolean,
    toggle: () -> Unit,
    change: ((Settings) -> Settings) -> Unit,
) {
    Surface(toggle, Modifier.fillMaxWidth().testTag("controls")) {
        val padding = Modifier.padding(start = 16.dp, end = 12.dp, top = 6.dp, bottom = 2.dp)
        Row(padding, verticalAlignment = Alignment.CenterVertically) {
            val mode = if (settings.remote == null) Mode.DEVICE_ONLY else settings.mode
            Text(
                mode.title,
                Modifier.weight(1f),
                style = MaterialTheme.typography.labelLarge,
                color = MaterialTheme.colorScheme.primary,
            )
            Icon(
                if (open) Icons.Filled.ArrowDropDown else Icons.Filled.KeyboardArrowUp,
                contentDescription = if (open) "Fewer controls" else "More controls",
            )
        }
    }
    if (open) Controls(settings, change)
    else if (settings.tinted) Legend(Modifier.padding(horizontal = 16.dp))
}

@Composable
private fun Banner(state: ChatState, settings: Settings) {
    val text = state.banner(settings) ?: return
    Surface(
        Modifier.fillMaxWidth().testTag("banner").semantics { liveRegion = LiveRegionMode.Polite },
        color = MaterialTheme.colorScheme.errorContainer,
    ) {
        Row(Modifier.padding(16.dp, 10.dp), verticalAlignment = Alignment.CenterVertically) {
            Icon(Icons.Filled.Warning, contentDescription = null, tint = MaterialTheme.colorScheme.onErrorContainer)
            Text(
                text,
                Modifier.padding(start = 12.dp),
                style = MaterialTheme.typography.bodyMedium,
                color = MaterialTheme.colorScheme.onErrorContainer,
            )
        }
    }
}

@Composable
private fun OverflowMenu(onScreen: (Screen) -> Unit) {
    var open by rememberSaveable { mutableStateOf(false) }
    IconButton({ open = true }) { Icon(Icons.Filled.MoreVert, contentDescription = "More") }
    DropdownMenu(open, { open = false }) {
        val entries =
            listOf(Screen.SENT to "What was sent", Screen.MODELS to "Models", Screen.SETTINGS to "Settings")
        for ((screen, title) in entries) {
            DropdownMenuItem(
                text = { Text(title) },
                onClick = {
                    open = false
                    onScreen(screen)
                },
            )
        }
    }
}
