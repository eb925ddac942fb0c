package dev.uhlm.demo.chat

import dev.uhlm.DeviceState
import dev.uhlm.ErrorKind
import dev.uhlm.Goal
import dev.uhlm.ModelOptions
import dev.uhlm.OfflinePolicy
import dev.uhlm.Recovery
import dev.uhlm.RemoteOptions
import dev.uhlm.SamplingParams
import dev.uhlm.SessionOptions
import dev.uhlm.TokenException
import dev.uhlm.TokenProvider
import dev.uhlm.UhlmEngine
import dev.uhlm.UhlmException
import dev.uhlm.UhlmSession
import dev.uhlm.UhlmVerifier
import dev.uhlm.demo.settings.SecretStore
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.VERIFIER_TOKEN
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * Sessions on the real library. The sessions kept are the one asked for last and those whose reply is not over; each
 * keeps its model and the connection to its server, also where another one was chosen meanwhile. Used from one thread.
 *
 * @property load loads a model; a test has one of its own.
 */
class UhlmSessions(
    private val secrets: SecretStore,
    private val io: CoroutineDispatcher = Dispatchers.IO,
    private val load: suspend (ModelOptions) -> UhlmEngine = { UhlmEngine.load(it) },
) : Sessions {
    /** What of the settings a session is made from. */
    private data class Made(
        val model: String,
        val calibration: String,
        val remote: RemoteOptions?,
        val goal: Goal,
        val offline: OfflinePolicy,
        val temperature: Float,
        val recordText: Boolean,
    )

    /** @property isInUse whether the reply that it was asked for is not over; before its first word, too. */
    private class Open(val session: UhlmSession, val made: Made, var isInUse: Boolean = true)

    private class Loaded(val path: String, val engine: UhlmEngine)

    private val sessions = mutableMapOf<String, Open>()
    private val loading = Mutex()
    private var last: String? = null
    private var engine: Loaded? = null
    private var verifier: Pair<RemoteOptions, UhlmVerifier>? = null
    private var device: DeviceState? = null

    override suspend fun session(conversation: String, settings: Settings): UhlmSession = loading.withLock {
        val made = with(settings) {
            Made(model, calibration, remote, goalOption, offlinePolicy, temperature, recordText)
        }
        last = conversation
        sessions[conversation]?.let { open ->
            if (open.made == made) return open.apply { isInUse = true }.session
            release(conversation)
        }
        for ((other, open) in sessions.toMap()) if (!open.isInUse) release(other)
        val engine = engine(made.model)
        // No length of a context: how much there is memory for when it is made, the library knows.
        val options = SessionOptions(
            mode = settings.effectiveMode,
            sampling = SamplingParams(temperature = made.temperature),
            calibrationPath = made.calibration.ifBlank { null },
            goal = made.goal,
            offline = made.offline,
            recordText = made.recordText,
        )
        val session = engine.openSession(made.remote?.let { verifier(it) }, options)
        device?.let(session::setDevice)
        sessions[conversation] = Open(session, made)
        session
    }

    override fun opened(conversation: String): UhlmSession? = sessions[conversation]?.session

    override fun replied(conversation: String) {
        sessions[conversation]?.isInUse = false
        if (conversation != last) release(conversation)
    }

    override fun release(conversation: String) {
        sessions.remove(conversation)?.session?.close()
    }

    override fun forgetTokens() {
        sessions.keys.toList().forEach(::release)
        verifier?.second?.close()
        verifier = null
    }

    override fun setDevice(state: DeviceState) {
        device = state
        sessions.values.forEach { it.session.setDevice(state) }
    }

    override fun networkChanged() {
        sessions.values.forEach { it.session.onNetworkChange() }
    }

    override fun close() {
        forgetTokens()
        engine?.engine?.close()
        engine = null
    }

    private suspend fun engine(path: String): UhlmEngine {
        engine?.let { if (it.path == path) return it.engine }
        if (path.isBlank()) throw noModel()
        // A phone seldom has memory for two. Sessions keep theirs until their replies are over, and where there is none
        // for another one beside it the library says so.
        engine?.engine?.close()
        engine = null
        return load(ModelOptions(path, fitContext = SHORTEST_CONTEXT)).also { engine = Loaded(path, it) }
    }

    private suspend fun verifier(remote: RemoteOptions): UhlmVerifier {
        verifier?.let { (made, verifier) -> if (made == remote) return verifier }
        // Only the app's hold on it: sessions keep the connection as long as they need it.
        verifier?.second?.close()
        verifier = null
        val known = withContext(io) { secrets.get(VERIFIER_TOKEN) }
        // The store may be slow, and may forget: it is asked anew when the verifier refuses a token.
        val tokens = known?.let {
            TokenProvider { refresh ->
                val token = if (refresh) withContext(io) { secrets.get(VERIFIER_TOKEN) } else known
                token?.takeUnless { refresh && it == known } ?: throw TokenException.Denied("the token was refused")
            }
        }
        return UhlmVerifier(remote, tokens).also { verifier = remote to it }
    }

    private companion object {
        fun noModel() = UhlmException.Failed(
            kind = ErrorKind.ModelNotFound,
            reason = "no model was chosen",
            retryable = false,
            recovery = Recovery.PROVIDE_MODEL,
        )
    }
}

/** With less than this, in tokens, no conversation is worth beginning. */
internal val SHORTEST_CONTEXT: UInt = 512u
