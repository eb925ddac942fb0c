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
import dev.uhlm.kind
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * Sessions on the real library. One model and one verifier are kept, as a phone has memory for one; the sessions kept
 * are the one asked for last and those that generate. Used from one thread.
 */
class UhlmSessions(private val secrets: SecretStore, private val io: CoroutineDispatcher = Dispatchers.IO) : Sessions {
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

    private class Open(val session: UhlmSession, val made: Made)

    /** A model in memory, and the context that there was memory for. */
    private class Loaded(val path: String, val engine: UhlmEngine, val context: UInt)

    private val sessions = mutableMapOf<String, Open>()
    private val loading = Mutex()
    private var engine: Loaded? = null
    private var verifier: Pair<RemoteOptions, UhlmVerifier>? = null
    private var device: DeviceState? = null

    override suspend fun session(conversation: String, settings: Settings): UhlmSession = loading.withLock {
        val made = with(settings) {
            Made(model, calibration, remote, goalOption, offlinePolicy, temperature, recordText)
        }
        sessions[conversation]?.let { open ->
            if (open.made == made) return open.session
            release(conversation)
        }
        for ((other, open) in sessions.toMap()) if (!open.session.status().generating) release(other)
        val loaded = engine(made.model)
        val options = SessionOptions(
            mode = settings.effectiveMode,
            sampling = SamplingParams(temperature = made.temperature),
            calibrationPath = made.calibration.ifBlank { null },
            goal = made.goal,
            offline = made.offline,
            context = minOf(loaded.context, loaded.engine.info().trainedContext),
            recordText = made.recordText,
        )
        val session = loaded.engine.openSession(made.remote?.let { verifier(it) }, options)
        device?.let(session::setDevice)
        sessions[conversation] = Open(session, made)
        session
    }

    override fun opened(conversation: String): UhlmSession? = sessions[conversation]?.session

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

    private suspend fun engine(path: String): Loaded {
        engine?.let { if (it.path == path) return it }
        if (path.isBlank()) throw noModel()
        // Sessions keep a model alive: two would not fit.
        sessions.keys.toList().forEach(::release)
        engine?.engine?.close()
        engine = null
        val (engine, context) = withContextThatFits { UhlmEngine.load(ModelOptions(path, fitContext = it)) }
        return Loaded(path, engine, context).also { this.engine = it }
    }

    private suspend fun verifier(remote: RemoteOptions): UhlmVerifier {
        verifier?.let { (made, verifier) -> if (made == remote) return verifier }
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

/** The longest context that is asked for: a long conversation, and with most models some hundreds of megabytes. */
internal val LONGEST_CONTEXT: UInt = 4096u

/** With less than this no conversation is worth beginning. */
internal val SHORTEST_CONTEXT: UInt = 512u

/**
 * Loads a model with the longest context that there is memory for.
 *
 * @return the model, and that context in tokens.
 * @throws UhlmException of the kind [ErrorKind.NotEnoughMemory] where not even [SHORTEST_CONTEXT] fits.
 */
internal suspend fun <T> withContextThatFits(load: suspend (UInt) -> T): Pair<T, UInt> = try {
    load(LONGEST_CONTEXT) to LONGEST_CONTEXT
} catch (failure: UhlmException) {
    val fits = (failure.kind as? ErrorKind.NotEnoughMemory)?.fits
    if (fits == null || fits.toLong() < SHORTEST_CONTEXT.toLong()) throw failure
    load(fits) to fits
}
