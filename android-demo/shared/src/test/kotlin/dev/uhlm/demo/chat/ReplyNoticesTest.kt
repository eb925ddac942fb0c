package dev.uhlm.demo.chat

import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.Recovery
import dev.uhlm.ToolCall
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Piece
import dev.uhlm.demo.storage.Problem
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.ReplyEnd
import dev.uhlm.demo.words.NoticeWords
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.test.runTest

class ReplyNoticesTest {
    private val notices = ReplyNotices()

    private fun conversation(id: String, end: ReplyEnd?) = Conversation(
        id, created = 1, title = id, turns = listOf(Reply(1, Mode.EXACT, listOf(Piece(" Secret ", Origin.DRAFT)), end)),
    )

    private fun writing(vararg ids: String) =
        ChatState(conversations = ids.map { conversation(it, null) }, writing = ids.associateWith { Writing() })

    private fun ended(finish: FinishReason?, problem: Problem? = null) =
        ChatState(conversations = listOf(conversation("a", ReplyEnd(finish, problem))))

    private fun next(state: ChatState, foreground: Boolean = false, settings: Settings = Settings()) =
        notices.next(state, foreground, settings)

    @Test
    fun `nothing is shown while the app is seen`() {
        assertNull(next(writing("a"), foreground = true))
        assertNull(next(ended(FinishReason.END_OF_REPLY), foreground = true))
        // Nor later: the person saw it end.
        assertNull(next(ended(FinishReason.END_OF_REPLY)))
    }

    @Test
    fun `replies that go on are counted and the last one's end is told until the person comes back`() {
        assertEquals(ReplyNotice.Writing(2), next(writing("a", "b")))
        assertEquals(ReplyNotice.Writing(1), next(writing("a")))
        val done = ReplyNotice.Done("a", isWhole = true, text = null)
        assertEquals(done, next(ended(FinishReason.END_OF_REPLY)))
        assertEquals(done, next(ended(FinishReason.END_OF_REPLY)))
        assertNull(next(ended(FinishReason.END_OF_REPLY), foreground = true))
        assertNull(next(ended(FinishReason.END_OF_REPLY)))
    }

    @Test
    fun `the text is in the notification only where the person wants that`() {
        next(writing("a"))
        val state = ended(FinishReason.MAX_TOKENS)
        assertEquals(ReplyNotice.Done("a", true, "Secret"), next(state, settings = Settings(noticeText = true)))
    }

    @Test
    fun `a reply that was stopped is not told of and one that failed is called that`() {
        next(writing("a"))
        assertNull(next(ended(FinishReason.CANCELLED)))
        next(writing("a"))
        val failed = ended(null, Problem("No memory.", Recovery.FREE_MEMORY))
        val done = ReplyNotice.Done("a", isWhole = false, text = null)
        assertEquals(done, next(failed, settings = Settings(noticeText = true)))
        next(writing("a"))
        assertNull(next(ended(FinishReason.END_OF_REPLY), settings = Settings(noticeDone = false)))
    }

    @Test
    fun `a question of a tool is told of until it is answered`() {
        val call = PendingCall(ToolCall("1", "calculate", "{}"), mayBeSent = false)
        val asking = writing("a", "b").copy(calls = mapOf("b" to call))
        assertEquals(ReplyNotice.Asking("b"), next(asking))
        assertEquals(ReplyNotice.Writing(2), next(writing("a", "b")))
    }

    @Test
    fun `each change is told once`() = runTest {
        val states = flowOf(writing("a"), writing("a"), ended(FinishReason.END_OF_REPLY))
        val told = replyNotices(states, flowOf(false), flowOf(Settings())).toList()
        assertEquals(ReplyNotice.Done("a", true, null), told.last())
        assertEquals(told.distinct(), told)
    }

    @Test
    fun `each notice has words`() {
        val told = listOf(
            ReplyNotice.Writing(1), ReplyNotice.Writing(2), ReplyNotice.Asking("a"),
            ReplyNotice.Done("a", true, null), ReplyNotice.Done("a", false, null),
        )
        val words = listOf(
            "Writing a reply", "Writing 2 replies", "Asks to use a tool", "A reply is done",
            "A reply could not be finished",
        )
        assertEquals(words, told.map(NoticeWords::title))
        assertEquals("Downloading a.gguf", NoticeWords.downloading("a.gguf"))
    }
}
