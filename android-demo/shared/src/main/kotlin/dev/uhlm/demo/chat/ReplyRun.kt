package dev.uhlm.demo.chat

import dev.uhlm.Consent
import dev.uhlm.ContextUse
import dev.uhlm.FinishReason
import dev.uhlm.GenerationEvent
import dev.uhlm.GenerationOptions
import dev.uhlm.Message
import dev.uhlm.Mode
import dev.uhlm.Prompt
import dev.uhlm.Recovery
import dev.uhlm.ToolCall
import dev.uhlm.ToolResult
import dev.uhlm.Toolbox
import dev.uhlm.Tools
import dev.uhlm.UhlmException
import dev.uhlm.UhlmSessionInterface
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.AnswerKind
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.Problem
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.ReplyEnd
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.tools.localTools
import dev.uhlm.generate
import dev.uhlm.hint
import dev.uhlm.recovery
import java.util.concurrent.ConcurrentHashMap
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext

/**
 * Writes one reply: from the last message of a conversation to the entry that says how the reply ended. Every committed
 * token is recorded before it is shown.
 */
internal class ReplyRun(
    val id: String,
    private val settings: Settings,
    private val mode: Mode,
    private val consent: Consent?,
    private val conversation: (String) -> Conversation?,
    private val record: suspend (String, Entry) -> Unit,
    private val sync: suspend (String) -> Unit,
    private val sessions: Sessions,
    private val show: (String, Writing?) -> Unit,
    private val used: (String, ContextUse) -> Unit,
    private val allows: suspend (String, PendingCall) -> Boolean,
    private val now: () -> Long,
) {
    /** Whether it ended because of messages that the person did not agree to send. */
    var askConsent = false
        private set

    private var writing = Writing()
    private val provisional = ArrayDeque<String>()
    private val corrections = Corrections()
    private var end: ReplyEnd? = null
    private var live: Live? = null
    private var sent: SentReader? = null

    /** Ids of the calls to which the person said no; the library's threads ask. */
    private val refused = ConcurrentHashMap.newKeySet<String>()

    suspend fun write(onSession: (UhlmSessionInterface) -> Unit) {
        show(id, writing)
        record(id, Entry.ReplyBegan(now(), mode))
        try {
            val session = sessions.session(id, settings)
            onSession(session)
            stream(session)
        } catch (failure: UhlmException) {
            askConsent = failure.recovery == Recovery.ASK_FOR_CONSENT
            end = ReplyEnd(problem = Problem(failure.hint, failure.recovery), figures = figures())
        } catch (cancelled: CancellationException) {
            end = ReplyEnd(FinishReason.CANCELLED, figures = figures())
            throw cancelled
        } finally {
            // A stopped reply ends in the record as well.
            withContext(NonCancellable) {
                try {
                    takeSent(all = true)
                } finally {
                    sessions.replied(id)
                }
                record(id, Entry.ReplyEnded(end ?: ReplyEnd(FinishReason.CANCELLED, figures = figures())))
                sync(id)
            }
        }
    }

    private suspend fun stream(session: UhlmSessionInterface) {
        val turns = conversation(id)?.turns.orEmpty()
        val message = turns.filterIsInstance<Said>().last()
        val before = turns.take(turns.lastIndexOf(message))
        align(session, before.messages(settings.systemPrompt))
        val mayBeSent = conversation(id)?.mayBeSent(settings.server, settings.agreed) == true
        if (consent == Consent.CONVERSATION || mayBeSent) session.setConsent(Consent.CONVERSATION)
        sent = SentReader(session.sent())
        val replies = before.filterIsInstance<Reply>()
        live = Live(replies.lastOrNull()?.end?.figures?.roundTripSeconds)
        var shown = TimeSource.Monotonic.markNow()
        var synced = TimeSource.Monotonic.markNow()
        val box = toolbox()
        session.setToolRunner(box)
        val options = GenerationOptions(
            maxTokens = settings.maxTokens.toUInt(),
            mode = mode,
            consent = consent.takeIf { it == Consent.MESSAGE },
            thinking = settings.thinkingOption,
            tools = box?.tools ?: Tools(),
        )
        writing = writing.copy(opening = false)
        show(id, writing)
        session.generate(Prompt.Chat(message.text), options).collect { event ->
            take(event)
            // At once with what was committed: else a word would be there twice for a moment.
            show(id, writing)
            if (shown.elapsedNow() >= FIGURES_EVERY) {
                shown = TimeSource.Monotonic.markNow()
                takeSent(all = false)
                writing = writing.copy(figures = figures())
                show(id, writing)
            }
            if (synced.elapsedNow() >= SYNC_EVERY) {
                synced = TimeSource.Monotonic.markNow()
                sync(id)
            }
        }
        // None where the session was ended meanwhile, as with a token that was changed.
        sessions.opened(id)?.let { used(id, it.contextUse()) }
    }

    /** The tools of this reply; none where Settings offer none. */
    private fun toolbox(): Toolbox? {
        if (!settings.tools) return null
        val ask: suspend (ToolCall) -> Boolean = { call ->
            val isAllowed = allows(id, PendingCall(call, mayBeSent = mode != Mode.DEVICE_ONLY))
            if (!isAllowed) refused += call.id
            isAllowed
        }
        return Toolbox(localTools(now), ask.takeIf { settings.askTools })
    }

    private suspend fun take(event: GenerationEvent) {
        when (event) {
            is GenerationEvent.Provisional -> provisional += event.token.text
            is GenerationEvent.Committed -> {
                provisional.removeFirstOrNull()
                live?.committed(event.origin)
                val text = event.token.text
                val corrected = corrections.takes(text, event.origin)
                if (text.isNotEmpty()) record(id, Entry.Committed(text, event.origin, corrected))
            }
            is GenerationEvent.Reasoning -> {
                provisional.removeFirstOrNull()
                live?.committed(event.origin)
                if (event.token.text.isNotEmpty()) record(id, Entry.Reasoned(event.token.text))
            }
            is GenerationEvent.Rollback -> {
                provisional.clear()
                live?.rolledBack()
                corrections.rolledBack()
            }
            is GenerationEvent.ToolCall ->
                with(event.call) { record(this@ReplyRun.id, Entry.Called(id, name, arguments)) }
            is GenerationEvent.ToolResult -> answered(event.result)
            is GenerationEvent.MalformedToolCall -> record(id, Entry.Miscalled(event.raw, event.reason))
            is GenerationEvent.State -> Unit
            is GenerationEvent.Finished -> {
                takeSent(all = false)
                val figures = figures(event.statistics, sent?.requests ?: 0).copy(model = settings.modelName)
                end = ReplyEnd(event.finish, figures = figures)
            }
        }
        writing = writing.copy(provisional = provisional.joinToString(""))
    }

    private suspend fun answered(result: ToolResult) {
        val kind = when {
            result.id in refused -> AnswerKind.REFUSED
            result.isFailure -> AnswerKind.FAILED
            else -> AnswerKind.GIVEN
        }
        record(id, Entry.CallAnswered(result.id, result.content, kind))
    }

    private fun figures() = live?.figures(sent?.requests ?: 0, sent?.bytes ?: 0)

    private suspend fun takeSent(all: Boolean) {
        val reader = sent ?: return
        val record = try {
            sessions.opened(id)?.sent() ?: return
        } catch (_: UhlmException) {
            // Shut down: what it sent last is not known.
            return
        }
        for (entry in reader.take(record, all)) record(id, Entry.WasSent(entry))
    }

    private companion object {
        val FIGURES_EVERY = 250.milliseconds

        /**
         * A phone's flash is slow and wears: a power cut may cost this much of a reply, the end of the process nothing.
         */
        val SYNC_EVERY = 1000.milliseconds
    }
}

/** The session may be a new one, or have seen a reply that was asked for again. */
private fun align(session: UhlmSessionInterface, messages: List<Message>) {
    val held = session.messages()
    val same = held.size == messages.size &&
        held.zip(messages).all { (a, b) -> a.role == b.role && a.content.trim() == b.content.trim() }
    if (!same) session.setMessages(messages)
}
