package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList

class ToolsTest : Conformance() {
    /** A session of a model that calls `get_weather` in every reply. */
    private suspend fun <T> calling(use: suspend UhlmSession.() -> T): T {
        val template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
        return UhlmEngine.load(ModelOptions(facts.caller, chatTemplate = template)).use { caller ->
            caller.openSession(options = deviceOnly).use { it.use() }
        }
    }

    private val schema = """{"type": "object", "properties": {"city": {"type": "string"}}}"""

    private fun weather(run: suspend (String) -> String) = Tool("get_weather", "Tells the weather.", schema, run)

    private fun Toolbox.once() = GenerationOptions(tools = tools.copy(maxRounds = 1u))

    private fun List<GenerationEvent>.results() = filterIsInstance<GenerationEvent.ToolResult>().map { it.result }

    @Test
    fun a_call_of_a_tool_ends_the_reply_and_its_result_goes_on() = testing {
        val definition = ToolDefinition("get_weather", "Tells the weather.", schema)
        val manual = GenerationOptions(tools = Tools(listOf(definition)))
        calling {
            val events = generate("weather?", manual).toList()
            val call = events.filterIsInstance<GenerationEvent.ToolCall>().single().call
            assertEquals("get_weather" to """{"city": "Paris"}""", call.name to call.arguments)
            val end = events.last() as GenerationEvent.Finished
            assertEquals("I will look.\n" to FinishReason.TOOL_CALLS, end.text to end.finish)
            suspend fun refused(prompt: Prompt, options: GenerationOptions) = assertEquals(
                ErrorKind.InvalidOptions,
                assertFailsWith<UhlmException> { respond(prompt, options) }.kind,
            )
            refused(Prompt.ToolResults(listOf(ToolResult("another", call.name, "sunny"))), manual)
            val broken = GenerationOptions(tools = Tools(listOf(definition.copy(parameters = "{"))))
            refused(Prompt.Chat("again"), broken)
            val reply = respond(Prompt.ToolResults(listOf(ToolResult(call.id, call.name, "sunny"))), manual)
            assertEquals(listOf("get_weather"), reply.toolCalls.map { it.name })
            assertEquals(listOf(Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT), messages().map { it.role })
        }
    }

    @Test
    fun tools_are_run_and_one_that_fails_is_a_result() = testing {
        val asked = mutableListOf<String>()
        val box = Toolbox(
            weather { arguments ->
                asked += arguments
                if (asked.size == 2) error("a secret") else "sunny"
            },
        )
        calling {
            assertEquals(
                ErrorKind.InvalidOptions,
                assertFailsWith<UhlmException> { respond("weather?", box.once()) }.kind,
            )
            setToolRunner(box)
            val events = generate("weather?", box.once()).toList()
            assertEquals(listOf("""{"city": "Paris"}"""), asked)
            assertEquals(listOf("sunny" to false), events.results().map { it.content to it.isFailure })
            assertEquals(FinishReason.TOOL_CALLS, (events.last() as GenerationEvent.Finished).finish)
            assertEquals("sunny", messages()[2].content)
            reset()
            val failed = generate("weather?", box.once()).toList().results().single()
            assertEquals("Error: the tool failed" to true, failed.content to failed.isFailure)
        }
    }

    @Test
    fun a_reply_is_a_call_where_it_has_to_be_one() = testing {
        val properties = """"properties": {"city": {"const": "Rome"}}, "required": ["city"]"""
        val rome = """{"type": "object", $properties, "additionalProperties": false}"""
        val definition = ToolDefinition("get_weather", "Tells the weather.", rome)
        fun forced(choice: ToolChoice) = GenerationOptions(tools = Tools(listOf(definition), choice = choice))
        calling {
            for (choice in listOf(ToolChoice.Required, ToolChoice.Named("get_weather"))) {
                reset()
                val reply = respond("weather?", forced(choice))
                assertEquals(listOf("""{"city": "Rome"}"""), reply.toolCalls.map { it.arguments })
                assertEquals("" to FinishReason.TOOL_CALLS, reply.text to reply.finish)
            }
            reset()
            val none = assertFailsWith<UhlmException> { respond("again", forced(ToolChoice.Named("get_rich"))) }
            assertEquals(ErrorKind.InvalidOptions, none.kind)
        }
    }

    @Test
    fun a_call_that_is_not_allowed_is_not_run() = testing {
        val box = Toolbox(listOf(weather { error("it ran") }), ask = { call -> call.name != "get_weather" })
        calling {
            setToolRunner(box)
            val told = generate("weather?", box.once()).toList().results().single()
            assertTrue(told.isFailure)
            assertContains(told.content, "did not allow")
        }
    }
}
