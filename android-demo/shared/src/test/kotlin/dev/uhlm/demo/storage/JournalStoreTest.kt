package dev.uhlm.demo.storage

import dev.uhlm.Consent
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.SentKind
import java.io.File
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.junit.jupiter.api.io.TempDir

class JournalStoreTest {
    @TempDir
    lateinit var folder: File

    private fun journal(id: String) = File(folder, "$id.jsonl")

    private val sent = SentEntry(3, SentKind.ADVANCE, 8, 120, true, "a text")
    private val end = ReplyEnd(FinishReason.END_OF_REPLY, figures = Figures(2, 9.5, 0.25, 100, 50, 1, 0.05))

    private fun fill(store: JournalStore): String {
        val id = store.create("Title", 1).id
        store.append(id, Entry.Consented(Consent.CONVERSATION))
        store.append(id, Entry.SaidText(2, "Line one\nline \"two\" 漢字 🙂"))
        store.append(id, Entry.ReplyBegan(3, Mode.EXACT))
        store.append(id, Entry.Committed("It", Origin.VERIFIED))
        store.append(id, Entry.Committed(" is", Origin.VERIFIED))
        store.append(id, Entry.Committed(" so", Origin.TARGET))
        store.append(id, Entry.WasSent(sent))
        store.append(id, Entry.ReplyEnded(end))
        return id
    }

    @Test
    fun `what was added is there in another store`() {
        val id = fill(JournalStore(folder))
        val pieces = listOf(Piece("It is", Origin.VERIFIED), Piece(" so", Origin.TARGET))
        val turns = listOf(Said(2, "Line one\nline \"two\" 漢字 🙂"), Reply(3, Mode.EXACT, pieces, end))
        val expected = Conversation(id, 1, "Title", turns, Consent.CONVERSATION, listOf(sent))
        assertEquals(listOf(expected), JournalStore(folder).load())
    }

    @Test
    fun `a file cut off anywhere gives every whole line of it and takes more`() {
        val id = fill(JournalStore(folder))
        val bytes = journal(id).readBytes()
        val created = bytes.indexOf('\n'.code.toByte()) + 1
        for (length in created..bytes.size) {
            journal(id).writeBytes(bytes.copyOf(length))
            val lines = bytes.copyOf(length).count { it == '\n'.code.toByte() }
            val store = JournalStore(folder)
            val before = store.load().single()
            store.append(id, Entry.SaidText(9, "After"))
            val after = JournalStore(folder).load().single()
            assertEquals(before.after(Entry.SaidText(9, "After")), after)
            assertEquals(lines + 1, journal(id).readLines().size)
        }
    }

    @Test
    fun `a file of which not even the first line was written is left out`() {
        val store = JournalStore(folder)
        val id = fill(store)
        File(folder, "cut.jsonl").writeText("{\"type\":\"crea")
        File(folder, "empty.jsonl").writeText("")
        assertEquals(listOf(id), JournalStore(folder).load().map { it.id })
    }

    @Test
    fun `a line that a later version wrote is passed over`() {
        val id = fill(JournalStore(folder))
        val before = JournalStore(folder).load()
        journal(id).appendText("{\"type\":\"picture\",\"name\":\"x\"}\n")
        journal(id).appendText("{\"type\":\"titled\",\"title\":\"New\",\"color\":3}\n")
        assertEquals(before.map { it.copy(title = "New") }, JournalStore(folder).load())
    }

    @Test
    fun `words that an earlier version called resampled or bonus were written by the server`() {
        val lines = """
            {"type":"created","at":1,"title":"Old"}
            {"type":"said","at":2,"text":"Go"}
            {"type":"reply","at":3,"mode":"EXACT"}
            {"type":"text","text":"It","origin":"VERIFIED"}
            {"type":"text","text":" is","origin":"RESAMPLED"}
            {"type":"text","text":" so","origin":"BONUS"}
            {"type":"text","text":", now","origin":"DRAFT"}
            {"type":"text","text":" and then","origin":"OF_A_LATER_VERSION"}
            {"type":"sent","sent":{"at":2,"kind":"OPEN","tokens":0,"bytes":80,"answered":true}}
            {"type":"sent","sent":{"at":3,"kind":"WINDOW","tokens":8,"bytes":120,"answered":true,"text":"a text"}}
            {"type":"sent","sent":{"at":3,"kind":"DRAWS","tokens":1,"bytes":30,"answered":true}}
            {"type":"sent","sent":{"at":3,"kind":"CONTINUATION","tokens":8,"bytes":120,"answered":false}}
        """.trimIndent() + "\n"
        journal("old").writeText(lines)
        val conversation = JournalStore(folder).load().single()
        val pieces = listOf(
            Piece("It", Origin.VERIFIED),
            Piece(" is so", Origin.TARGET),
            Piece(", now", Origin.DRAFT),
            Piece(" and then", Origin.UNVERIFIED),
        )
        assertEquals(pieces, (conversation.turns.last() as Reply).pieces)
        val kinds = listOf(SentKind.OPEN, SentKind.ADVANCE, SentKind.ADVANCE, SentKind.ADVANCE)
        assertEquals(kinds, conversation.sent.map { it.kind })
        val sent = conversation.sent.map { it.tokens to it.bytes }
        assertEquals(listOf(0L to 80L, 8L to 120L, 1L to 30L, 8L to 120L), sent)
    }

    @Test
    fun `what is written now has the names of now`() {
        val id = fill(JournalStore(folder))
        val origin = Regex("\"origin\":\"([^\"]*)\"")
        val origins = origin.findAll(journal(id).readText()).map { it.groupValues[1] }.toList()
        assertEquals(listOf("VERIFIED", "VERIFIED", "TARGET"), origins)
        assertTrue("\"kind\":\"ADVANCE\"" in journal(id).readText())
    }

    @Test
    fun `a journal much longer than its conversation is shortened without changing it`() {
        val store = JournalStore(folder)
        val id = fill(store)
        store.append(id, Entry.ReplyBegan(5, Mode.DEVICE_ONLY))
        repeat(500) { store.append(id, Entry.Committed("word ", Origin.DRAFT)) }
        val long = journal(id).length()
        val conversation = JournalStore(folder).load().single()
        assertTrue(journal(id).length() < long / 4, "${journal(id).length()} of $long")
        assertEquals(conversation, JournalStore(folder).load().single())
        assertEquals(listOf("$id.jsonl"), folder.list()!!.toList())
    }

    @Test
    fun `calls of tools stay where they stand in a reply when its journal is shortened`() {
        val store = JournalStore(folder)
        val id = store.create("Title", 1).id
        store.append(id, Entry.ReplyBegan(5, Mode.DEVICE_ONLY))
        repeat(100) { store.append(id, Entry.Committed("word ", Origin.DRAFT)) }
        for (call in listOf("a", "b")) store.append(id, Entry.Called(call, "calculate", "{}"))
        store.append(id, Entry.CallAnswered("b", "2"))
        store.append(id, Entry.Miscalled("{", "no end"))
        store.append(id, Entry.CallAnswered("a", "no", AnswerKind.REFUSED))
        store.append(id, Entry.Called("c", "calculate", "{}"))
        store.append(id, Entry.Committed("word", Origin.DRAFT))
        store.append(id, Entry.Called("d", "calculate", "{}"))
        val long = journal(id).length()
        val conversation = JournalStore(folder).load().single()
        assertTrue(journal(id).length() < long / 2, "${journal(id).length()} of $long")
        assertEquals(conversation, JournalStore(folder).load().single())
        val reply = conversation.turns.single() as Reply
        val rounds = reply.asked.filterIsInstance<Call>().map { it.round to it.at }
        assertEquals(listOf(0 to 500, 0 to 500, 1 to 500, 2 to 504), rounds)
        assertEquals(listOf("c", "d"), reply.asked.filterIsInstance<Call>().filter { it.answer == null }.map { it.id })
        val parts = reply.parts().map { if (it is Part.Words) it.pieces.sumOf { piece -> piece.text.length } else null }
        assertEquals(listOf(500, null, 4, null), parts)
    }

    @Test
    fun `a reply that was not ended has no end`() {
        val store = JournalStore(folder)
        val id = store.create("Title", 1).id
        store.append(id, Entry.SaidText(2, "Go"))
        store.append(id, Entry.ReplyBegan(3, Mode.EXACT))
        store.append(id, Entry.Committed("Half", Origin.TARGET))
        val reply = JournalStore(folder).load().single().turns.last() as Reply
        assertEquals("Half" to null, reply.text to reply.end)
    }

    @Test
    fun `the one touched last comes first and a deleted one is gone`() {
        val store = JournalStore(folder)
        val old = store.create("Old", 1).id
        val new = store.create("New", 2).id
        assertEquals(listOf(new, old), store.load().map { it.id })
        store.append(old, Entry.SaidText(3, "Again"))
        assertEquals(listOf(old, new), store.load().map { it.id })
        store.delete(old)
        assertEquals(listOf(new), JournalStore(folder).load().map { it.id })
    }

    @Test
    fun `a folder that cannot be made is an error`() {
        val file = File(folder, "file").apply { writeText("x") }
        assertFailsWith<IOException> { JournalStore(File(file, "conversations")).create("Title", 1) }
    }
}
