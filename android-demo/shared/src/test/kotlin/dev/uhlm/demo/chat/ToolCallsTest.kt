package dev.uhlm.demo.chat

import dev.uhlm.FinishReason
import dev.uhlm.GenerationEvent
import dev.uhlm.Message
import dev.uhlm.Mode
import dev.uhlm.Role
import dev.uhlm.ToolCall
import dev.uhlm.ToolResult
import dev.uhlm.ToolUse
import dev.uhlm.demo.FakePlatform
import dev.uhlm.demo.FakeSessions
import dev.uhlm.demo.committed
import dev.uhlm.demo.finished
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.storage.Answer
import dev.uhlm.demo.storage.AnswerKind
import dev.uhlm.demo.storage.Call
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Miscall
import dev.uhlm.demo.storage.Reply
import java.io.File
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.resetMain
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.setMain
import org.junit.jupiter.api.io.TempDir

@OptIn(ExperimentalCoroutinesApi::class)
class ToolCallsTest {
    @TempDir
    lateinit var folder: File

    private val dispatcher = StandardTestDispatcher()
    private val sessions = FakeSessions()
    private val sum = ToolCall("call00001", "calculate", """{"expression": "12.5 * 8"}""")

    @BeforeTest
    fun main() = Dispatchers.setMain(dispatcher)

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    private fun test(body: suspend TestScope.() -> Unit) = runTest(dispatcher) { body() }

    private suspend fun TestScope.chat(
        settings: Settings = Settings(model = "m", tools = true),
    ): ChatViewModel {
        val kept = SettingsStore(folder, dispatcher)
        kept.change { settings.copy(open = it.open) }
        val chat = ChatViewModel(JournalStore(folder), kept, sessions, FakePlatform(folder), dispatcher)
        return chat.also { runCurrent() }
    }

    private fun TestScope.asking(chat: ChatViewModel, text: String = "How much is 12.5 * 8?") {
        chat.send(text)
        runCurrent()
    }

    private val ChatViewModel.reply get() = state.value.conversation?.turns?.lastOrNull() as Reply

    private fun stored() = JournalStore(folder).load()

    private fun result(call: ToolCall, content: String, isFailure: Boolean = false) =
        GenerationEvent.ToolResult(ToolResult(call.id, call.name, content, isFailure))

    @Test
    fun `no tool is offered unless settings say so, and then each call asks`() = test {
        val without = chat(Settings(model = "m"))
        asking(without)
        assertTrue(sessions.only.started.single().second.tools.definitions.isEmpty())
        assertNull(sessions.only.runner)
        val modes = mapOf(true to ToolUse.ASK, false to ToolUse.AUTOMATIC)
        for ((asks, usage) in modes) {
            sessions.sessions.clear()
            val with = chat(Settings(model = "m", tools = true, askTools = asks))
            with.open(null)
            asking(with)
            val tools = sessions.only.started.single().second.tools
            assertEquals(listOf("current_time", "calculate", "convert_units"), tools.definitions.map { it.name })
            assertEquals(usage, tools.usage)
        }
        assertTrue(Settings().run { !tools && askTools })
    }

    @Test
    fun `a call waits for a yes and its result is kept where it stands in the reply`() = test {
        val chat = chat()
        asking(chat)
        val session = sessions.only
        session.play(committed("I will look. "), GenerationEvent.ToolCall(sum))
        runCurrent()
        val isAllowed = async { session.runner!!.allows(sum) }
        runCurrent()
        assertEquals(sum, chat.state.value.callHere?.call)
        assertEquals(false, chat.state.value.callHere?.mayBeSent)
        assertTrue(!isAllowed.isCompleted)
        chat.answerCall(isAllowed = true)
        assertTrue(isAllowed.await())
        assertNull(chat.state.value.callHere)
        val answer = session.runner!!.run(sum)
        session.play(result(sum, answer), committed("It is 100."), finished())
        runCurrent()
        val call = Call(13, 0, sum.id, sum.name, sum.arguments, Answer("100", AnswerKind.GIVEN))
        assertEquals(listOf(call), chat.reply.asked.toList())
        assertEquals(chat.state.value.conversations, stored())
        val title = "How much is 12.5 * 8?"
        val expected = "# $title\n\n> $title\n\nI will look.\n\n" +
            "- `Asked the calculator: 12.5 * 8 = 100`\n\nIt is 100.\n"
        assertEquals(expected, stored().single().transcript())
        assertEquals("I will look.\n\nIt is 100.", chat.reply.words())
    }

    @Test
    fun `a call that is refused says so and is told apart from one that failed`() = test {
        val chat = chat()
        asking(chat)
        val session = sessions.only
        val failing = sum.copy(id = "call00002", arguments = "{}")
        session.play(GenerationEvent.ToolCall(sum), GenerationEvent.ToolCall(failing))
        runCurrent()
        val isAllowed = async { session.runner!!.allows(sum) }
        runCurrent()
        chat.answerCall(isAllowed = false)
        assertEquals(false, isAllowed.await())
        session.play(result(sum, "Error: the user did not allow this call", isFailure = true))
        session.play(result(failing, "Error: 'expression' is missing", isFailure = true))
        session.play(committed("Sorry."), finished())
        runCurrent()
        val kinds = chat.reply.asked.map { (it as Call).answer?.kind }
        assertEquals(listOf<AnswerKind?>(AnswerKind.REFUSED, AnswerKind.FAILED), kinds)
        assertEquals(chat.state.value.conversations, stored())
    }

    @Test
    fun `stopping a reply while a call waits takes the question away`() = test {
        val chat = chat()
        asking(chat)
        val session = sessions.only
        session.play(GenerationEvent.ToolCall(sum))
        runCurrent()
        // The library gives the app's task up when the generation is cancelled.
        val waiting = async { session.runner!!.allows(sum) }
        runCurrent()
        assertNotNull(chat.state.value.callHere)
        chat.stop()
        waiting.cancel()
        runCurrent()
        assertTrue(chat.state.value.calls.isEmpty())
        assertEquals(FinishReason.CANCELLED, chat.reply.end?.finish)
        assertNull((chat.reply.asked.single() as Call).answer)
    }

    @Test
    fun `what looks like a call and is none is kept and harms nothing`() = test {
        val chat = chat()
        asking(chat)
        sessions.only.play(GenerationEvent.MalformedToolCall("{\"name\": \"calc", "it has no end"))
        sessions.only.play(committed("100"), finished())
        runCurrent()
        assertEquals(listOf(Miscall(0, "{\"name\": \"calc", "it has no end")), chat.reply.asked.toList())
        assertEquals(FinishReason.END_OF_REPLY, chat.reply.end?.finish)
        assertEquals(chat.state.value.conversations, stored())
        asking(chat, "Thanks")
        assertEquals(listOf("How much is 12.5 * 8?", "100"), sessions.only.held.map { it.content })
    }

    @Test
    fun `a session that is opened anew is told of the calls and what they gave`() = test {
        val chat = chat()
        asking(chat)
        val again = sum.copy(id = "call00002")
        val open = sum.copy(id = "call00003")
        sessions.only.play(committed("First. "), GenerationEvent.ToolCall(sum), result(sum, "100"))
        sessions.only.play(GenerationEvent.ToolCall(again), result(again, "100"), committed("Then. "))
        sessions.only.play(GenerationEvent.ToolCall(open), finished(FinishReason.TOOL_CALLS))
        runCurrent()
        sessions.sessions.clear()
        val next = chat()
        asking(next, "Thanks")
        fun told(call: ToolCall, content: String) =
            Message(Role.TOOL, content, toolCallId = call.id, toolName = call.name)
        val expected = listOf(
            Message(Role.USER, "How much is 12.5 * 8?"),
            Message(Role.ASSISTANT, "First. ", toolCalls = listOf(sum)),
            told(sum, "100"),
            Message(Role.ASSISTANT, "", toolCalls = listOf(again)),
            told(again, "100"),
            Message(Role.ASSISTANT, "Then. ", toolCalls = listOf(open)),
            told(open, "Error: it was cancelled"),
            Message(Role.ASSISTANT, ""),
        )
        assertEquals(expected, sessions.only.held)
    }

    @Test
    fun `consent says that answers of tools would be sent`() = test {
        val server = Settings(endpoint = "https://server:1", model = "m", mode = Mode.EXACT)
        val without = chat(server)
        without.send("Hello")
        assertEquals(false, without.state.value.question?.tools)
        val with = chat(server.copy(tools = true))
        with.send("Hello")
        assertEquals(true, with.state.value.question?.tools)
        with.answer(ConsentChoice.CONVERSATION)
        runCurrent()
        val isAllowed = async { sessions.only.runner!!.allows(sum) }
        runCurrent()
        assertEquals(true, with.state.value.callHere?.mayBeSent)
        with.answerCall(isAllowed = false)
        isAllowed.await()
    }
}
