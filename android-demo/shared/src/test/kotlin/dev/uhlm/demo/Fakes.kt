package dev.uhlm.demo

import dev.uhlm.Consent
import dev.uhlm.ContextUse
import dev.uhlm.DeviceState
import dev.uhlm.DownloadEvent
import dev.uhlm.DownloadRequest
import dev.uhlm.ErrorKind
import dev.uhlm.FinishReason
import dev.uhlm.GenerationEvent
import dev.uhlm.GenerationOptions
import dev.uhlm.InProcessScheduler
import dev.uhlm.LinkState
import dev.uhlm.Message
import dev.uhlm.NoHandle
import dev.uhlm.Origin
import dev.uhlm.OriginCounts
import dev.uhlm.Prompt
import dev.uhlm.Recovery
import dev.uhlm.RemoteFile
import dev.uhlm.SentRecord
import dev.uhlm.SessionStatus
import dev.uhlm.Statistics
import dev.uhlm.StoredModel
import dev.uhlm.SummaryOptions
import dev.uhlm.TokenText
import dev.uhlm.ToolRunner
import dev.uhlm.Totals
import dev.uhlm.UhlmDownload
import dev.uhlm.UhlmDownloads
import dev.uhlm.UhlmException
import dev.uhlm.UhlmGeneration
import dev.uhlm.UhlmModelStoreInterface
import dev.uhlm.UhlmSessionInterface
import dev.uhlm.UhlmStatusUpdates
import dev.uhlm.UhlmSummary
import dev.uhlm.UnfinishedModel
import dev.uhlm.demo.chat.Sessions
import dev.uhlm.demo.platform.Network
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.SecretStore
import dev.uhlm.demo.settings.Settings
import java.io.File
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first

/** A session whose reply a test plays, event by event. */
internal class FakeSession : UhlmSessionInterface {
    /** Events of the reply that runs; what is thrown in ends it. */
    var events = Channel<Result<GenerationEvent>>(Channel.UNLIMITED)
    val started = mutableListOf<Pair<String, GenerationOptions>>()
    var held = listOf<Message>()
    val consents = mutableListOf<Consent>()
    var record = SentRecord(emptyList(), 0uL, 0uL, 0uL)
    val status = MutableStateFlow<SessionStatus?>(SessionStatus(generating = false, link = LinkState.ONLINE))
    var cancelled = 0
    var networkChanges = 0
    val devices = mutableListOf<DeviceState>()

    fun play(vararg played: GenerationEvent) = played.forEach { events.trySend(Result.success(it)) }

    fun fail(failure: UhlmException) {
        events.trySend(Result.failure(failure))
    }

    override fun start(prompt: Prompt, options: GenerationOptions): UhlmGeneration {
        started += (prompt as Prompt.Chat).text to options
        val events = events
        return object : UhlmGeneration(NoHandle) {
            override suspend fun nextEvents(): List<GenerationEvent> {
                val next = events.receiveCatching().getOrNull() ?: return emptyList()
                return listOf(next.getOrThrow())
            }

            override fun cancel() {
                cancelled++
                events.close()
                if (this@FakeSession.events === events) this@FakeSession.events = Channel(Channel.UNLIMITED)
            }
        }
    }

    override fun status(): SessionStatus = checkNotNull(status.value)

    override fun statusUpdates(): UhlmStatusUpdates = object : UhlmStatusUpdates(NoHandle) {
        private var last: SessionStatus? = null

        override suspend fun next(): SessionStatus? = status.first { it != last }.also { last = it }
    }

    var use = ContextUse(tokens = 0u, context = null)

    /** Whether its handle was closed: from then on the library's would throw this, too. */
    var isClosed = false

    override fun contextUse(): ContextUse {
        check(!isClosed) { "the session has already been destroyed" }
        return use
    }

    override fun messages() = held

    override fun setMessages(messages: List<Message>) {
        held = messages
    }

    override fun setConsent(consent: Consent) {
        consents += consent
    }

    override fun sent() = record

    override fun clearSent() {
        record = record.copy(requests = emptyList())
    }

    override fun setDevice(state: DeviceState) {
        devices += state
    }

    override fun onNetworkChange() {
        networkChanges++
    }

    override fun reset() = throw UnsupportedOperationException()

    override suspend fun saveCalibration(path: String) = throw UnsupportedOperationException()
    override suspend fun save(path: String) = throw UnsupportedOperationException()
    override suspend fun prewarm(beginning: String): UInt = throw UnsupportedOperationException()
    override fun setInstructions(instructions: String?) = throw UnsupportedOperationException()
    override fun totals(): Totals = throw UnsupportedOperationException()
    override suspend fun summarise(
        text: String,
        options: SummaryOptions,
        generation: GenerationOptions,
    ): UhlmSummary = throw UnsupportedOperationException()
    var runner: ToolRunner? = null

    override fun setToolRunner(runner: ToolRunner?) {
        this.runner = runner
    }

    override fun shutDown() {
        status.value = null
    }
}

internal class FakeSessions : Sessions {
    val sessions = mutableMapOf<String, FakeSession>()
    var failure: UhlmException? = null
    var closed = false
    val asked = mutableListOf<Settings>()

    /** The session of the only conversation. */
    val only: FakeSession get() = sessions.values.single()

    override suspend fun session(conversation: String, settings: Settings): FakeSession {
        asked += settings
        failure?.let { throw it }
        return sessions.getOrPut(conversation) { FakeSession() }
    }

    override fun opened(conversation: String) = sessions[conversation]

    /** Conversations whose replies were said to be over. */
    val replied = mutableListOf<String>()

    override fun replied(conversation: String) {
        replied += conversation
    }

    override fun release(conversation: String) {
        sessions.remove(conversation)?.isClosed = true
    }

    override fun forgetTokens() = sessions.keys.toList().forEach(::release)

    override fun setDevice(state: DeviceState) = sessions.values.forEach { it.setDevice(state) }

    override fun networkChanged() = sessions.values.forEach { it.onNetworkChange() }

    override fun close() {
        closed = true
    }
}

internal class FakePlatform(
    override val folder: File,
    store: UhlmModelStoreInterface = FakeModelStore(),
    dispatcher: CoroutineDispatcher = Dispatchers.Unconfined,
) : Platform {
    override val downloads = UhlmDownloads(
        { store },
        File(folder, "downloads"),
        InProcessScheduler(CoroutineScope(dispatcher)),
        dispatcher,
    )
    override val foreground = MutableStateFlow(true)
    override val secrets = object : SecretStore {
        val kept = mutableMapOf<String, String>()

        override fun get(name: String) = kept[name]

        override fun put(name: String, secret: String) {
            if (secret.isEmpty()) kept -= name else kept[name] = secret
        }
    }
    override val device = MutableStateFlow(DeviceState())
    override val network = MutableStateFlow(Network())

    /** Files that came with the app, by name. */
    val bundled = mutableMapOf<String, String>()

    override fun bundled(name: String) = bundled[name]?.byteInputStream()
}

/** A folder of models without files; a test plays its downloads. */
internal class FakeModelStore : UhlmModelStoreInterface {
    var stored = listOf<StoredModel>()
    var unfinished = listOf<UnfinishedModel>()
    val requests = mutableListOf<DownloadRequest>()
    var events = Channel<Result<DownloadEvent>>(Channel.UNLIMITED)
    var intact: () -> Boolean = { true }
    var cancelled = 0

    /** What [adopt] fails with; none where it takes every file. */
    var refused: UhlmException? = null

    override suspend fun adopt(path: String, name: String, sha256: String?, source: String?): StoredModel {
        refused?.let { throw it }
        val file = File(path)
        val model = StoredModel(name, "/models/$name", file.length().toULong(), sha256, source)
        check(file.delete()) { "$path is not there" }
        stored += model
        return model
    }

    override suspend fun files(request: DownloadRequest): List<RemoteFile> = throw UnsupportedOperationException()

    override suspend fun list() = stored

    override suspend fun unfinished() = unfinished

    override fun setMetered(metered: Boolean) = Unit

    override suspend fun verify(name: String) = intact()

    override suspend fun delete(name: String): ULong {
        stored = stored.filter { it.name != name }
        unfinished = unfinished.filter { it.name != name }
        return 1uL
    }

    override fun download(request: DownloadRequest): UhlmDownload {
        requests += request
        val events = events
        return object : UhlmDownload(NoHandle) {
            override suspend fun next(): DownloadEvent? = events.receiveCatching().getOrNull()?.getOrThrow()

            override fun cancel() {
                cancelled++
                events.close()
            }
        }
    }
}

/** An error that a fake throws. */
internal fun failed(kind: ErrorKind, recovery: Recovery = Recovery.NONE) =
    UhlmException.Failed(kind, "a fake", retryable = false, recovery)

internal fun committed(text: String, origin: Origin = Origin.VERIFIED) =
    GenerationEvent.Committed(TokenText(id = 1u, text = text, uncertainty = null), origin)

internal fun provisional(text: String) =
    GenerationEvent.Provisional(TokenText(id = 1u, text = text, uncertainty = 0.5f))

internal fun finished(finish: FinishReason = FinishReason.END_OF_REPLY) =
    GenerationEvent.Finished(finish, "", "", statistics)

internal val statistics = Statistics(
    promptTokens = 7u, reusedTokens = 0u, tokens = 3u, origins = OriginCounts(0u, 2u, 1u, 0u), drafted = 3u,
    judged = 3u, rejected = 1u, skipped = 0u, rollbacks = 1u, rolledBack = 1u, verdicts = 1u, targetPasses = 1u,
    bodyUp = 30uL, bodyDown = 20uL, elapsedSeconds = 1.5, prefillSeconds = 0.25, firstTokenSeconds = 0.5,
    draftingSeconds = 0.75, waitingSeconds = 0.125, medianVerdictSeconds = 0.1, tokensPerSecond = 2.0,
    transmissionRate = 1.0, trueSkipRate = 1.0, acceptanceRate = 0.66, targetPassesPerToken = 0.33,
)
