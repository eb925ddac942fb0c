package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.io.path.createTempDirectory
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** Sessions that are saved and restored, and what is read ahead of a message. */
class KeepingTest : Conformance() {
    private val alone = drawing.copy(mode = Mode.DEVICE_ONLY)

    @Test
    fun a_saved_session_goes_on_where_it_stood() = testing {
        val folder = createTempDirectory("uhlm-sessions").toFile()
        val file = folder.resolve("chat.uhlm")
        suspend fun assertFault(fault: SavedSessionFault) =
            assertFailsAs(ErrorKind.SavedSession(fault)) { engine.restoreSession(file.path, options = alone) }
        engine.openSession(options = alone).use { session ->
            assertFault(SavedSessionFault.MISSING)
            session.respond(facts.questions[0], short)
            session.save(file.path)
            val restored = engine.restoreSession(file.path, options = alone).use { restored ->
                assertEquals(session.messages(), restored.messages())
                restored.respond(facts.questions[1], short).text
            }
            assertEquals(session.respond(facts.questions[1], short).text, restored)
            val bytes = file.readBytes()
            bytes[bytes.size / 2] = (bytes[bytes.size / 2].toInt() xor 1).toByte()
            file.writeBytes(bytes)
            assertFault(SavedSessionFault.DAMAGED)
            session.shutDown()
            assertFailsAs(ErrorKind.SessionClosed) { session.save(file.path) }
        }
        folder.deleteRecursively()
    }

    @Test
    fun what_is_known_is_read_ahead_of_a_message() = testing {
        val options = exact.copy(instructions = "Answer in one short sentence. ".repeat(8))
        val cold = engine.openSession(server, options).use { it.respond(facts.questions[0], short).text }
        engine.openSession(server, options).use { session ->
            val tokens = session.prewarm("Please")
            assertTrue(tokens > 30u, "$tokens")
            val reply = session.respond(facts.questions[0], short)
            assertEquals(cold, reply.text)
            assertTrue(reply.statistics.reusedTokens > 30uL, "${reply.statistics.reusedTokens} of $tokens")
            session.shutDown()
            assertFailsAs(ErrorKind.SessionClosed) { session.prewarm() }
        }
    }
}
