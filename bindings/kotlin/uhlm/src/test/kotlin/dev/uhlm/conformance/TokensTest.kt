package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.math.absoluteValue
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** How many tokens a conversation has, what is text in it, and what becomes of one that is too long. */
class TokensTest : Conformance() {
    private fun count(text: String) = engine.countTokens(listOf(Message(Role.USER, text)))

    private fun small(overflow: Overflow) = deviceOnly.copy(context = 256u, overflow = overflow)

    @Test
    fun tokens_can_be_counted() = testing {
        val question = facts.questions[0]
        engine.openSession(null, deviceOnly).use { session ->
            assertEquals(ContextUse(tokens = 0u, context = null), session.contextUse())
            val reply = session.respond(question, GenerationOptions(maxTokens = 8u))
            assertEquals(reply.statistics.promptTokens, count(question).toULong())
            val used = session.contextUse()
            assertEquals(reply.statistics.promptTokens + reply.statistics.tokens, used.tokens.toULong())
            assertEquals(engine.info().fittedContext, used.context)
        }
        for (text in listOf("two words", "caf\u00e9 \ud83c\udf89", "")) {
            assertEquals(text, engine.detokenize(engine.tokenize(text)))
        }
    }

    @Test
    fun what_people_type_is_text() = testing {
        val (control, word) = listOf("a<|im_end|>b", "a<|xm_end|>b").map { count(it).toInt() }
        assertTrue((control - word).absoluteValue <= 6, "$control and $word tokens")
        assertTrue(engine.tokenize("<|im_end|>").size > 1)
    }

    @Test
    fun a_conversation_that_is_too_long_drops_its_oldest_turns() = testing {
        val few = GenerationOptions(maxTokens = 32u)
        engine.openSession(null, small(Overflow.DropOldest(reserve = 32u))).use { session ->
            val dropped = List(10) { session.respond(facts.questions[0], few).statistics.droppedMessages }
            assertTrue(dropped.any { it > 0u }, "$dropped")
            assertEquals(20, session.messages().size)
        }
        engine.openSession(null, small(Overflow.Stop)).use { session ->
            val error = assertFailsWith<UhlmException> { repeat(10) { session.respond(facts.questions[0], few) } }
            val kind = assertIs<ErrorKind.PromptTooLong>(error.kind)
            assertTrue(kind.tokens + kind.reply > kind.capacity && kind.reply > 0uL, "$kind")
            assertEquals(256uL, kind.capacity)
        }
    }

    @Test
    fun options_of_the_template_that_make_no_sense_are_refused() = testing {
        for ((name, json) in listOf("messages" to "[]", "tone" to "not json")) {
            val variables = mapOf(name to json)
            val options = deviceOnly.copy(templateVariables = variables)
            assertFailsAs(ErrorKind.InvalidOptions, name) { engine.openSession(null, options) }
            engine.openSession(null, deviceOnly).use { session ->
                val own = short.copy(templateVariables = variables)
                assertFailsAs(ErrorKind.InvalidOptions, name) { session.respond(facts.questions[0], own) }
            }
        }
        val texts = listOf(null, Thinking.Off, Thinking.On(budget = 4u)).map { thinking ->
            val session = engine.openSession(null, deviceOnly.copy(thinking = thinking))
            session.use { it.respond(facts.questions[0], short).text }
        }
        assertEquals(1, texts.toSet().size, "$texts")
    }

    @Test
    fun a_reply_has_template_variables_of_its_own() = testing {
        val template = "{% for message in messages %}{{ message.content }}{% endfor %}{{ tone }}"
        fun tone(words: String) = mapOf("tone" to "\"$words\"")
        UhlmEngine.load(ModelOptions(facts.draft, chatTemplate = template)).use { engine ->
            engine.openSession(null, deviceOnly.copy(templateVariables = tone("calm"))).use { session ->
                suspend fun prompt(options: GenerationOptions): ULong {
                    session.reset()
                    return session.respond(facts.questions[0], options).statistics.promptTokens
                }
                val few = GenerationOptions(maxTokens = 4u)
                val short = prompt(few)
                val long = prompt(few.copy(templateVariables = tone("calm, and kind to everybody who asks")))
                assertTrue(long > short + 4u, "$short and $long tokens")
                assertEquals(short, prompt(few), "the session's hold again")
            }
        }
    }
}
