package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Test

/** What arrives, and in which order. */
class EventsTest : Conformance() {
    @Test
    fun the_first_event_comes_before_the_end() = testing {
        heavyEngine.openSession(options = oneThread).use { session ->
            val stillGenerating = session.generate(Prompt.Raw("go"), GenerationOptions(maxTokens = 400u))
                .map { session.status().generating }
                .first()
            assertTrue(stillGenerating)
        }
    }

    @Test
    fun events_come_in_their_order() = testing {
        val allowed = mapOf(
            Mode.EXACT to setOf(Origin.VERIFIED, Origin.TARGET),
            Mode.OPPORTUNISTIC to setOf(Origin.DRAFT, Origin.VERIFIED, Origin.TARGET),
            Mode.DEVICE_ONLY to setOf(Origin.DRAFT),
            Mode.REMOTE_ONLY to setOf(Origin.TARGET),
        )
        for ((mode, origins) in allowed) {
            for (question in facts.questions.take(6)) {
                engine.openSession(server, options(mode)).use { session ->
                    val events = session.generate(question, short).toList()
                    assertOrdered(events)
                    assertTrue(origins.containsAll(events.origins()), "$mode: ${events.origins()}")
                }
            }
        }
    }

    @Test
    fun the_text_is_the_sum_of_the_commits() = testing {
        for (question in facts.questions.take(6)) {
            val events = fresh { generate(question, short).toList() }
            val whole = assertIs<GenerationEvent.Finished>(events.last()).text
            assertTrue(whole.isNotEmpty())
            assertEquals(whole, events.committedText())
            assertEquals(whole, fresh { generateText(question, short).toList() }.joinToString(""))
            assertEquals(whole, fresh { respond(question, short) }.text)
        }
    }

    @Test
    fun a_rollback_never_reaches_the_text_stream() = testing {
        var rollbacks = 0
        for (question in facts.questions) {
            val recording = RecordingSession(engine.openSession(server, drawing))
            val pieces = recording.generateText(question, short).toList()
            recording.shutDown()
            val events = recording.generations.single().events
            rollbacks += events.count { it is GenerationEvent.Rollback }
            assertOrdered(events)
            assertTrue(pieces.none { it.isEmpty() })
            assertEquals(events.committedText(), pieces.joinToString(""))
            assertEquals(assertIs<GenerationEvent.Finished>(events.last()).text, pieces.joinToString(""))
        }
        assertTrue(rollbacks > 0)
    }

    @Test
    fun split_characters_arrive_whole() = testing {
        UhlmEngine.load(ModelOptions(facts.parrot)).use { parrot ->
            suspend fun <T> parroting(use: suspend UhlmSession.() -> T) =
                parrot.openSession(options = deviceOnly).use { it.use() }
            val events = parroting { generate(Prompt.Raw("go"), short).toList() }
            val finished = assertIs<GenerationEvent.Finished>(events.last())
            assertEquals(facts.parrotText, finished.text)
            assertEquals(FinishReason.END_OF_REPLY, finished.finish)
            assertEquals(facts.parrotText, events.committedText())
            val tokens = events.filterIsInstance<GenerationEvent.Committed>().map { it.token.text }
            assertTrue(tokens.any { it.isEmpty() }, "no token ends inside a character")
            val pieces = parroting { generateText(Prompt.Raw("go"), short).toList() }
            assertEquals(facts.parrotText, pieces.joinToString(""))
            for (piece in tokens + pieces) assertWhole(piece)
        }
    }
}
