package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Test

/** A reply has the form that was asked for. */
class StructuredTest : Conformance() {
    private val schema = Grammar.JsonSchema(
        """{"type": "object", "required": ["color", "share"], "additionalProperties": false, "properties":
            {"color": {"enum": ["red", "gr\u00fcn"]}, "share": {"type": "integer", "minimum": 0, "maximum": 99}}}""",
    )

    @Test
    fun a_reply_has_the_form_that_was_asked_for() = testing {
        for (mode in listOf(Mode.EXACT, Mode.REMOTE_ONLY, Mode.DEVICE_ONLY)) {
            engine.openSession(server, drawing.copy(mode = mode)).use { session ->
                val reply = session.respond("Which?", GenerationOptions(maxTokens = 120u, grammar = schema))
                val value = Json.parseToJsonElement(reply.text).jsonObject
                assertTrue(value.getValue("color").jsonPrimitive.content in listOf("red", "gr\u00fcn"), reply.text)
                assertTrue(value.getValue("share").jsonPrimitive.int in 0..99, reply.text)
                assertEquals(true, reply.statistics.grammarComplete)
                val choices = Grammar.Choices(listOf("yes", "no"))
                val choice = session.respond("Well?", GenerationOptions(maxTokens = 20u, grammar = choices)).text
                assertTrue(choice in listOf("yes", "no"), choice)
                // A limit cuts it: the error has the text so far.
                val cut = assertFailsWith<IncompleteReplyException> {
                    session.respond("Which?", GenerationOptions(maxTokens = 2u, grammar = schema))
                }
                assertEquals(FinishReason.MAX_TOKENS, cut.finish)
                assertTrue(cut.text.startsWith("{"), cut.text)
                val bad = assertFailsWith<UhlmException.Failed> {
                    session.respond("Well?", GenerationOptions(grammar = Grammar.Regex("(")))
                }
                assertEquals(ErrorKind.InvalidOptions to Recovery.FIX_OPTIONS, bad.kind to bad.recovery)
            }
        }
    }

    @Test
    fun a_reply_comes_as_a_value() = testing {
        engine.openSession(server, drawing).use { session ->
            val number = session.respondAs<Int>("How many?", GenerationOptions(maxTokens = 60u))
            assertTrue(number in Int.MIN_VALUE..Int.MAX_VALUE)
            assertFailsWith<IncompleteReplyException> {
                val list = ListSerializer(String.serializer())
                session.respondAs(Prompt.Chat("Count."), list, GenerationOptions(maxTokens = 1u))
            }
        }
    }
}
