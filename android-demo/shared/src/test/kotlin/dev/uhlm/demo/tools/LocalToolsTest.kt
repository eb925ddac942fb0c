package dev.uhlm.demo.tools

import dev.uhlm.ToolException
import java.util.TimeZone
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.test.runTest
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject

class LocalToolsTest {
    private fun refuses(reason: String, call: () -> String) =
        assertContains(assertFailsWith<CannotCalculate> { call() }.message, reason)

    @Test
    fun `decimals are exact and operators bind as they do at school`() {
        val results = mapOf(
            "12.5 * 8" to "100",
            "0.1 + 0.2" to "0.3",
            "1 + 2 * 3" to "7",
            "(1 + 2) * 3" to "9",
            "2 - 3 - 4" to "-5",
            "100 / 10 / 5" to "2",
            "1 / 3 * 3" to "1",
            "-2 ^ 2" to "-4",
            "(-2) ^ 2" to "4",
            "2 ^ 3 ^ 2" to "512",
            "2 ** -2" to "0.25",
            "2 * -3" to "-6",
            "200 * 15%" to "30",
            "5 % - 1" to "-0.95",
            "3 × 4 ÷ 2 − 1" to "5",
            "1.5e3 + .5" to "1500.5",
            "0 * 17" to "0",
            "123456789012345678901234567890 + 1" to "123456789012345678901234567891",
            "2 ^ 64" to "18446744073709551616",
        )
        for ((expression, result) in results) assertEquals(result, calculate(expression), expression)
    }

    @Test
    fun `a result without an end is rounded and says so`() {
        assertEquals("0.33333333333333333333 (rounded)", calculate("1 / 3"))
        assertEquals("0.66666666666666666667 (rounded)", calculate("2 / 3"))
        assertEquals("1.0715086071862673209E+301 (rounded)", calculate("2 ^ 1000"))
        assertEquals("1E-40", calculate("10 ^ -40"))
    }

    @Test
    fun `what is no expression is refused with a reason`() {
        for (text in listOf("", " ", "*", "1 +", "(1", "1)", "2 3", "7 % 3", "1,000 + 1", "x", "1..2", "2(3)", "1e")) {
            assertFailsWith<CannotCalculate>(text) { calculate(text) }
        }
        refuses("division by zero") { calculate("1 / (2 - 2)") }
        refuses("division by zero") { calculate("0 ^ -1") }
        refuses("a number was expected at 'x'") { calculate("2 * x") }
        refuses("a ')' was expected at the end") { calculate("(1 + 2") }
        refuses("'.' before their decimals") { calculate("1,000") }
        refuses("whole number") { calculate("2 ^ 0.5") }
    }

    @Test
    fun `an expression that would take long is refused at once`() {
        refuses("too large") { calculate("9 ^ 9 ^ 9") }
        refuses("too large") { calculate("10 ^ 99999999999999999999") }
        refuses("too large") { calculate("1e9999") }
        refuses("too deeply") { calculate("(".repeat(400) + "1" + ")".repeat(400)) }
        refuses("too deeply") { calculate("-".repeat(900) + "1") }
        refuses("too long") { calculate("1+".repeat(600) + "1") }
        assertEquals("2", calculate("(".repeat(30) + "2" + ")".repeat(30)))
    }

    @Test
    fun `lengths masses and temperatures are converted in both directions`() {
        val results = mapOf(
            Triple("5", "mi", "km") to "8.04672 km",
            Triple("8.04672", "km", "mi") to "5 mi",
            Triple("6", "feet", "cm") to "182.88 cm",
            Triple("1", "inch", "mm") to "25.4 mm",
            Triple("1", "nautical mile", "m") to "1852 m",
            Triple("1", "yard", "feet") to "3 ft",
            Triple("10", "Pounds", "kg") to "4.5359237 kg",
            Triple("1", "stone", "lbs") to "14 lb",
            Triple("1", "t", "mg") to "1000000000 mg",
            Triple("1", "kg", "oz") to "35.27396195 oz",
            Triple("100", "°C", "°F") to "212 °F",
            Triple("-40", "fahrenheit", "degrees celsius") to "-40 °C",
            Triple("0", "K", "C") to "-273.15 °C",
            Triple("1", "km", "mi") to "0.6213711922 mi",
        )
        for ((asked, result) in results) assertEquals(result, convert(asked.first, asked.second, asked.third), "$asked")
    }

    @Test
    fun `what cannot be converted is refused with a reason`() {
        refuses("km is a length and kg is a mass") { convert("1", "km", "kg") }
        refuses("'parsec' is no unit that is known; these are: mm, ") { convert("1", "parsec", "km") }
        refuses("'ms' is no unit") { convert("1", "ms", "m") }
        refuses("'five' is no number") { convert("five", "km", "mi") }
        refuses("absolute zero") { convert("-1", "K", "°C") }
        refuses("too large") { convert("1e2000000000", "km", "mi") }
    }

    @Test
    fun `the clock tells day and time in the zone that is asked for`() {
        val before = TimeZone.getDefault()
        try {
            TimeZone.setDefault(TimeZone.getTimeZone("Europe/Berlin"))
            val at = 1_795_953_900_000
            assertEquals("Sunday, 29 November 2026, 13:05 (Europe/Berlin, UTC+01:00)", dayAndTime(at, null))
            val newYork = "Sunday, 29 November 2026, 07:05 (America/New_York, UTC-05:00)"
            assertEquals(newYork, dayAndTime(at, "america/new_york"))
            refuses("'Mars/Olympus' is no time zone") { dayAndTime(at, "Mars/Olympus") }
        } finally {
            TimeZone.setDefault(before)
        }
    }

    @Test
    fun `a model that writes arguments in another way is told what is wrong`() = runTest {
        val tools = localTools { 0 }.associateBy { it.definition.name }
        suspend fun says(name: String, arguments: String) = try {
            tools.getValue(name).run(arguments)
        } catch (failure: ToolException.Failed) {
            "failed: ${failure.reason}"
        }
        assertEquals("100", says(CALCULATOR, """{"expression": "12.5 * 8", "extra": []}"""))
        assertEquals("5", says(CALCULATOR, """{"expression": 5}"""))
        assertEquals("failed: 'expression' is missing", says(CALCULATOR, """{"expression": ["1"]}"""))
        assertEquals("failed: 'expression' is missing", says(CALCULATOR, "{}"))
        assertEquals("failed: the arguments are no JSON object", says(CALCULATOR, "12 * 8"))
        assertEquals("8.04672 km", says(CONVERTER, """{"value": 5, "from": "mi", "to": "km"}"""))
        assertEquals("8.04672 km", says(CONVERTER, """{"value": " 5 ", "from": "miles", "to": "km"}"""))
        assertContains(says(CLOCK, """{"zone": "UTC"}"""), "Thursday, 1 January 1970, 00:00 (UTC")
        assertTrue(says(CLOCK, """{"zone": ""}""").startsWith("Thursday"))
        for (tool in tools.values) Json.parseToJsonElement(tool.definition.parameters).jsonObject
    }
}
