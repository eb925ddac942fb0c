package dev.uhlm.demo.ui

import androidx.compose.material3.LocalTextStyle
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.Immutable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.draw.drawWithContent
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.PathEffect
import androidx.compose.ui.graphics.drawscope.DrawScope
import androidx.compose.ui.text.AnnotatedString
import androidx.compose.ui.text.SpanStyle
import androidx.compose.ui.text.TextLayoutResult
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.unit.dp
import dev.uhlm.Origin
import dev.uhlm.demo.storage.Piece
import dev.uhlm.demo.words.say

/** What a thin line under words says: the two things that a reader should not miss. */
internal enum class Mark { CORRECTED, UNVERIFIED }

internal val Piece.mark: Mark?
    get() = when {
        origin == Origin.UNVERIFIED -> Mark.UNVERIFIED
        corrected -> Mark.CORRECTED
        else -> null
    }

/**
 * What is marked of a reply, by where it stands in the text that the models wrote.
 *
 * @property tints the colours behind words of each origin; none in the quiet look, which has lines alone.
 * @property light the colour of provisional text, which stands behind all pieces.
 */
@Immutable
internal class Marks(private val pieces: List<Piece>, private val tints: OriginColors?, private val light: Color) {
    private val starts = pieces.runningFold(0) { at, piece -> at + piece.text.length }

    /** Appends [text], which comes from [length] characters of the source at [start], with its marks. */
    fun append(to: AnnotatedString.Builder, text: String, start: Int, length: Int) {
        val at = to.length
        to.append(text)
        if (text.isEmpty()) return
        // Where an escape made another text of the source, the whole has the marks of its beginning.
        val exact = length == text.length
        val end = if (exact) start + length else start + 1
        for ((index, piece) in pieces.withIndex()) {
            val from = maxOf(start, starts[index])
            val until = minOf(end, starts[index + 1])
            if (from >= until) continue
            val (a, b) = if (exact) at + from - start to at + until - start else at to to.length
            tints?.let { to.addStyle(SpanStyle(background = it[piece.origin]), a, b) }
            piece.mark?.let { to.addStringAnnotation(MARK, it.name, a, b) }
        }
        val committed = starts.last()
        if (end > committed) {
            val from = if (exact) at + maxOf(0, committed - start) else at
            to.addStyle(SpanStyle(color = light), from, to.length)
        }
    }
}

private const val MARK = "mark"

/** The ranges of a text that have a line below, with what it says. */
internal val AnnotatedString.marks: List<AnnotatedString.Range<Mark>>
    get() = getStringAnnotations(MARK, 0, length).map { AnnotatedString.Range(Mark.valueOf(it.item), it.start, it.end) }

/** Text with thin lines below what is marked: whole below corrections, dotted below what nobody checked. */
@Composable
internal fun MarkedText(
    text: AnnotatedString,
    modifier: Modifier = Modifier,
    style: TextStyle = LocalTextStyle.current,
) {
    var layout by remember { mutableStateOf<TextLayoutResult?>(null) }
    val corrected = MaterialTheme.colorScheme.tertiary
    val unverified = MaterialTheme.colorScheme.onSurfaceVariant
    Text(
        text,
        // Before the text's own backgrounds, such as that of code.
        modifier.drawWithContent {
            drawContent()
            layout?.let { drawMarks(it, corrected, unverified) }
        },
        style = style,
        onTextLayout = { layout = it },
    )
}

private fun DrawScope.drawMarks(layout: TextLayoutResult, corrected: Color, unverified: Color) {
    // The text that was laid out, which may be the one before.
    val text = layout.layoutInput.text
    for (mark in text.marks) {
        // Tokens begin with the space before their word, which is nothing to mark.
        var at = (mark.start until mark.end).firstOrNull { !text[it].isWhitespace() } ?: continue
        while (at < mark.end) {
            val line = layout.getLineForOffset(at)
            val lineEnd = layout.getLineEnd(line)
            val end = minOf(mark.end, layout.getLineEnd(line, visibleEnd = true))
            if (end > at) {
                val y = layout.getLineBaseline(line) + 3.dp.toPx()
                val left = layout.getBoundingBox(at).left
                val right = layout.getBoundingBox(end - 1).right
                val (from, to) = Offset(left, y) to Offset(right, y)
                when (mark.item) {
                    Mark.CORRECTED -> drawLine(corrected, from, to, strokeWidth = 2.dp.toPx())
                    Mark.UNVERIFIED -> drawLine(unverified, from, to, 1.dp.toPx(), pathEffect = dots())
                }
            }
            at = maxOf(lineEnd, at + 1)
        }
    }
}

private fun DrawScope.dots() = PathEffect.dashPathEffect(floatArrayOf(2.dp.toPx(), 2.dp.toPx()))

/** "Checked by the server: 12 words. Written by the server: 1 word." */
internal fun summary(pieces: List<Piece>): String = Origin.entries.mapNotNull { origin ->
    val texts = pieces.filter { it.origin == origin }.map { it.text }
    when (val words = texts.sumOf { text -> text.split(' ', '\n').count { it.isNotEmpty() } }) {
        0 -> null
        1 -> say("origin.word", origin.title)
        else -> say("origin.words", origin.title, words)
    }
}.joinToString(" ")

internal val Origin.title: String get() = say("origin.${name.lowercase()}")
