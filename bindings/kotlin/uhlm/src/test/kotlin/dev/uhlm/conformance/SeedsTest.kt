package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Test

/**
 * A seed brings its text again, whatever the device does meanwhile. The verifier computes one row of a pass at a time:
 * two runs with one seed are then equal to the bit, and no chance is left in this test.
 */
class SeedsTest : Conformance() {
    private val steady = UhlmVerifier(facts.steady)

    /** The target is sure of little after these: each seed writes a text of its own. Answers hardly depend on it. */
    private val beginnings = listOf("Once upon a time", "The answer is", "The step is", "Hello").map { Prompt.Raw(it) }
    private val prompts = beginnings + facts.questions.take(2).map { Prompt.Chat(it) }

    private fun seeded(seed: ULong) = short.copy(seed = seed)

    /** What the large model writes alone. */
    private val alone = drawing.copy(mode = Mode.REMOTE_ONLY)

    private suspend fun replies(options: SessionOptions, seed: ULong): List<GenerationResult> = prompts.map { prompt ->
        engine.openSession(steady, options).use { it.respond(prompt, seeded(seed)) }
    }

    private suspend fun texts(options: SessionOptions, seed: ULong) = replies(options, seed).map { it.text }

    @Test
    fun the_same_seed_brings_the_same_text() = testing {
        val exact = replies(drawing, SEED)
        val expected = exact.map { it.text }
        assertTrue(exact.any { it.statistics.rollbacks > 0u }, "the models agree on everything: this shows little")
        assertEquals(expected, texts(alone, SEED))
        val windows = mapOf(1u to DraftAhead.Off, 3u to DraftAhead.WhileWaiting, 9u to DraftAhead.Pipelined(4u))
        for ((tokens, ahead) in windows) {
            // The seed of a reply comes before the session's.
            val options = drawing.copy(close = CloseRule.Fixed(tokens), draftAhead = ahead, seed = tokens.toULong())
            assertEquals(expected, texts(options, SEED), "windows of $tokens")
        }
        val others = texts(drawing, SEED + 1u)
        for (index in beginnings.indices) assertNotEquals(expected[index], others[index])

        // In one session, with a generation before each reply that is cancelled at its first event.
        for (options in listOf(drawing, alone)) {
            engine.openSession(steady, options).use { session ->
                for ((prompt, text) in prompts zip expected) {
                    session.generate(prompt, seeded(SEED + 2u)).first()
                    session.reset()
                    assertEquals(text, session.respond(prompt, seeded(SEED)).text, "${options.mode}")
                    session.reset()
                }
            }
        }
    }

    @Test
    fun every_pace_writes_the_same_text() = testing {
        val expected = texts(alone, SEED)
        for (pace in Pace.entries) {
            val written = engine.openSession(steady, drawing.copy(pace = pace)).use { session ->
                prompts.map { prompt -> session.respond(prompt, seeded(SEED)).also { session.reset() } }
            }
            assertEquals(expected, written.map { it.text }, "$pace")
            val passes = written.sumOf { it.statistics.targetPasses }
            val tokens = written.sumOf { it.statistics.tokens }
            if (pace == Pace.THRIFTY) assertTrue(passes < tokens, "$passes passes for $tokens tokens")
        }
        assertEquals(expected, texts(drawing.copy(maxPassesPerToken = 0.2), SEED), "under a budget")
        for (nonsense in listOf(0.0, -1.0, Double.NaN)) {
            val options = drawing.copy(maxPassesPerToken = nonsense)
            assertFailsAs(ErrorKind.InvalidOptions) { engine.openSession(null, options) }
        }
    }

    private companion object {
        const val SEED = 42uL
    }
}
