package dev.uhlm.demo

import androidx.lifecycle.ViewModelStore
import dev.uhlm.StoreOptions
import dev.uhlm.UhlmModelStore
import dev.uhlm.cataloguePairs
import dev.uhlm.demo.chat.ChatViewModel
import dev.uhlm.demo.chat.Sessions
import dev.uhlm.demo.chat.UhlmSessions
import dev.uhlm.demo.models.ModelsViewModel
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.Calibrations
import dev.uhlm.demo.settings.HUB_TOKEN
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.settings.SettingsViewModel
import dev.uhlm.demo.settings.VERIFIER_TOKEN
import dev.uhlm.demo.storage.ConversationStore
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.ui.ViewModels
import java.io.File

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
        open = {
            val folder = File(platform.folder, "models").path
            UhlmModelStore(StoreOptions(folder, trust = platform.modelTrust), platform.secrets.get(HUB_TOKEN))
        },
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

    val viewModels: ViewModels = ViewModels(chat, models, changes)

    private val owner = ViewModelStore().apply {
        put("chat", chat)
        put("models", models)
        put("settings", changes)
    }

    /** Stops replies and downloads, and frees the model. What was committed is kept. */
    fun close(): Unit = owner.clear()
}
