package dev.uhlm.demo.chat

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import dev.uhlm.Consent
import dev.uhlm.ContextUse
import dev.uhlm.Mode
import dev.uhlm.UhlmException
import dev.uhlm.UhlmSessionInterface
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.ConversationStore
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.storage.after
import dev.uhlm.demo.words.say
import dev.uhlm.statusFlow
import java.io.IOException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.drop
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * Conversations and the replies that are being written in them.
 *
 * What is shown as committed is in the store already. A reply goes on while another conversation is looked at, and when
 * the screen is turned; it ends with the view model.
 */
class ChatViewModel(
    private val store: ConversationStore,
    private val settings: SettingsStore,
    private val sessions: Sessions,
    private val platform: Platform,
    io: CoroutineDispatcher = Dispatchers.IO,
    private val now: () -> Long = System::currentTimeMillis,
) : ViewModel() {
    private val disk = io.limitedParallelism(1)
    private val mutable = MutableStateFlow(ChatState())
    private val replies = mutableMapOf<String, Job>()
    private var watching: Job? = null

    val state: StateFlow<ChatState> = mutable.asStateFlow()

    init {
        viewModelScope.launch {
            val conversations = withContext(disk) { store.load() }
            mutable.update { state ->
                val open = settings.settings.value.open?.takeIf { id -> conversations.any { it.id == id } }
                state.copy(loaded = true, conversations = conversations, open = open)
            }
        }
        viewModelScope.launch { platform.device.collect(sessions::setDevice) }
        viewModelScope.launch {
            platform.network.collect { network -> mutable.update { it.copy(network = network.available) } }
        }
        viewModelScope.launch { platform.network.drop(1).collect { sessions.networkChanged() } }
    }

    /** Shows a conversation; none for one that begins with the next message. */
    fun open(id: String?) {
        mutable.update { it.copy(open = id, question = null) }
        viewModelScope.launch { settings.change { it.copy(open = id) } }
    }

    /**
     * Sends a message in the open conversation, or asks first whether it may be sent.
     *
     * @return whether it was taken. One that is asked about, or that has to wait for a reply, is still the sender's.
     */
    fun send(text: String): Boolean {
        val conversation = state.value.conversation
        if (text.isBlank() || (conversation?.id ?: NEW) in replies) return false
        return put(conversation, text, null)
    }

    /**
     * Says something else in the place of a message of the open conversation; what followed it goes.
     *
     * @param turn the message's place among the turns.
     * @return as [send] does.
     */
    fun edit(turn: Int, text: String): Boolean {
        val conversation = state.value.conversation ?: return false
        if (text.isBlank() || conversation.id in replies || conversation.turns.getOrNull(turn) !is Said) return false
        return put(conversation, text, turn)
    }

    private fun put(conversation: Conversation?, text: String, replaces: Int?): Boolean {
        val asks = mustAsk(conversation)
        val message = text.trim()
        if (asks) ask(conversation, message, replaces) else begin(conversation, message, null, null, replaces)
        return !asks
    }

    /** Asks for the last reply of the open conversation once more, in the place of the one that is there. */
    fun again() {
        val conversation = state.value.conversation ?: return
        if (conversation.id in replies || conversation.turns.none { it is Said }) return
        if (mustAsk(conversation)) ask(conversation, null) else begin(conversation, null, null, null)
    }

    /** The answer to [ChatState.question]. */
    fun answer(choice: ConsentChoice) {
        val question = state.value.question ?: return
        val conversation = state.value.conversations.firstOrNull { it.id == question.conversation }
        mutable.update { it.copy(question = null) }
        when (choice) {
            ConsentChoice.NEITHER -> Unit
            ConsentChoice.ON_DEVICE -> begin(conversation, question, Mode.DEVICE_ONLY, null)
            ConsentChoice.THIS_MESSAGE -> begin(conversation, question, null, Consent.MESSAGE)
            ConsentChoice.CONVERSATION -> begin(conversation, question, null, Consent.CONVERSATION)
            ConsentChoice.SERVER -> viewModelScope.launch {
                settings.change { it.copy(agreed = it.agreed + question.server) }
                begin(conversation, question, null, Consent.CONVERSATION)
            }
        }
    }

    /** The answer to [ChatState.callHere]. */
    fun answerCall(isAllowed: Boolean) {
        state.value.callHere?.answer(isAllowed)
    }

    /** Stops the reply of the open conversation; its committed words stay. */
    fun stop() {
        val id = state.value.open ?: return
        replies[id]?.cancel()
    }

    /** Stops all replies; their committed words stay. */
    fun stopAll(): Unit = replies.values.toList().forEach(Job::cancel)

    /** From now on nothing of the open conversation is sent, and the verifier is told to forget it. */
    fun withdrawConsent() {
        val id = state.value.open ?: return
        sessions.opened(id)?.setConsent(Consent.WITHHELD)
        keep(id, Entry.Consented(Consent.WITHHELD))
    }

    /** Forgets what the open conversation's record says of what was sent. */
    fun forgetSent() {
        val id = state.value.open ?: return
        sessions.opened(id)?.clearSent()
        keep(id, Entry.SentForgotten)
    }

    fun rename(id: String, title: String) {
        if (title.isNotBlank()) keep(id, Entry.Titled(title.trim()))
    }

    fun delete(id: String) {
        viewModelScope.launch {
            replies[id]?.apply { cancel() }?.join()
            sessions.release(id)
            try {
                withContext(disk) { store.delete(id) }
                mutable.update { state -> state.copy(conversations = state.conversations.filter { it.id != id }) }
                if (state.value.open == id) open(null)
            } catch (_: IOException) {
                notice(say("chat.not_deleted"))
            }
        }
    }

    fun noticeSeen(): Unit = mutable.update { it.copy(notice = null) }

    /** A token in the secret store was changed. */
    fun tokensChanged(): Unit = sessions.forgetTokens()

    override fun onCleared(): Unit = sessions.close()

    private fun mustAsk(conversation: Conversation?): Boolean {
        val settings = settings.settings.value
        val server = settings.server
        val mayBeSent = conversation?.mayBeSent(server, settings.agreed) ?: (server in settings.agreed)
        return settings.asksServer && !mayBeSent
    }

    private fun ask(conversation: Conversation?, message: String?, replaces: Int? = null) {
        val turns = conversation?.turns.orEmpty()
        val said = (if (replaces == null) turns else turns.take(replaces)).count { it is Said }
        val earlier = if (message == null) said - 1 else said
        val settings = settings.settings.value
        val tools = settings.tools || turns.any { it is Reply && it.asked.isNotEmpty() }
        val question = ConsentQuestion(conversation?.id, message, earlier, settings.server, replaces, tools)
        mutable.update { it.copy(question = question) }
    }

    private fun begin(before: Conversation?, question: ConsentQuestion, mode: Mode?, consent: Consent?) =
        begin(before, question.message, mode, consent, question.replaces)

    private fun begin(before: Conversation?, message: String?, mode: Mode?, consent: Consent?, replaces: Int? = null) {
        val settings = settings.settings.value
        // From here on a second tap finds the first one's reply.
        val key = before?.id ?: NEW
        if (key in replies) return
        val job = viewModelScope.launch(start = CoroutineStart.LAZY) {
            try {
                val conversation = before ?: create(checkNotNull(message))
                if (consent == Consent.CONVERSATION) {
                    record(conversation.id, Entry.Consented(consent, settings.server))
                }
                if (replaces != null) record(conversation.id, Entry.Cut(replaces))
                if (message != null) {
                    record(conversation.id, Entry.SaidText(now(), message))
                } else if (conversation.turns.last() is Reply) {
                    record(conversation.id, Entry.ReplyDropped)
                }
                val run = ReplyRun(
                    conversation.id,
                    settings,
                    mode ?: settings.effectiveMode,
                    consent,
                    ::get,
                    ::record,
                    ::sync,
                    sessions,
                    ::writing,
                    ::used,
                    ::allows,
                    now,
                )
                replies.remove(NEW)?.let { replies[conversation.id] = it }
                reply(run)
                replies -= conversation.id
                if (run.askConsent) get(run.id)?.let { ask(it, null) }
            } catch (_: IOException) {
                notice(say("chat.no_room"))
            }
        }
        replies[key] = job
        job.invokeOnCompletion { replies.values.remove(job) }
        job.start()
    }

    private suspend fun reply(run: ReplyRun) {
        try {
            run.write(onSession = ::watch)
        } catch (_: IOException) {
            notice(say("chat.no_room.reply"))
        } finally {
            writing(run.id, null)
        }
    }

    private suspend fun create(message: String): Conversation {
        val title = message.lineSequence().first().take(TITLE)
        val conversation = withContext(disk) { store.create(title, now()) }
        mutable.update { it.copy(conversations = listOf(conversation) + it.conversations, open = conversation.id) }
        settings.change { it.copy(open = conversation.id) }
        return conversation
    }

    /** The link of the session that was used last is the one that is shown. */
    private fun watch(session: UhlmSessionInterface) {
        watching?.cancel()
        watching = viewModelScope.launch {
            try {
                session.statusFlow().collect { status ->
                    mutable.update { it.copy(link = status.link, cause = status.cause) }
                }
            } catch (_: UhlmException) {
                // Shut down meanwhile: the next one tells.
            }
        }
    }

    /** Waits for the person's word on a call; called on threads of the library. */
    private suspend fun allows(id: String, call: PendingCall): Boolean {
        mutable.update { it.copy(calls = it.calls + (id to call)) }
        return try {
            call.isAllowed()
        } finally {
            mutable.update { it.copy(calls = it.calls - id) }
        }
    }

    private fun get(id: String) = state.value.conversations.firstOrNull { it.id == id }

    private fun writing(id: String, writing: Writing?) = mutable.update { state ->
        state.copy(writing = if (writing == null) state.writing - id else state.writing + (id to writing))
    }

    private fun used(id: String, use: ContextUse) = mutable.update { it.copy(uses = it.uses + (id to use)) }

    /** First the disk, then the screen. */
    private suspend fun record(id: String, entry: Entry) {
        withContext(disk) { store.append(id, entry) }
        mutable.update { state ->
            val changed = (state.conversations.firstOrNull { it.id == id } ?: return@update state).after(entry)
            val others = state.conversations.filter { it.id != id }
            val moved = entry is Entry.SaidText
            val inPlace = state.conversations.map { if (it.id == id) changed else it }
            state.copy(conversations = if (moved) listOf(changed) + others else inPlace)
        }
    }

    private suspend fun sync(id: String) = withContext(disk) { store.sync(id) }

    private fun keep(id: String, entry: Entry) {
        viewModelScope.launch {
            try {
                record(id, entry)
                sync(id)
            } catch (_: IOException) {
                notice(say("chat.no_room.change"))
            }
        }
    }

    private fun notice(text: String) = mutable.update { it.copy(notice = text) }

    private companion object {
        const val TITLE = 48

        /** The key of a reply whose conversation is not made yet. */
        const val NEW = ""
    }
}
