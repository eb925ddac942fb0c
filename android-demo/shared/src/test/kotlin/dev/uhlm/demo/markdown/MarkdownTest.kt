package dev.uhlm.demo.markdown

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue

class MarkdownTest {
    private fun List<Run>.text() = joinToString("") { it.text }

    private fun runs(block: Block): List<Run> = when (block) {
        is Block.Paragraph -> block.runs
        is Block.Heading -> block.runs
        is Block.Code -> block.runs
        is Block.Items -> block.items.flatten().flatMap(::runs)
        is Block.Quote -> block.blocks.flatMap(::runs)
        is Block.Table -> block.rows.flatten().flatten()
        Block.Rule -> emptyList()
    }

    /** What models write, all of it at once. */
    private val sample = """
        |# Title
        |
        |Some *soft* and **loud** text with `a_b*c` and
        |a second line, [a link](https://example.org/a_b) and ~~no~~.
        |
        |```kotlin
        |fun main() {
        |    println("*")
        |}
        |```
        |
        |1. one
        |2. two
        |   - inner
        |
        |> said **so**
        |
        || a | b |
        ||---|---|
        || 1 | *2* |
        |
        |---
        |Ümläut 👩‍👧 end
    """.trimMargin()

    @Test
    fun `blocks are what they look like`() {
        val blocks = parseMarkdown(sample)
        val (title, text, code, list) = blocks
        assertEquals(1 to "Title", assertIs<Block.Heading>(title).run { level to runs.text() })
        val styles = assertIs<Block.Paragraph>(text).runs.associate { it.text to it.style }
        assertEquals(Style(italic = true), styles["soft"])
        assertEquals(Style(bold = true), styles["loud"])
        assertEquals(Style(code = true), styles["a_b*c"])
        assertEquals(Style(link = "https://example.org/a_b"), styles["a link"])
        assertEquals(Style(struck = true), styles["no"])
        assertTrue("\n" in styles, "a line ends where the model ended it")
        val lines = "fun main() {\n    println(\"*\")\n}"
        assertEquals("kotlin" to lines, assertIs<Block.Code>(code).run { language to this.text })
        assertEquals(1 to 2, assertIs<Block.Items>(list).run { first to items.size })
        assertIs<Block.Items>(list.items[1][1])
        val (quote, table, rule, last) = blocks.drop(4)
        assertEquals("said so", runs(assertIs<Block.Quote>(quote)).text())
        assertEquals(listOf("a", "b", "1", "2"), assertIs<Block.Table>(table).rows.flatten().map { it.text() })
        assertIs<Block.Rule>(rule)
        assertEquals("Ümläut 👩‍👧 end", runs(last).text())
    }

    @Test
    fun `each text stands in the source where its run says`() {
        val all = parseMarkdown(sample).flatMap(::runs)
        assertTrue(all.size > 20)
        for (run in all) {
            assertEquals(run.text.length, run.length, "$run")
            // Of the line break behind a line of code only the place counts.
            assertEquals(run.text, sample.substring(run.start, run.start + run.length), "$run")
        }
    }

    @Test
    fun `an escape has the place of what it was written as`() {
        val run = runs(parseMarkdown("a &amp; b\\*").single())
        assertEquals("a & b*", run.text())
        assertTrue(run.all { it.start in 0..10 })
    }

    @Test
    fun `every beginning of a text is a text and loses no letter`() {
        for (length in 0..sample.length) {
            val text = parseMarkdown(sample.take(length)).flatMap(::runs).text()
            val letters = text.filter { it.isLetter() }
            // What a fence or a link says is not text.
            val written = sample.take(length).filter { it.isLetter() }
            assertTrue(letters.length >= written.length - "kotlinhttpsexampleorgab".length, "$length: $text")
        }
    }

    @Test
    fun `HTML is shown as it is written`() {
        assertEquals("<b>a</b>", parseMarkdown("<b>a</b>").flatMap(::runs).text())
        assertEquals("<div>\na\n</div>", parseMarkdown("<div>\na\n</div>").flatMap(::runs).text())
    }
}
