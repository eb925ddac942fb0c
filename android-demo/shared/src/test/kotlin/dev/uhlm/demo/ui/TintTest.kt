package dev.uhlm.demo.ui

import androidx.compose.ui.graphics.Color
import androidx.compose.ui.text.AnnotatedString
import androidx.compose.ui.text.buildAnnotatedString
import dev.uhlm.Origin
import dev.uhlm.demo.markdown.Block
import dev.uhlm.demo.markdown.parseMarkdown
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.Piece
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class TintTest {
    private val colors = OriginColors(Color.Gray, Color.Green, Color.Magenta, Color.Red)
    private val pieces = Origin.entries.map { Piece(it.name + " ", it, corrected = it == Origin.TARGET) }
    private val source = "DRAFT VERIFIED TARGET UNVERIFIED tail"

    private fun marked(tints: OriginColors?) = buildAnnotatedString {
        Marks(pieces, tints, Color.LightGray).append(this, source, 0, source.length)
    }

    private fun AnnotatedString.lines() = marks.associate { text.substring(it.start, it.end).trim() to it.item }

    @Test
    fun `with colours each origin has its own`() {
        val text = marked(colors)
        assertEquals(source, text.text)
        val spans = text.spanStyles.associate { text.text.substring(it.start, it.end).trim() to it.item }
        assertEquals(Origin.entries.map { colors[it] }, Origin.entries.map { spans.getValue(it.name).background })
        assertEquals(Color.LightGray, spans.getValue("tail").color)
    }

    @Test
    fun `the quiet look has lines below corrections and what nobody checked and a lighter tail`() {
        val text = marked(null)
        assertEquals(mapOf("TARGET" to Mark.CORRECTED, "UNVERIFIED" to Mark.UNVERIFIED), text.lines())
        assertEquals(listOf("tail"), text.spanStyles.map { text.text.substring(it.start, it.end) })
        assertEquals(text.lines(), marked(colors).lines())
    }

    @Test
    fun `marks find their words in Markdown`() {
        val pieces = listOf(
            Piece("# Ti", Origin.VERIFIED),
            Piece("tle\n\na **b", Origin.TARGET, corrected = true),
            Piece("c** d", Origin.VERIFIED),
            Piece("\n- e", Origin.UNVERIFIED),
        )
        val runs = parseMarkdown(pieces.joinToString("") { it.text }).flatMap { block ->
            when (block) {
                is Block.Heading -> block.runs
                is Block.Paragraph -> block.runs
                is Block.Items -> (block.items.single().single() as Block.Paragraph).runs
                else -> error("$block")
            }
        }
        val text = buildAnnotatedString {
            val marks = Marks(pieces, null, Color.LightGray)
            for (run in runs) marks.append(this, run.text, run.start, run.length)
        }
        assertEquals("Titlea bc de", text.text)
        val lines = text.marks.map { text.text.substring(it.start, it.end) to it.item }
        assertEquals(
            listOf("tle", "a ", "b").map { it to Mark.CORRECTED } + ("e" to Mark.UNVERIFIED),
            lines,
        )
    }

    @Test
    fun `the summary counts words of each origin`() {
        val mixed =
            listOf(Piece("one two", Origin.VERIFIED), Piece(" three", Origin.TARGET), Piece("\nfour", Origin.VERIFIED))
        assertEquals("Checked by the server: 3 words. Written by the server: 1 word.", summary(mixed))
        assertEquals("", summary(emptyList()))
    }

    @Test
    fun `figures are rounded to what one can tell apart`() {
        assertEquals(listOf("37", "10", "100"), listOf(37.4, 9.96, 99.7).map(::rounded))
        assertTrue(Regex("9[.,]8").matches(rounded(9.84)))
        assertEquals(listOf(0, 50, 95, 100, 480), listOf(0.001, 0.0512, 0.0961, 0.0984, 0.4762).map(::milliseconds))
    }

    @Test
    fun `the live line says what was sent and what was saved`() {
        val figures = Figures(40, 12.34, 0.255, 1234, 567, 10, 0.0503, saved = 0.75)
        val line = figures.line().joinToString("|")
        val expected = Regex(
            """12 tokens/s\|asked about 26 %\|1[.,]8 kB exchanged\|round trip 50 ms\|""" +
                "75 % of the large model's work saved",
        )
        assertTrue(expected.matches(line), line)
        assertEquals("model of another family", figures.copy(bridged = true).line().last())
        val handedOff = figures.copy(bridged = true, handedOff = true)
        assertEquals("written by a chat service", handedOff.line().last())
        assertEquals("nothing sent", figures.copy(requests = 0, bridged = true).line().last())
        assertEquals("no answer from the server", figures.copy(unanswered = true).line().last())
    }
}
