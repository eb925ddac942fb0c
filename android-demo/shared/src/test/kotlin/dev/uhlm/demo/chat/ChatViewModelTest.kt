package dev.uhlm.demo.chat

import dev.uhlm.Consent
import dev.uhlm.ContextUse
import dev.uhlm.ErrorKind
import dev.uhlm.FinishReason
import dev.uhlm.GenerationEvent
import dev.uhlm.LinkCause
import dev.uhlm.LinkState
import dev.uhlm.Message
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.Recovery
import dev.uhlm.Role
import dev.uhlm.Sent
import dev.uhlm.SentKind
import dev.uhlm.SentRecord
import dev.uhlm.SessionStatus
import dev.uhlm.TokenText
import dev.uhlm.demo.FakePlatform
import dev.uhlm.demo.FakeSessions
import dev.uhlm.demo.committed
import dev.uhlm.demo.failed
import dev.uhlm.demo.finished
import dev.uhlm.demo.platform.Network
import dev.uhlm.demo.provisional
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.settings.Trust
import dev.uhlm.demo.storage.ConversationStore
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Piece
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import java.io.File
import java.io.IOException
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.resetMain
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.setMain
import org.junit.jupiter.api.io.TempDir

@OptIn(ExperimentalCoroutinesApi::class)
class ChatViewModelTest {
    @TempDir
    lateinit var folder: File

    private val dispatcher = StandardTestDispatcher()
    private val sessions = FakeSessions()
    private lateinit var platform: FakePlatform
    private var time = 100L

    @BeforeTest
    fun main() {
        Dispatchers.setMain(dispatcher)
        platform = FakePlatform(folder)
    }

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    private suspend fun TestScope.chat(
        settings: Settings = Settings(endpoint = "https://server:1", model = "m"),
        store: ConversationStore = JournalStore(folder),
    ): ChatViewModel {
        val kept = SettingsStore(folder, dispatcher)
        kept.change { settings.copy(open = it.open) }
        return ChatViewModel(store, kept, sessions, platform, dispatcher) { time++ }.also { runCurrent() }
    }

    private val ChatViewModel.reply get() = state.value.conversation?.turns?.lastOrNull() as Reply

    private fun stored() = JournalStore(folder).load()

    private fun test(body: suspend TestScope.() -> Unit) = runTest(dispatcher) { body() }

    /** A conversation that may be sent, with its reply on the way. */
    private fun TestScope.sending(chat: ChatViewModel, text: String = "Hello") {
        chat.send(text)
        if (chat.state.value.question != null) chat.answer(ConsentChoice.CONVERSATION)
        runCurrent()
    }

    @Test
    fun `nothing is started or kept before the person agreed to send`() = test {
        val chat = chat()
        chat.send("Hello")
        runCurrent()
        assertEquals(ConsentQuestion(null, "Hello", 0, "https://server:1"), chat.state.value.question)
        assertTrue(sessions.sessions.isEmpty() && stored().isEmpty())
        chat.answer(ConsentChoice.NEITHER)
        runCurrent()
        assertNull(chat.state.value.question)
        assertTrue(sessions.sessions.isEmpty() && stored().isEmpty())
    }

    @Test
    fun `one message is agreed to by itself and the next one is asked about again`() = test {
        val chat = chat()
        chat.send("Hello")
        chat.answer(ConsentChoice.THIS_MESSAGE)
        runCurrent()
        assertEquals(Consent.MESSAGE, sessions.only.started.single().second.consent)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        chat.send("More")
        runCurrent()
        assertEquals(1, chat.state.value.question?.earlier)
        assertEquals(1, sessions.only.started.size)
    }

    @Test
    fun `an agreed conversation is not asked about again and can be withdrawn`() = test {
        val chat = chat()
        sending(chat)
        assertEquals(listOf(Consent.CONVERSATION), sessions.only.consents)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        chat.send("More")
        runCurrent()
        assertEquals(2, sessions.only.started.size)
        chat.withdrawConsent()
        runCurrent()
        assertEquals(Consent.WITHHELD, sessions.only.consents.last())
        assertEquals(Consent.WITHHELD, stored().single().consent)
    }

    @Test
    fun `an answer on the phone asks no server whatever the mode`() = test {
        val chat = chat()
        chat.send("Hello")
        chat.answer(ConsentChoice.ON_DEVICE)
        runCurrent()
        val options = sessions.only.started.single().second
        assertEquals(Mode.DEVICE_ONLY to null, options.mode to options.consent)
        assertTrue(sessions.only.consents.isEmpty())
    }

    @Test
    fun `without a server nothing is asked and the phone writes alone`() = test {
        val chat = chat(Settings(model = "m", mode = Mode.EXACT))
        chat.send("Hello")
        runCurrent()
        assertEquals(Mode.DEVICE_ONLY, sessions.only.started.single().second.mode)
    }

    @Test
    fun `what is shown as committed is on the disk already`() = test {
        val chat = chat()
        sending(chat)
        val expected = mutableListOf<Piece>()
        for ((index, origin) in Origin.entries.withIndex()) {
            sessions.only.play(committed("$index ", origin))
            runCurrent()
            expected += Piece("$index ", origin)
            assertEquals(expected, chat.reply.pieces)
            assertEquals(chat.state.value.conversations, stored())
        }
    }

    @Test
    fun `provisional text follows the committed text and a rollback empties it`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.play(provisional("a"), provisional("b"), committed("a"))
        runCurrent()
        assertEquals("a" to "b", chat.reply.text to chat.state.value.writingHere?.provisional)
        sessions.only.play(GenerationEvent.Rollback(1u), committed("c", Origin.TARGET))
        runCurrent()
        assertEquals("ac" to "", chat.reply.text to chat.state.value.writingHere?.provisional)
        assertEquals("ac", (stored().single().turns.last() as Reply).text)
    }

    @Test
    fun `a finished reply has the figures of the library`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.record = SentRecord(listOf(Sent(1.5, SentKind.ADVANCE, 4u, 90uL, true, "t")), 1uL, 4uL, 90uL)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        val figures = assertNotNull(chat.reply.end?.figures)
        val shown = listOf(figures.tokensPerSecond, figures.shareAsked, figures.roundTripSeconds)
        assertEquals(listOf(2.0, 1.0, 0.1), shown)
        assertEquals(listOf(30L, 20L, 1L), listOf(figures.bytesUp, figures.bytesDown, figures.requests))
        // 0.33 passes of the target a token: the same figure as in the iOS app.
        assertEquals(0.67, figures.saved!!, 1e-9)
        val sent = stored().single().sent.single()
        val kept = listOf(sent.at, sent.kind, sent.tokens, sent.bytes, sent.text)
        assertEquals(listOf<Any?>(1500L, SentKind.ADVANCE, 4L, 90L, "t"), kept)
        assertNull(chat.state.value.writingHere)
    }

    @Test
    fun `stopping cancels the models and keeps what was committed`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.play(committed("Half"))
        runCurrent()
        chat.stop()
        assertTrue(sessions.only.cancelled > 0)
        runCurrent()
        assertEquals("Half" to FinishReason.CANCELLED, chat.reply.text to chat.reply.end?.finish)
        assertEquals(chat.state.value.conversations, stored())
        assertNull(chat.state.value.writingHere)
    }

    @Test
    fun `a second message waits for the first reply`() = test {
        val chat = chat()
        sending(chat)
        chat.send("Again")
        runCurrent()
        assertEquals(1, sessions.only.started.size)
    }

    @Test
    fun `a failure says what can be done and asking again takes its place`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.play(committed("Ha"))
        sessions.only.fail(failed(ErrorKind.Unauthorized, Recovery.SIGN_IN))
        runCurrent()
        assertEquals(Recovery.SIGN_IN, chat.reply.end?.problem?.recovery)
        assertEquals("Ha", chat.reply.text)
        chat.again()
        runCurrent()
        assertEquals(listOf("Hello", "Hello"), sessions.only.started.map { it.first })
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        val turns = stored().single().turns
        assertEquals(listOf("Hello", "Hi"), turns.map { if (it is Said) it.text else (it as Reply).text })
    }

    @Test
    fun `a reply that would send more than was agreed to asks`() = test {
        val chat = chat()
        chat.send("Hello")
        chat.answer(ConsentChoice.THIS_MESSAGE)
        runCurrent()
        sessions.only.fail(failed(ErrorKind.ConsentRequired(1uL), Recovery.ASK_FOR_CONSENT))
        runCurrent()
        val question = assertNotNull(chat.state.value.question)
        assertNull(question.message)
        chat.answer(ConsentChoice.CONVERSATION)
        runCurrent()
        assertEquals(2, sessions.only.started.size)
        assertEquals(2, stored().single().turns.size)
    }

    @Test
    fun `a model that is missing is a problem of the reply`() = test {
        sessions.failure = failed(ErrorKind.ModelNotFound, Recovery.PROVIDE_MODEL)
        val chat = chat()
        sending(chat)
        assertEquals(Recovery.PROVIDE_MODEL, chat.reply.end?.problem?.recovery)
        assertNull(chat.state.value.writingHere)
    }

    @Test
    fun `a reply goes on while another conversation is looked at`() = test {
        val chat = chat()
        sending(chat)
        val id = chat.state.value.open
        chat.open(null)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        chat.open(id)
        assertEquals("Hi" to FinishReason.END_OF_REPLY, chat.reply.text to chat.reply.end?.finish)
    }

    @Test
    fun `after the process died the conversation is there with the reply cut off`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        sending(chat, "Go on")
        sessions.only.play(committed("Half", Origin.DRAFT))
        runCurrent()
        sessions.sessions.clear()
        val next = chat()
        assertEquals(chat.state.value.open, next.state.value.open)
        assertEquals("Half" to null, next.reply.text to next.reply.end)
        next.again()
        runCurrent()
        assertEquals("Go on", sessions.only.started.single().first)
        assertEquals(listOf(Message(Role.USER, "Hello"), Message(Role.ASSISTANT, "Hi")), sessions.only.held)
    }

    @Test
    fun `a session that holds the conversation is not told it again`() = test {
        val chat = chat(Settings(endpoint = "https://server:1", model = "m", systemPrompt = "s"))
        sending(chat)
        assertEquals(listOf(Message(Role.SYSTEM, "s")), sessions.only.held)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        val held = listOf(Message(Role.SYSTEM, "s"), Message(Role.USER, "Hello"), Message(Role.ASSISTANT, "Hi"))
        sessions.only.held = held
        sending(chat, "More")
        assertEquals(held, sessions.only.held)
    }

    @Test
    fun `a full disk ends the reply and says so`() = test {
        val real = JournalStore(folder)
        val full = object : ConversationStore by real {
            override fun append(id: String, entry: Entry) {
                if (entry is Entry.Committed && entry.text == "b") throw IOException("no space")
                real.append(id, entry)
            }
        }
        val chat = chat(store = full)
        sending(chat)
        sessions.only.play(committed("a"), committed("b"), committed("c"))
        runCurrent()
        assertNotNull(chat.state.value.notice)
        assertEquals("a", chat.reply.text)
        assertTrue(sessions.only.cancelled > 0)
        assertNull(chat.state.value.writingHere)
    }

    @Test
    fun `the link and the network show as offline`() = test {
        val settings = Settings(endpoint = "https://server:1", model = "m")
        val chat = chat(settings)
        fun banner() = chat.state.value.banner(settings)
        sending(chat)
        sessions.only.status.value = SessionStatus(true, LinkState.OFFLINE)
        runCurrent()
        assertTrue(chat.state.value.offline)
        assertEquals("The server does not answer. This device goes on alone; its words are not checked.", banner())
        sessions.only.status.value = SessionStatus(true, LinkState.DEGRADED, LinkCause.BUSY)
        runCurrent()
        assertEquals("The server is busy. This device goes on alone; its words are not checked.", banner())
        sessions.only.status.value = SessionStatus(true, LinkState.ONLINE)
        runCurrent()
        assertNull(banner())
        platform.network.value = Network(available = false, changes = 1)
        runCurrent()
        assertTrue(chat.state.value.offline)
        assertEquals(1, sessions.only.networkChanges)
    }

    @Test
    fun `the title says how replies are written and what is the matter with the server`() = test {
        val settings = Settings(endpoint = "https://server:1/x", model = "/a/small.gguf")
        val chat = chat(settings)
        fun heading(settings: Settings) = chat.state.value.heading(settings)
        sending(chat)
        assertEquals("Exact · server:1", heading(settings))
        assertEquals("This device only", heading(settings.copy(endpoint = "")))
        sessions.only.status.value = SessionStatus(true, LinkState.OFFLINE)
        runCurrent()
        assertEquals("Exact · no answer", heading(settings))
        platform.network.value = Network(available = false)
        runCurrent()
        assertEquals("Balanced · no network", heading(settings.copy(mode = Mode.OPPORTUNISTIC)))
    }

    @Test
    fun `a word that the server put in the place of another one is marked and the words that follow are not`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.play(committed("The "), provisional("cat"), GenerationEvent.Rollback(1u))
        sessions.only.play(committed("dog", Origin.TARGET), committed("gy", Origin.TARGET))
        sessions.only.play(committed(" sat", Origin.TARGET), committed(" down"))
        runCurrent()
        assertEquals(
            listOf(
                Piece("The ", Origin.VERIFIED),
                Piece("doggy", Origin.TARGET, corrected = true),
                Piece(" sat", Origin.TARGET),
                Piece(" down", Origin.VERIFIED),
            ),
            chat.reply.pieces,
        )
        assertEquals(chat.state.value.conversations, stored())
    }

    @Test
    fun `what the model thinks is kept beside the reply and is no part of it`() = test {
        val chat = chat()
        sending(chat)
        val thought = TokenText(id = 1u, text = "Hm. ", uncertainty = null)
        sessions.only.play(GenerationEvent.Reasoning(thought, Origin.DRAFT), committed("Hi"), finished())
        runCurrent()
        assertEquals("Hm. " to "Hi", chat.reply.reasoning to chat.reply.text)
        assertEquals(chat.state.value.conversations, stored())
        sending(chat, "More")
        assertEquals(Message(Role.ASSISTANT, "Hi"), sessions.only.held.last())
    }

    @Test
    fun `a server that was agreed to is not asked about again unless it is taken back`() = test {
        val chat = chat()
        chat.send("Hello")
        chat.answer(ConsentChoice.SERVER)
        runCurrent()
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        assertEquals(setOf("https://server:1"), SettingsStore(folder).settings.value.agreed)
        chat.open(null)
        assertTrue(chat.send("Another"))
        runCurrent()
        val second = sessions.sessions.getValue(chat.state.value.open!!)
        assertEquals(listOf(Consent.CONVERSATION), second.consents)
        second.play(committed("Hi"), finished())
        runCurrent()
        chat.withdrawConsent()
        runCurrent()
        assertFalse(chat.send("More"))
        assertNotNull(chat.state.value.question)
        // Nothing of this is forgotten with the process.
        assertTrue(stored().single { it.id == chat.state.value.open }.withdrawn)
    }

    @Test
    fun `what was agreed for one server is asked about for another`() = test {
        val chat = chat()
        sending(chat)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        val moved = chat(Settings(endpoint = "https://elsewhere:1", model = "m"))
        assertFalse(moved.send("More"))
        assertEquals("https://elsewhere:1", moved.state.value.question?.endpoint)
        // The same address with another certificate is another server.
        val certified = Settings("https://server:1", Trust.FINGERPRINT, "cd".repeat(32), model = "m")
        val posing = chat(certified)
        assertFalse(posing.send("More"))
        assertEquals("https://server:1", posing.state.value.question?.endpoint)
        assertEquals(1, sessions.only.started.size)
    }

    @Test
    fun `a conversation that an earlier version agreed to for no named server is asked about again`() = test {
        val store = JournalStore(folder)
        val id = store.create("Old", 1).id
        store.append(id, Entry.Consented(Consent.CONVERSATION))
        val chat = chat()
        chat.open(id)
        assertFalse(chat.send("Hello"))
    }

    @Test
    fun `how full the context is shows after each reply`() = test {
        val chat = chat()
        sending(chat)
        assertNull(chat.state.value.use)
        sessions.only.use = ContextUse(100u, 1000u)
        sessions.only.play(committed("Hi"), finished())
        runCurrent()
        val use = assertNotNull(chat.state.value.use)
        assertEquals(0.1f to false, use.share to use.isNearlyFull)
        assertTrue(ContextUse(860u, 1000u).isNearlyFull)
        assertNull(ContextUse(5u, null).share)
    }

    @Test
    fun `conversations are found by their title and by what was said in them in whatever case`() = test {
        val chat = chat()
        sending(chat, "Où est la gare?\nSecond line")
        sessions.only.play(committed("Straight on."), finished())
        runCurrent()
        val conversation = chat.state.value.conversation!!
        for (text in listOf("", " ", "ou EST", "second", "STRAIGHT", "gare?")) assertTrue(conversation.says(text), text)
        assertFalse(conversation.says("left"))
    }

    @Test
    fun `a message that is edited takes the place of all that followed it`() = test {
        val chat = chat()
        for (text in listOf("One", "Two")) {
            sending(chat, text)
            sessions.only.play(committed("$text!"), finished())
            runCurrent()
        }
        assertTrue(chat.edit(2, "Three"))
        runCurrent()
        assertEquals("Three", sessions.only.started.last().first)
        // The session forgets what is not said any more.
        assertEquals(listOf(Message(Role.USER, "One"), Message(Role.ASSISTANT, "One!")), sessions.only.held)
        sessions.only.play(committed("Three!"), finished())
        runCurrent()
        val texts = stored().single().turns.map { if (it is Said) it.text else (it as Reply).text }
        assertEquals(listOf("One", "One!", "Three", "Three!"), texts)
        assertEquals("# One\n\n> One\n\nOne!\n\n> Three\n\nThree!\n", stored().single().transcript())
    }

    @Test
    fun `an edited message that is not agreed to changes nothing`() = test {
        val chat = chat()
        chat.send("One")
        chat.answer(ConsentChoice.ON_DEVICE)
        runCurrent()
        sessions.only.play(committed("One!"), finished())
        runCurrent()
        assertFalse(chat.edit(0, "Two"))
        assertEquals(0 to 0, chat.state.value.question?.run { earlier to replaces })
        chat.answer(ConsentChoice.NEITHER)
        runCurrent()
        assertEquals("One", (stored().single().turns.first() as Said).text)
        assertFalse(chat.edit(1, "a reply is no message"))
    }

    @Test
    fun `deleting stops the reply and removes the file`() = test {
        val chat = chat()
        sending(chat)
        chat.delete(checkNotNull(chat.state.value.open))
        runCurrent()
        assertTrue(stored().isEmpty() && chat.state.value.conversations.isEmpty())
        assertNull(chat.state.value.open)
        assertTrue(sessions.sessions.isEmpty())
    }
}
