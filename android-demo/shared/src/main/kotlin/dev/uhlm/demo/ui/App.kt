package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.BoxWithConstraints
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.WindowInsets
import androidx.compose.foundation.layout.consumeWindowInsets
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.imePadding
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.statusBars
import androidx.compose.foundation.layout.width
import androidx.compose.material3.DrawerValue
import androidx.compose.material3.ModalDrawerSheet
import androidx.compose.material3.ModalNavigationDrawer
import androidx.compose.material3.SnackbarDuration
import androidx.compose.material3.SnackbarHost
import androidx.compose.material3.SnackbarHostState
import androidx.compose.material3.Surface
import androidx.compose.material3.VerticalDivider
import androidx.compose.material3.rememberDrawerState
import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.runtime.staticCompositionLocalOf
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ChatViewModel
import dev.uhlm.demo.files.FilesViewModel
import dev.uhlm.demo.models.ModelsViewModel
import dev.uhlm.demo.platform.Outside
import dev.uhlm.demo.settings.SettingsViewModel
import dev.uhlm.demo.speed.SpeedViewModel
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.words.say
import kotlinx.coroutines.launch

/** The view models that the app's screens show; they outlive every turn of the phone. */
class ViewModels(
    val chat: ChatViewModel,
    val models: ModelsViewModel,
    val settings: SettingsViewModel,
    val speed: SpeedViewModel,
    val files: FilesViewModel,
)

/** Other apps and their files; none in tests that need none. */
internal val LocalOutside = staticCompositionLocalOf<Outside?> { null }

/**
 * The whole app.
 *
 * @param backHandler makes the system's way back lead to the chat while another screen is shown; the desktop has none.
 */
@Composable
fun App(
    viewModels: ViewModels,
    outside: Outside? = null,
    backHandler: @Composable (enabled: Boolean, back: () -> Unit) -> Unit = { _, _ -> },
) {
    val settings by viewModels.settings.settings.collectAsState()
    var screen by rememberSaveable { mutableStateOf(Screen.CHAT) }
    val back = { screen = Screen.CHAT }
    DemoTheme(settings.theme) {
        CompositionLocalProvider(LocalOutside provides outside) {
            Screens(viewModels, screen, back) { screen = it }
        }
        backHandler(screen != Screen.CHAT, back)
    }
}

@Composable
private fun Screens(viewModels: ViewModels, screen: Screen, back: () -> Unit, onScreen: (Screen) -> Unit) {
    val settings by viewModels.settings.settings.collectAsState()
    val chat by viewModels.chat.state.collectAsState()
    val models by viewModels.models.state.collectAsState()
    val secrets by viewModels.settings.state.collectAsState()
    val speed by viewModels.speed.state.collectAsState()
    val files by viewModels.files.notice.collectAsState()
    Surface(Modifier.fillMaxSize()) {
        Box {
            WithAsking(chat.asksElsewhere(isSeen = screen == Screen.CHAT), {
                viewModels.chat.open(it.id)
                onScreen(Screen.CHAT)
            }) {
                when (screen) {
                    Screen.CHAT -> ChatPanes(viewModels, onScreen)
                    Screen.SENT -> SentScreen(chat, viewModels.chat, settings, back)
                    Screen.MODELS -> ModelsScreen(models, settings, viewModels.models, back)
                    Screen.SPEED -> SpeedScreen(chat, speed, settings, viewModels.speed::measure, back)
                    Screen.SETTINGS -> SettingsScreen(settings, secrets, viewModels.settings, back)
                }
            }
            // A link may come at any time, from the camera's app.
            secrets.pairing?.let { PairingDialog(it, viewModels.settings::answerPairing) }
            val notices = remember { SnackbarHostState() }
            Notice(chat.notice, viewModels.chat::noticeSeen, notices)
            Notice(models.notice, viewModels.models::noticeSeen, notices)
            Notice(secrets.notice, viewModels.settings::noticeSeen, notices)
            Notice(speed.notice, viewModels.speed::noticeSeen, notices)
            Notice(files, viewModels.files::noticeSeen, notices)
            // Above the field for the next message: a notice must not be in the way of sending it.
            val above = Modifier.imePadding().padding(bottom = if (screen == Screen.CHAT) 88.dp else 0.dp)
            SnackbarHost(notices, Modifier.align(Alignment.BottomCenter).then(above).testTag("notices"))
        }
    }
}

/** A screen, below the question of a conversation that is not on it. */
@Composable
private fun WithAsking(asking: Conversation?, onOpen: (Conversation) -> Unit, screen: @Composable () -> Unit) {
    Column(Modifier.fillMaxSize()) {
        if (asking != null) AskingElsewhere(asking) { onOpen(asking) }
        // The system's bar is above the question then, and no longer above the screen.
        val below = if (asking == null) Modifier else Modifier.consumeWindowInsets(WindowInsets.statusBars)
        Box(Modifier.weight(1f).fillMaxWidth().then(below)) { screen() }
    }
}

/** The list beside the conversation where there is room, else behind the menu button. */
@Composable
private fun ChatPanes(viewModels: ViewModels, onScreen: (Screen) -> Unit) {
    val state by viewModels.chat.state.collectAsState()
    val settings by viewModels.settings.settings.collectAsState()
    // What was typed belongs to a conversation: before it is known which one is open, there is nowhere to put it back
    // to.
    if (!state.loaded) return
    val change = viewModels.settings::change
    val drawer = rememberDrawerState(DrawerValue.Closed)
    val scope = rememberCoroutineScope()
    BoxWithConstraints(Modifier.fillMaxSize()) {
        if (maxWidth >= 720.dp) {
            Row {
                Surface(Modifier.width(280.dp)) {
                    ConversationList(state, viewModels.chat::open, viewModels.chat::delete, viewModels.chat::rename)
                }
                VerticalDivider()
                ChatScreen(state, settings, viewModels.chat, viewModels.models, change, null, onScreen)
            }
        } else {
            ModalNavigationDrawer(
                drawerState = drawer,
                drawerContent = {
                    ModalDrawerSheet {
                        ConversationList(
                            state,
                            { id ->
                                viewModels.chat.open(id)
                                scope.launch { drawer.close() }
                            },
                            viewModels.chat::delete,
                            viewModels.chat::rename,
                        )
                    }
                },
            ) {
                val open: () -> Unit = { scope.launch { drawer.open() } }
                ChatScreen(state, settings, viewModels.chat, viewModels.models, change, open, onScreen)
            }
        }
    }
}

/** Shows a notice until it was read: after those of other screens, for as long as the system gives people for it. */
@Composable
private fun Notice(text: String?, onSeen: () -> Unit, notices: SnackbarHostState) {
    LaunchedEffect(text) {
        if (text == null) return@LaunchedEffect
        notices.showSnackbar(text, actionLabel = say("ok"), duration = SnackbarDuration.Long)
        onSeen()
    }
}
