package dev.uhlm.demo.tools

import dev.uhlm.demo.storage.Answer
import dev.uhlm.demo.storage.AnswerKind
import dev.uhlm.demo.storage.Call
import dev.uhlm.demo.storage.Miscall
import kotlin.test.Test
import kotlin.test.assertEquals

class CallWordsTest {
    private fun call(name: String, arguments: String, content: String, kind: AnswerKind = AnswerKind.GIVEN) =
        Call(0, 0, "c", name, arguments, Answer(content, kind))

    @Test
    fun `each call has a line that says what was asked and what came of it`() {
        val lines = mapOf(
            call(CALCULATOR, """{"expression": "12.5 * 8"}""", "100") to "Asked the calculator: 12.5 * 8 = 100",
            call(CONVERTER, """{"value": 5, "from": "mi", "to": "km"}""", "8.04672 km") to
                "Converted: 5 mi = 8.04672 km",
            call(CLOCK, "{}", "Sunday") to "Looked at the clock: Sunday",
            call("get_weather", "{}", "rain\n  and wind") to "Asked the tool “get_weather”: rain and wind",
            call(CALCULATOR, "{}", "Error: 'expression' is missing", AnswerKind.FAILED) to
                "The calculator has no answer: 'expression' is missing",
            call(CLOCK, "{}", "Error: no", AnswerKind.REFUSED) to "The clock was not allowed.",
            Miscall(0, "{", "cut off") to
                "The model asked for a tool in a way that cannot be read. Nothing was done.",
        )
        for ((asked, line) in lines) assertEquals(line, asked.line())
        val open = Call(0, 0, "c", CALCULATOR, "{}")
        assertEquals("The calculator is asked…", open.line(isOver = false))
        assertEquals("The calculator was not asked any more.", open.line())
    }

    @Test
    fun `arguments are shown a line each and what is no object as it is`() {
        assertEquals("value: 5\nfrom: mi\nwith: [1,2]", values("""{"value": 5, "from": "mi", "with": [1, 2]}"""))
        assertEquals("12 * 8", values("12 * 8"))
        assertEquals("", values("{}"))
    }

    @Test
    fun `a span of code holds every line`() {
        assertEquals("`a * b`", codeSpan("a * b"))
        assertEquals("```a `b`` c```", codeSpan("a `b`` c"))
        assertEquals("`` `a` ``", codeSpan("`a`"))
    }
}
