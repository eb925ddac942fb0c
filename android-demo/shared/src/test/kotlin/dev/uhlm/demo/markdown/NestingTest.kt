package dev.uhlm.demo.markdown

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue

class NestingTest {
    /** Reads a text where there is little room for calls in calls. */
    private fun read(source: String): List<Block> {
        var read: Result<List<Block>>? = null
        Thread(null, { read = runCatching { parseMarkdown(source) } }, "small", SMALL).apply { start() }.join()
        return read!!.getOrThrow()
    }

    /** The blocks in one another, from the outermost, as long as each has one alone. */
    private fun chain(blocks: List<Block>): List<Block> = generateSequence(blocks.single()) { block ->
        when (block) {
            is Block.Quote -> block.blocks.single()
            is Block.Items -> block.items.single().single()
            else -> null
        }
    }.toList()

    private fun List<Run>.text() = joinToString("") { it.text }

    private fun deepest(source: String): List<Run> {
        val (nested, paragraphs) = chain(read(source)).partition { it is Block.Quote || it is Block.Items }
        assertEquals(DEEPEST, nested.size)
        val runs = assertIs<Block.Paragraph>(paragraphs.single()).runs
        for (run in runs) assertEquals(run.text.trim(), source.substring(run.start, run.start + run.length).trim())
        return runs
    }

    @Test
    fun `as deep as is read all is there`() {
        val chain = chain(read("> ".repeat(DEEPEST) + "so"))
        assertEquals(DEEPEST + 1, chain.size)
        assertEquals("so", assertIs<Block.Paragraph>(chain.last()).runs.text())
        val items = chain(read("- ".repeat(DEEPEST) + "so"))
        assertEquals("so", assertIs<Block.Paragraph>(items.last()).runs.text())
    }

    @Test
    fun `one quote or list more is a paragraph as it is written`() {
        assertEquals("> so", deepest("> ".repeat(DEEPEST + 1) + "so").text())
        assertEquals("- so", deepest("- ".repeat(DEEPEST + 1) + "so").text())
        assertEquals("1. > so", deepest("> ".repeat(DEEPEST) + "1. > so").text())
        val lines = listOf("> ".repeat(DEEPEST) + "> one", "> ".repeat(DEEPEST) + "> two")
        assertEquals("> one\n> two", deepest(lines.joinToString("\n")).text())
    }

    @Test
    fun `ten thousand quotes and ten thousand lists in one another are read and lose no letter`() {
        for (mark in listOf("> ", ">", "- ", "* ", "1. ", "> - ")) {
            val text = deepest(mark.repeat(MANY) + "so").text()
            assertTrue(text.endsWith("so"), text.takeLast(20))
        }
        // Line by line one deeper, as models write lists.
        val lines = (0..200).joinToString("\n") { "  ".repeat(it) + "- $it" }
        val letters = texts(read(lines)).filter(Char::isDigit)
        assertEquals((0..200).joinToString(""), letters)
    }

    @Test
    fun `ten thousand marks of style in one another are read and lose no letter`() {
        for (mark in listOf("*", "_", "~")) {
            val marks = mark.repeat(MANY)
            assertEquals("a ${marks}so$marks", texts(read("a ${marks}so$marks")))
        }
        val many = texts(read("*a **b ".repeat(MANY) + "c** d*".repeat(MANY)))
        assertEquals("ab".repeat(MANY) + "cd".repeat(MANY), many.filter(Char::isLetter))
    }

    @Test
    fun `marks of style are read as long as a paragraph has not too many`() {
        val bold = List(ManyMarks.MOST / 4) { "**b**" }.joinToString(" ")
        val paragraph = assertIs<Block.Paragraph>(read("$bold *c*").single())
        assertTrue(paragraph.runs.filter { it.text == "b" }.all { it.style.bold })
        assertTrue(paragraph.runs.text().endsWith("b *c*"), paragraph.runs.text().takeLast(20))
        // The next paragraph begins anew.
        val next = assertIs<Block.Paragraph>(read("$bold\n\n*c*").last())
        assertEquals(Style(italic = true), next.runs.single().style)
        val deep = "*".repeat(ManyMarks.MOST / 2) + "so" + "*".repeat(ManyMarks.MOST / 2)
        assertEquals("so", texts(read(deep)))
    }

    private fun texts(blocks: List<Block>): String = blocks.joinToString("") { block ->
        when (block) {
            is Block.Paragraph -> block.runs.text()
            is Block.Heading -> block.runs.text()
            is Block.Code -> block.runs.text()
            is Block.Quote -> texts(block.blocks)
            is Block.Items -> block.items.joinToString("", transform = ::texts)
            is Block.Table, Block.Rule -> ""
        }
    }

    private companion object {
        const val MANY = 10_000

        /** Bytes of stack, far fewer than the thread of the screen has. */
        const val SMALL = 256L * 1024
    }
}
