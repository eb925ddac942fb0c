package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.imePadding
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.Close
import androidx.compose.material.icons.filled.MoreVert
import androidx.compose.material.icons.outlined.Info
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.collectAsState
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
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ChatState
import dev.uhlm.demo.chat.ChatViewModel
import dev.uhlm.demo.chat.ConsentChoice
import dev.uhlm.demo.chat.banner
import dev.uhlm.demo.chat.fileName
import dev.uhlm.demo.chat.heading
import dev.uhlm.demo.chat.isNearlyFull
import dev.uhlm.demo.chat.transcript
import dev.uhlm.demo.models.ModelsViewModel
import dev.uhlm.demo.platform.Outside
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.words.say

/** Where the menu leads. */
internal enum class Screen { CHAT, SENT, MODELS, SPEED, SETTINGS }

@Composable
internal fun ChatScreen(
    state: ChatState,
    settings: Settings,
    chat: ChatViewModel,
    models: ModelsViewModel,
    change: ((Settings) -> Settings) -> Unit,
    onDrawer: (() -> Unit)?,
    onScreen: (Screen) -> Unit,
) {
    var controls by rememberSaveable { mutableStateOf(false) }
    var legend by rememberSaveable { mutableStateOf(false) }
    // What was typed and not sent, by conversation: it waits there while another one is looked at.
    var drafts by rememberSaveable(stateSaver = draftsSaver) { mutableStateOf(emptyMap()) }
    val here = state.open.orEmpty()
    val type = { text: String -> drafts = drafts + (here to text) }
    // The message that is said in another way, by its place among the turns.
    var editing by rememberSaveable(state.open) { mutableStateOf<Int?>(null) }
    val leave = {
        editing = null
        type("")
    }
    val outside = LocalOutside.current
    Scaffold(
        topBar = {
            ChatBar(
                title = state.conversation?.title ?: say("chat.new"),
                about = state.heading(settings),
                isOpen = controls,
                onToggle = { controls = !controls },
                onDrawer = onDrawer,
                model = { place ->
                    val known by models.state.collectAsState()
                    ModelPicker(known.stored, settings, models::use, place) { onScreen(Screen.MODELS) }
                },
                menu = { OverflowMenu(state.conversation, outside, { legend = true }, onScreen) },
            )
        },
    ) { padding ->
        Column(Modifier.padding(padding).imePadding()) {
            if (controls) {
                Controls(settings, state.use, change)
                HorizontalDivider(Modifier.padding(top = 8.dp))
            }
            Banner(state, settings)
            val conversation = state.conversation
            if (conversation == null || conversation.turns.isEmpty()) {
                val open = { onScreen(Screen.MODELS) }
                Welcome(settings.model.isNotBlank(), settings.asksServer, open, Modifier.weight(1f))
            } else {
                val actions = TurnActions(
                    copy = { outside?.copy(it) },
                    again = chat::again,
                    edit = { turn ->
                        editing = turn
                        type((conversation.turns[turn] as Said).text)
                    },
                    share = outside?.takeIf { it.shares }?.let { { text -> it.share(conversation.title, text) } },
                    settings = { onScreen(Screen.SETTINGS) },
                    models = { onScreen(Screen.MODELS) },
                )
                Messages(conversation, state.writingHere, settings.tinted, actions, Modifier.weight(1f))
            }
            if (editing != null) EditingNote(leave)
            if (state.use?.isNearlyFull == true) Note(say("context.nearly_full"), Modifier.padding(horizontal = 20.dp))
            val send = {
                val text = drafts[here].orEmpty()
                val turn = editing
                val isTaken = state.loaded && (if (turn == null) chat.send(text) else chat.edit(turn, text))
                if (isTaken) leave()
            }
            Composer(drafts[here].orEmpty(), state.writingHere != null, type, send, chat::stop)
        }
    }
    if (legend) LegendDialog(settings.tinted, { on -> change { it.copy(tinted = on) } }) { legend = false }
    state.callHere?.let { ToolDialog(it, chat::answerCall) }
    state.question?.let { question ->
        ConsentDialog(question) { choice ->
            // Until then the message is where it was typed: a dialog that is dismissed must not lose it.
            if (choice != ConsentChoice.NEITHER && question.message != null) leave()
            chat.answer(choice)
        }
    }
}

private val draftsSaver = mapSaver(
    save = { drafts: Map<String, String> -> drafts },
    restore = { kept -> kept.mapValues { "${it.value}" } },
)

/** What is different now. It is how the app is meant to go on, so it does not shout. */
@Composable
private fun Banner(state: ChatState, settings: Settings) {
    val text = state.banner(settings) ?: return
    Surface(
        Modifier.fillMaxWidth().testTag("banner").semantics { liveRegion = LiveRegionMode.Polite },
        color = MaterialTheme.colorScheme.surfaceContainer,
        contentColor = MaterialTheme.colorScheme.onSurfaceVariant,
    ) {
        Row(Modifier.padding(16.dp, 8.dp), verticalAlignment = Alignment.CenterVertically) {
            Icon(Icons.Outlined.Info, contentDescription = null, Modifier.size(18.dp))
            Text(text, Modifier.padding(start = 10.dp), style = MaterialTheme.typography.bodySmall)
        }
    }
}

/** Says that what is sent takes the place of a message, and leads out of that. */
@Composable
private fun EditingNote(onLeave: () -> Unit) {
    Row(Modifier.fillMaxWidth().padding(start = 20.dp, end = 8.dp), verticalAlignment = Alignment.CenterVertically) {
        Note(say("chat.editing"), Modifier.weight(1f))
        SmallAction(Icons.Filled.Close, say("cancel"), onLeave)
    }
}

@Composable
private fun Note(text: String, modifier: Modifier) {
    Text(
        text,
        modifier,
        style = MaterialTheme.typography.bodySmall,
        color = MaterialTheme.colorScheme.onSurfaceVariant,
    )
}

@Composable
private fun OverflowMenu(
    conversation: Conversation?,
    outside: Outside?,
    onLegend: () -> Unit,
    onScreen: (Screen) -> Unit,
) {
    var open by rememberSaveable { mutableStateOf(false) }
    IconButton({ open = true }) { Icon(Icons.Filled.MoreVert, contentDescription = say("more")) }
    Menu(open, { open = false }) {
        val entries = buildList<Pair<String, () -> Unit>> {
            add(say("screen.legend") to onLegend)
            add(say("screen.sent") to { onScreen(Screen.SENT) })
            if (conversation != null && outside != null) {
                val text = conversation.transcript()
                if (outside.shares) add(say("chat.share") to { outside.share(conversation.title, text) })
                add(say("chat.export") to { outside.save(conversation.fileName(), text) })
            }
            add(say("screen.models") to { onScreen(Screen.MODELS) })
            add(say("screen.speed") to { onScreen(Screen.SPEED) })
            add(say("screen.settings") to { onScreen(Screen.SETTINGS) })
        }
        for ((title, act) in entries) {
            DropdownMenuItem(
                text = { Text(title) },
                onClick = {
                    open = false
                    act()
                },
            )
        }
    }
}
