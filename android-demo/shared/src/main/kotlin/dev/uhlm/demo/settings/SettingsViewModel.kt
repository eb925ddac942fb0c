package dev.uhlm.demo.settings

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import dev.uhlm.UhlmException
import dev.uhlm.VerifierLink
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.words.say
import java.io.File
import java.io.IOException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** Which secrets there are: they are written and used, and never shown. And what settings ask the person. */
data class SecretsState(
    val verifierToken: Boolean = false,
    val hubToken: Boolean = false,
    /** A server that waits for the person's word. */
    val pairing: Pairing? = null,
    val notice: String? = null,
)

class SettingsViewModel(
    private val store: SettingsStore,
    private val secrets: SecretStore,
    private val calibrations: Calibrations,
    private val onSecret: (name: String) -> Unit,
    io: CoroutineDispatcher = Dispatchers.IO,
) : ViewModel() {
    private val io = io.limitedParallelism(1)
    private val mutable = MutableStateFlow(SecretsState())
    private var link: VerifierLink? = null

    val settings: StateFlow<Settings> = store.settings
    val state: StateFlow<SecretsState> = mutable.asStateFlow()

    init {
        viewModelScope.launch { look() }
    }

    fun change(change: (Settings) -> Settings) {
        viewModelScope.launch {
            if (!store.change(change)) notice(say("settings.failed"))
        }
    }

    /** Keeps a token; an empty one is removed. */
    fun secret(name: String, secret: String) {
        viewModelScope.launch {
            try {
                withContext(io) { secrets.put(name, secret.trim()) }
                onSecret(name)
            } catch (_: IOException) {
                notice(say("settings.token.failed"))
            }
            look()
        }
    }

    /** Takes a file as the calibration of the model in use. */
    fun calibrate(file: PickedFile) {
        viewModelScope.launch {
            try {
                val name = File(settings.value.model).name
                val path = withContext(io) { file.open().use { calibrations.keep(name, it) } }
                change { it.copy(calibration = path) }
            } catch (_: IOException) {
                notice(say("settings.calibration.failed"))
            }
        }
    }

    /** Asks whether to pair with the server of a link, as `uhlm serve --qr` shows one. */
    fun pair(text: String) {
        try {
            val read = VerifierLink(text.trim())
            link = read
            mutable.update { it.copy(pairing = read.pairing(settings.value)) }
        } catch (_: UhlmException) {
            notice(say("pairing.malformed"))
        }
    }

    /** The answer to [SecretsState.pairing]. */
    fun answerPairing(isAccepted: Boolean) {
        val accepted = link?.takeIf { isAccepted }
        link = null
        mutable.update { it.copy(pairing = null) }
        if (accepted != null) viewModelScope.launch { pair(accepted) }
    }

    private suspend fun pair(accepted: VerifierLink) {
        try {
            // Also where the link has none: the token of another server is nothing to this one.
            withContext(io) { secrets.put(VERIFIER_TOKEN, accepted.token().orEmpty()) }
        } catch (_: IOException) {
            return notice(say("settings.token.failed"))
        }
        val isKept = store.change { it.pairedWith(accepted) }
        onSecret(VERIFIER_TOKEN)
        look()
        notice(if (isKept) say("pairing.done", accepted.endpoint().host) else say("settings.failed"))
    }

    fun noticeSeen(): Unit = mutable.update { it.copy(notice = null) }

    private suspend fun look() {
        val (verifier, hub) = withContext(io) {
            (secrets.get(VERIFIER_TOKEN) != null) to (secrets.get(HUB_TOKEN) != null)
        }
        mutable.update { it.copy(verifierToken = verifier, hubToken = hub) }
    }

    private fun notice(text: String) = mutable.update { it.copy(notice = text) }
}
