package dev.uhlm.demo.chat

import dev.uhlm.FinishReason
import dev.uhlm.demo.FakePlatform
import dev.uhlm.demo.FakeSessions
import dev.uhlm.demo.committed
import dev.uhlm.demo.finished
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.storage.ConversationStore
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Reply
import java.io.File
import java.io.IOException
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
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
class RunningRepliesTest {
    @TempDir
    lateinit var folder: File

    private val dispatcher = StandardTestDispatcher()
    private val sessions = FakeSessions()

    @BeforeTest
    fun main() = Dispatchers.setMain(dispatcher)

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    private fun test(body: suspend TestScope.() -> Unit) = runTest(dispatcher) { body() }

    private suspend fun TestScope.chat(store: ConversationStore = JournalStore(folder)): ChatViewModel {
        val kept = SettingsStore(folder, dispatcher)
        kept.change { Settings(model = "m") }
        return ChatViewModel(store, kept, sessions, FakePlatform(folder), dispatcher).also { runCurrent() }
    }

    private val ChatViewModel.reply get() = state.value.conversation?.turns?.lastOrNull() as Reply

    @Test
    fun `a session is said to be free when its reply is over and not before`() = test {
        val chat = chat()
        chat.send("Hello")
        runCurrent()
        sessions.only.play(committed("Hi"))
        runCurrent()
        assertEquals(emptyList(), sessions.replied.toList())
        sessions.only.play(finished())
        runCurrent()
        assertEquals(listOf(chat.state.value.open), sessions.replied.toList())
        chat.send("More")
        runCurrent()
        chat.stop()
        runCurrent()
        assertEquals(2, sessions.replied.size)
    }

    @Test
    fun `a session is said to be free where a full disk ended its reply`() = test {
        val store = JournalStore(folder)
        val full = object : ConversationStore by store {
            override fun append(id: String, entry: Entry) {
                if (entry is Entry.Committed || entry is Entry.ReplyEnded) throw IOException("no space left on device")
                store.append(id, entry)
            }
        }
        val chat = chat(full)
        chat.send("Hello")
        runCurrent()
        sessions.only.play(committed("Hi"))
        runCurrent()
        assertEquals(listOf(chat.state.value.open), sessions.replied.toList())
    }

    @Test
    fun `a token that is changed while a reply is written ends the reply and nothing else`() = test {
        val chat = chat()
        chat.send("Hello")
        runCurrent()
        val session = sessions.only
        session.play(committed("Hi"))
        runCurrent()
        chat.tokensChanged()
        // As the library does where a session is ended while it generates.
        session.play(finished(FinishReason.CANCELLED))
        runCurrent()
        assertEquals("Hi" to FinishReason.CANCELLED, chat.reply.run { text to end?.finish })
        chat.send("Again")
        runCurrent()
        sessions.only.play(committed("Ho"), finished())
        runCurrent()
        assertEquals("Ho" to FinishReason.END_OF_REPLY, chat.reply.run { text to end?.finish })
    }
}
