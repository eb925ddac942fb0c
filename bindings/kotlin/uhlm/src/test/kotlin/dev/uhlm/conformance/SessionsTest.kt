package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.collect
import org.junit.jupiter.api.Test

/** Several sessions at once, and sessions that are closed. */
class SessionsTest : Conformance() {
    @Test
    fun two_sessions_generate_at_once() = testing {
        val questions = facts.questions.take(8)
        val alone = questions.map { fresh { respond(it, short) }.text }
        val together = questions.map { question ->
            async(Dispatchers.Default) { fresh { respond(question, short) }.text }
        }
        assertEquals(alone, together.map { it.await() })
        assertNotEquals(alone[0], alone[1])

        // Interleaved: the second one runs from begin to end while the first one is held in the middle.
        engine.openSession(server, exact).use { held ->
            var inner = ""
            val text = StringBuilder()
            held.generateText(questions[0], short).collect {
                if (inner.isEmpty()) inner = fresh { respond(questions[1], short) }.text
                text.append(it)
            }
            assertEquals(alone.take(2), listOf(text.toString(), inner))
        }
    }

    @Test
    fun use_after_close_is_an_error() = testing {
        val session = engine.openSession(server, exact)
        val updates = session.statusUpdates()
        assertEquals(session.status(), updates.next())
        session.shutDown()
        session.shutDown()
        assertEquals(null, updates.next())
        assertFailsAs(ErrorKind.SessionClosed) { session.start(Prompt.Chat("?")) }
        assertFailsAs(ErrorKind.SessionClosed) { session.generate("?").collect() }
        assertFailsAs(ErrorKind.SessionClosed) { session.generateText("?").collect() }
        assertFailsAs(ErrorKind.SessionClosed) { session.respond("?") }
        assertFailsAs(ErrorKind.SessionClosed) { session.messages() }
        assertFailsAs(ErrorKind.SessionClosed) { session.setMessages(emptyList()) }
        assertFailsAs(ErrorKind.SessionClosed) { session.reset() }
        assertFailsAs(ErrorKind.SessionClosed) { session.status() }
        assertFailsAs(ErrorKind.SessionClosed) { session.statusFlow().collect() }
        assertFailsAs(ErrorKind.SessionClosed) { session.saveCalibration("unused") }
        assertFailsAs(ErrorKind.SessionClosed) { session.statusUpdates() }
        session.close()
        session.close()
    }
}
