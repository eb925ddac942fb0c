package dev.uhlm.demo

import androidx.lifecycle.ViewModelStore
import dev.uhlm.cataloguePairs
import dev.uhlm.demo.chat.ChatViewModel
import dev.uhlm.demo.chat.ReplyNotice
import dev.uhlm.demo.chat.Sessions
import dev.uhlm.demo.chat.UhlmSessions
import dev.uhlm.demo.chat.replyNotices
import dev.uhlm.demo.files.FilesViewModel
import dev.uhlm.demo.models.ModelsViewModel
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.platform.openStore
import dev.uhlm.demo.settings.Calibrations
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.settings.SettingsViewModel
import dev.uhlm.demo.settings.VERIFIER_TOKEN
import dev.uhlm.demo.speed.SpeedViewModel
import dev.uhlm.demo.storage.ConversationStore
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.ui.ViewModels
import java.io.File
import kotlinx.coroutines.flow.Flow

/** The app's parts on the real library and the device's storage, unless others are given. */
class Wiring(
    platform: Platform,
    store: ConversationStore = JournalStore(File(platform.folder, "conversations")),
    sessions: Sessions = UhlmSessions(platform.secrets),
) {
    private val settings = SettingsStore(platform.folder)
    private val calibrations = Calibrations(platform.folder)
    private val chat = ChatViewModel(store, settings, sessions, platform)
    private val models = ModelsViewModel(
        open = platform::openStore,
        catalogue = ::cataloguePairs,
        settings = settings,
        calibrations = calibrations,
        platform = platform,
    )
    private val changes = SettingsViewModel(
        settings,
        platform.secrets,
        calibrations,
        onSecret = { name -> if (name == VERIFIER_TOKEN) chat.tokensChanged() else models.tokensChanged() },
    )

    private val speed = SpeedViewModel(sessions, settings)

    private val files = FilesViewModel()

    val viewModels: ViewModels = ViewModels(chat, models, changes, speed, files)

    /** What the system shows of replies while nobody sees the app. To be collected once. */
    val notices: Flow<ReplyNotice?> = replyNotices(chat.state, platform.foreground, settings.settings)

    private val owner = ViewModelStore().apply {
        put("chat", chat)
        put("models", models)
        put("settings", changes)
        put("speed", speed)
        put("files", files)
    }

    /** Stops replies and frees the model. What was committed is kept, and downloads go on. */
    fun close(): Unit = owner.clear()
}
