package dev.uhlm

import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first

/** A session whose generations a test plays; what the layer needs of the generated class and nothing else. */
internal class FakeSession(private val generation: () -> FakeGeneration) : UhlmSessionInterface {
    val started = mutableListOf<Pair<Prompt, GenerationOptions>>()
    val status = MutableStateFlow<SessionStatus?>(SessionStatus(generating = false, link = LinkState.ONLINE))

    /** Handles of status updates that were closed. */
    var closedUpdates = 0

    constructor(vararg batches: List<GenerationEvent>) : this({ FakeGeneration(*batches) })

    override fun start(prompt: Prompt, options: GenerationOptions): UhlmGeneration {
        started += prompt to options
        return generation()
    }

    override fun status(): SessionStatus = status.value ?: throw closed()

    override fun statusUpdates(): UhlmStatusUpdates {
        status()
        return object : UhlmStatusUpdates(NoHandle) {
            private var last: SessionStatus? = null

            override suspend fun next(): SessionStatus? = status.first { it != last }.also { last = it }

            override fun destroy() {
                closedUpdates++
                super.destroy()
            }
        }
    }

    override fun clearSent() = throw UnsupportedOperationException()
    override fun onNetworkChange() = throw UnsupportedOperationException()
    override fun contextUse(): ContextUse = throw UnsupportedOperationException()
    override fun sent(): SentRecord = throw UnsupportedOperationException()
    override fun setConsent(consent: Consent) = throw UnsupportedOperationException()
    override fun setDevice(state: DeviceState) = throw UnsupportedOperationException()
    override fun messages(): List<Message> = throw UnsupportedOperationException()
    override fun setMessages(messages: List<Message>) = throw UnsupportedOperationException()
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
    override fun setToolRunner(runner: ToolRunner?) = throw UnsupportedOperationException()

    override fun shutDown() {
        status.value = null
    }
}

/** Gives the batches, then waits, as a model does that thinks, until it is cancelled. */
internal open class FakeGeneration(vararg batches: List<GenerationEvent>) : UhlmGeneration(NoHandle) {
    private val batches = Channel<List<GenerationEvent>>(Channel.UNLIMITED).apply { batches.forEach { trySend(it) } }
    private val cancelled = CompletableDeferred<Unit>()

    /** Calls of `nextEvents` that gave something. */
    val pulled = AtomicInteger()

    /** What happened, in its order: `cancel`, `end`, `close`. */
    val log = mutableListOf<String>()

    override suspend fun nextEvents(): List<GenerationEvent> {
        synchronized(log) {
            if ("close" in log) throw IllegalStateException("pulled after it was closed")
            if ("end" in log) return emptyList()
        }
        batches.tryReceive().getOrNull()?.let { batch ->
            pulled.incrementAndGet()
            if (batch.any { it is GenerationEvent.Finished }) note("end")
            return batch
        }
        cancelled.await()
        note("end")
        return listOf(finished("", FinishReason.CANCELLED))
    }

    override fun cancel() {
        note("cancel")
        cancelled.complete(Unit)
    }

    /** What `close()` and `use` come to. */
    override fun destroy() {
        note("close")
        super.destroy()
    }

    private fun note(what: String) {
        synchronized(log) { log += what }
    }
}

internal fun closed() = failed(ErrorKind.SessionClosed, recovery = Recovery.OPEN_AGAIN)

internal fun offline() = failed(ErrorKind.Offline, retryable = true, Recovery.WAIT_FOR_NETWORK)

internal fun committed(text: String, origin: Origin = Origin.VERIFIED) =
    GenerationEvent.Committed(TokenText(id = 1u, text = text, uncertainty = null), origin)

internal fun provisional(text: String) =
    GenerationEvent.Provisional(TokenText(id = 1u, text = text, uncertainty = 0.5f))

internal fun finished(text: String, finish: FinishReason = FinishReason.END_OF_REPLY, reasoning: String = "") =
    GenerationEvent.Finished(finish, text, reasoning, statistics)

internal val statistics = Statistics(
    promptTokens = 7u, reusedTokens = 0u, tokens = 3u,
    origins = OriginCounts(draft = 0u, verified = 2u, target = 1u, unverified = 0u),
    drafted = 3u, judged = 3u, rejected = 1u, skipped = 0u, rollbacks = 1u, rolledBack = 1u, verdicts = 1u,
    targetPasses = 1u, bodyUp = 30uL, bodyDown = 20uL, elapsedSeconds = 1.5, prefillSeconds = 0.25,
    firstTokenSeconds = 0.5, draftingSeconds = 0.75, waitingSeconds = 0.125, medianVerdictSeconds = null,
    tokensPerSecond = 2.0, transmissionRate = 1.0, trueSkipRate = 1.0, acceptanceRate = 0.66,
    targetPassesPerToken = 0.33,
)
