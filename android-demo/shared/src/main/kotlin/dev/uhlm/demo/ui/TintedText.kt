package dev.uhlm.demo.ui

import androidx.compose.foundation.background
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.remember
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.semantics.stateDescription
import androidx.compose.ui.text.AnnotatedString
import androidx.compose.ui.text.SpanStyle
import androidx.compose.ui.text.buildAnnotatedString
import androidx.compose.ui.text.style.TextDecoration
import androidx.compose.ui.text.withStyle
import androidx.compose.ui.unit.dp
import dev.uhlm.Origin
import dev.uhlm.demo.storage.Piece

internal val Origin.title: String
    get() = when (this) {
        Origin.DRAFT -> "Written by the phone"
        Origin.VERIFIED -> "Checked by the server"
        Origin.TARGET -> "Written by the server"
        Origin.UNVERIFIED -> "Not checked"
    }

/** Committed text, tinted by who wrote or judged it, and the provisional tail in a lighter colour. */
@Composable
internal fun TintedText(pieces: List<Piece>, provisional: String, tinted: Boolean, modifier: Modifier = Modifier) {
    val colors = LocalOriginColors.current
    val light = MaterialTheme.colorScheme.onSurface.copy(alpha = 0.5f)
    val text = remember(pieces, provisional, tinted, colors, light) {
        tint(pieces, provisional, colors.takeIf { tinted }, light)
    }
    val summary = remember(pieces) { summary(pieces) }
    Text(
        text,
        // What the colours say, for those who hear the screen.
        modifier.semantics { if (tinted) stateDescription = summary },
        style = MaterialTheme.typography.bodyLarge,
    )
}

internal fun tint(pieces: List<Piece>, provisional: String, colors: OriginColors?, light: Color): AnnotatedString =
    buildAnnotatedString {
        for (piece in pieces) {
            val style = when {
                colors == null -> SpanStyle()
                // Not by colour alone: words that nobody checked are the ones that a reader should not miss.
                piece.origin == Origin.UNVERIFIED ->
                    SpanStyle(background = colors[piece.origin], textDecoration = TextDecoration.Underline)
                else -> SpanStyle(background = colors[piece.origin])
            }
            withStyle(style) { append(piece.text) }
        }
        if (provisional.isNotEmpty()) withStyle(SpanStyle(color = light)) { append(provisional) }
    }

/** "Checked by the server: 12 words. Written by the server: 1 word." */
internal fun summary(pieces: List<Piece>): String = Origin.entries.mapNotNull { origin ->
    val texts = pieces.filter { it.origin == origin }.map { it.text }
    val words = texts.sumOf { text -> text.split(' ', '\n').count { it.isNotEmpty() } }
    if (words == 0) null else "${origin.title}: $words ${if (words == 1) "word" else "words"}."
}.joinToString(" ")

@OptIn(ExperimentalLayoutApi::class)
@Composable
internal fun Legend(modifier: Modifier = Modifier) {
    FlowRow(
        modifier,
        horizontalArrangement = Arrangement.spacedBy(12.dp),
        verticalArrangement = Arrangement.spacedBy(4.dp),
    ) {
        for (origin in Origin.entries) {
            Row(verticalAlignment = Alignment.CenterVertically, horizontalArrangement = Arrangement.spacedBy(6.dp)) {
                Box(Modifier.size(12.dp).background(LocalOriginColors.current[origin], RoundedCornerShape(3.dp)))
                Text(
                    origin.title,
                    style = MaterialTheme.typography.labelSmall,
                    color = MaterialTheme.colorScheme.onSurfaceVariant,
                    textDecoration = TextDecoration.Underline.takeIf { origin == Origin.UNVERIFIED },
                )
            }
        }
    }
}
