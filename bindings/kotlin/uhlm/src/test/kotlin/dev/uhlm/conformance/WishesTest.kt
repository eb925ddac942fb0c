package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Test

/** What a message may ask for itself, and what becomes of long texts. */
class WishesTest : Conformance() {
    private val question = facts.questions[0]

    @Test
    fun a_reply_has_a_sampling_of_its_own() = testing {
        val space = engine.tokenize(" ")[0]
        val wide = SamplingParams(temperature = 1f, topNSigma = 1f, logitBias = listOf(LogitBias(space, 100f)))
        val plain = short.copy(seed = 3uL)
        val texts = listOf(Mode.EXACT, Mode.REMOTE_ONLY).map { mode ->
            UhlmVerifier(facts.steady).use { steady ->
                engine.openSession(steady, drawing.copy(mode = mode)).use { session ->
                    listOf(plain, plain.copy(sampling = wide), plain).map { options ->
                        session.respond(question, options).text.also { session.reset() }
                    }
                }
            }
        }
        assertEquals(texts[0][1], texts[1][1], "both sides draw by the same chain")
        for ((before, own, after) in texts) {
            assertNotEquals(before, own)
            assertEquals(before, after)
        }
        engine.openSession(options = deviceOnly).use { session ->
            val wrong = short.copy(sampling = SamplingParams(logitBias = listOf(LogitBias(space, 101f))))
            assertFailsAs(ErrorKind.InvalidOptions) { session.respond(question, wrong) }
        }
        assertNull(engine.recommendedSampling())
    }

    @Test
    fun instructions_can_be_changed() = testing {
        engine.openSession(options = deviceOnly.copy(instructions = "Be brief.")).use { session ->
            fun instructions() = session.messages().filter { it.role == Role.SYSTEM }.map { it.content }
            session.respond(question, short)
            assertEquals(listOf("Be brief."), instructions())
            session.setInstructions("Be exact.")
            assertEquals(listOf("Be exact."), instructions())
            session.reset()
            assertEquals(listOf("Be exact."), instructions())
            session.setInstructions(null)
            assertEquals(emptyList(), instructions())
        }
    }

    @Test
    fun the_most_probable_tokens_are_told() = testing {
        engine.openSession(options = deviceOnly).use { session ->
            val events = session.generate(question, short.copy(topTokens = 5u)).toList()
            val tokens = events.filterIsInstance<GenerationEvent.Committed>().map { it.token }
            for (token in tokens) {
                assertEquals(5, token.top.size)
                assertEquals(token.id, token.top[0].id, "the most probable one is written")
                val logarithms = token.top.map { it.logProbability }
                assertEquals(logarithms.sortedDescending(), logarithms)
            }
            assertTrue(tokens.size > 3)
        }
    }

    @Test
    fun a_mode_that_needs_a_verifier_is_refused_without_one() = testing {
        for (mode in listOf(Mode.EXACT, Mode.OPPORTUNISTIC, Mode.REMOTE_ONLY)) {
            val options = deviceOnly.copy(mode = mode)
            assertFailsAs(ErrorKind.InvalidOptions, "$mode") { engine.openSession(options = options) }
        }
        engine.openSession(options = deviceOnly.copy(mode = null)).use { session ->
            val statistics = session.respond(question, short).statistics
            assertEquals(statistics.tokens, statistics.origins.draft)
        }
    }

    @Test
    fun raw_text_leaves_the_conversation_as_it_was() = testing {
        suspend fun talk(between: suspend UhlmSession.() -> Unit) = engine.openSession(options = deviceOnly).use {
            it.respond(question, short)
            it.between()
            it.respond(facts.questions[1], short).text to it.messages()
        }
        assertEquals(talk {}, talk { respond(Prompt.Raw("Once upon a time"), short) })
    }

    @Test
    fun a_long_text_is_summarised_in_pieces() = testing {
        val text = "The train leaves at nine. It is late. ".repeat(30)
        val options = SummaryOptions(pieceTokens = 128u, summaryTokens = 16u)
        engine.openSession(options = deviceOnly).use { session ->
            val steps = session.summarise(text, options).use { summary ->
                buildList { while (true) add(summary.next() ?: break) }
            }
            assertTrue(steps.size > 4, "$steps")
            assertNotNull(steps.last().text)
            assertTrue(steps.dropLast(1).all { it.text == null })
            assertEquals(emptyList(), session.messages())
            session.summarise(text, options).use { summary ->
                summary.next()
                summary.cancel()
                assertFailsAs(ErrorKind.Cancelled) { summary.next() }
            }
        }
    }

    @Test
    fun a_conversation_that_is_too_long_is_summarised() = testing {
        val options = deviceOnly.copy(context = 512u, overflow = Overflow.Summarise(reserve = 32u))
        engine.openSession(options = options).use { session ->
            val few = GenerationOptions(maxTokens = 32u)
            val dropped = List(24) { session.respond(question, few).statistics.droppedMessages }
            assertTrue(dropped.any { it > 0u }, "$dropped")
            assertEquals(48, session.messages().size)
            assertTrue(session.totals().generations > 24uL)
        }
    }
}
