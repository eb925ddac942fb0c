package dev.uhlm.demo.tools

import dev.uhlm.demo.storage.AnswerKind
import dev.uhlm.demo.storage.Asked
import dev.uhlm.demo.storage.Call
import dev.uhlm.demo.storage.Miscall
import dev.uhlm.demo.words.say
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull

/**
 * Returns what a call came to in one line: "Asked the calculator: 12.5 * 8 = 100". The iOS app has the same words.
 *
 * @param isOver whether the reply has ended: a call without an answer then gets none.
 */
internal fun Asked.line(isOver: Boolean = true): String = when (this) {
    is Miscall -> say("tools.malformed")
    is Call -> when (answer?.kind) {
        null -> if (isOver) say("tools.unanswered", title(name)) else say("tools.asked", title(name))
        AnswerKind.GIVEN -> answered(answer.content)
        AnswerKind.FAILED -> say("tools.failed", title(name), answer.content.removePrefix("Error: "))
        AnswerKind.REFUSED -> say("tools.refused", title(name))
    }
}.replace(lineBreaks, " ")

private fun Call.answered(content: String): String {
    val values = argumentsOf(arguments)
    val value = { key: String -> values?.text(key).orEmpty().trim() }
    return when (name) {
        CALCULATOR -> say("tools.calculate.done", value("expression"), content)
        CONVERTER -> say("tools.convert.done", "${value("value")} ${value("from")}", content)
        CLOCK -> say("tools.time.done", content)
        else -> say("tools.other.done", name, content)
    }
}

/** The question whether a tool may be used. */
internal fun question(name: String): String = when (name) {
    CALCULATOR -> say("tools.calculate.may")
    CONVERTER -> say("tools.convert.may")
    CLOCK -> say("tools.time.may")
    else -> say("tools.other.may", name)
}

private fun title(name: String) = when (name) {
    CALCULATOR -> say("tools.calculate.name")
    CONVERTER -> say("tools.convert.name")
    CLOCK -> say("tools.time.name")
    else -> say("tools.other.name", name)
}

/** The arguments of a call, a line each: "expression: 12.5 * 8". What is no object is shown as it was written. */
internal fun values(arguments: String): String {
    val values = argumentsOf(arguments) ?: return arguments
    return values.entries.joinToString("\n") { (name, value) ->
        "$name: ${(value as? JsonPrimitive)?.contentOrNull ?: value}"
    }
}

/** A line as a span of code in Markdown, whose marks are longer than what is like them in the line. */
internal fun codeSpan(line: String): String {
    val longest = backticks.findAll(line).maxOfOrNull { it.value.length } ?: 0
    val marks = "`".repeat(longest + 1)
    val space = if (line.startsWith('`') || line.endsWith('`')) " " else ""
    return marks + space + line + space + marks
}

private val lineBreaks = Regex("""\s*[\r\n]+\s*""")
private val backticks = Regex("`+")
