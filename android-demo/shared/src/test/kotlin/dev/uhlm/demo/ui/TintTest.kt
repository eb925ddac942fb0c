package dev.uhlm.demo.ui

import androidx.compose.ui.graphics.Color
import androidx.compose.ui.text.style.TextDecoration
import dev.uhlm.Origin
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.Piece
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class TintTest {
    private val colors = OriginColors(Color.Gray, Color.Green, Color.Magenta, Color.Red)
    private val pieces = Origin.entries.map { Piece(it.name + " ", it) }

    @Test
    fun `each origin has its colour and what nobody checked is underlined`() {
        val text = tint(pieces, "tail", colors, Color.LightGray)
        assertEquals("DRAFT VERIFIED TARGET UNVERIFIED tail", text.text)
        val spans = text.spanStyles.associate { text.text.substring(it.start, it.end).trim() to it.item }
        assertEquals(Origin.entries.map { colors[it] }, Origin.entries.map { spans.getValue(it.name).background })
        val underlined = spans.filterValues { it.textDecoration == TextDecoration.Underline }
        assertEquals(listOf("UNVERIFIED"), underlined.keys.toList())
        assertEquals(Color.LightGray, spans.getValue("tail").color)
    }

    @Test
    fun `without tinting only the provisional tail has a colour`() {
        val text = tint(pieces, "tail", null, Color.LightGray)
        val colored = text.spanStyles.filter {
            it.item.color != Color.Unspecified || it.item.background != Color.Unspecified
        }
        assertEquals(listOf("tail"), colored.map { text.text.substring(it.start, it.end) })
    }

    @Test
    fun `the summary counts words of each origin`() {
        val mixed =
            listOf(Piece("one two", Origin.VERIFIED), Piece(" three", Origin.TARGET), Piece("\nfour", Origin.VERIFIED))
        assertEquals("Checked by the server: 3 words. Written by the server: 1 word.", summary(mixed))
        assertEquals("", summary(emptyList()))
    }

    @Test
    fun `the live line says what was sent and what was saved`() {
        val figures = Figures(40, 12.34, 0.255, 1234, 567, 10, 0.0503, saved = 0.75)
        val line = figures.line().joinToString("|")
        val expected = Regex(
            """12[.,]3 tokens/s\|asked about 26 %\|↑ 1[.,]2 kB ↓ 567 B\|round trip 50 ms\|75 % of the large model's work saved""",
        )
        assertTrue(expected.matches(line), line)
        assertEquals("nothing sent", figures.copy(requests = 0).line().last())
        assertEquals("no answer from the server", figures.copy(unanswered = true).line().last())
    }
}
