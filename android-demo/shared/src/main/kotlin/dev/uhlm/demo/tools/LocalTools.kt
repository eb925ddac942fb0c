package dev.uhlm.demo.tools

import dev.uhlm.Tool
import dev.uhlm.ToolException
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull

/** The names by which a model calls the app's tools. The iOS app has the same, with the same arguments. */
internal const val CLOCK = "current_time"
internal const val CALCULATOR = "calculate"
internal const val CONVERTER = "convert_units"

/** The tools of this device. None changes anything, and none leaves the device. */
internal fun localTools(now: () -> Long): List<Tool> = listOf(
    tool(CLOCK, "Tells the current date, day of the week and time.", CLOCK_SCHEMA) {
        dayAndTime(now(), it.text("zone"))
    },
    tool(CALCULATOR, "Calculates an arithmetic expression exactly.", CALCULATOR_SCHEMA) {
        calculate(it.needed("expression"))
    },
    tool(CONVERTER, "Converts lengths, masses and temperatures between units.", converterSchema) {
        convert(it.needed("value"), it.needed("from"), it.needed("to"))
    },
)

private const val CLOCK_SCHEMA =
    """{"type": "object", "properties": {"zone": {"type": "string", "description":
 "IANA time zone, such as Europe/Berlin; left out: the person's own"}}}"""

private const val CALCULATOR_SCHEMA =
    """{"type": "object", "properties": {"expression": {"type": "string", "description":
 "numbers, + - * / ^ % and parentheses, such as (12.5 + 3) * 8; % divides by 100"}}, "required": ["expression"]}"""

private val converterSchema: String
    get() {
        val symbols = unitSymbols.joinToString { "\"$it\"" }
        return """{"type": "object", "properties": {"value": {"type": "number"}, "from": {"enum": [$symbols]}, """ +
            """"to": {"enum": [$symbols]}}, "required": ["value", "from", "to"]}"""
    }

private fun tool(name: String, description: String, schema: String, run: (JsonObject) -> String) =
    Tool(name, description, schema) { arguments ->
        try {
            run(argumentsOf(arguments) ?: throw CannotCalculate("the arguments are no JSON object"))
        } catch (failure: CannotCalculate) {
            throw ToolException.Failed(failure.message)
        }
    }

/** The arguments of a call as the model wrote them; none where that is no JSON object. */
internal fun argumentsOf(text: String): JsonObject? = try {
    Json.parseToJsonElement(text) as? JsonObject
} catch (_: SerializationException) {
    null
}

/** A value as text, whether the model wrote a number or a text; none where it is neither, or empty. */
internal fun JsonObject.text(name: String): String? =
    (get(name) as? JsonPrimitive)?.contentOrNull?.takeIf(String::isNotBlank)

private fun JsonObject.needed(name: String) = text(name) ?: throw CannotCalculate("'$name' is missing")
