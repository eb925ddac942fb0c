package dev.uhlm.demo.ui

import androidx.compose.foundation.background
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.size
import androidx.compose.material3.MaterialTheme
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.draw.clip
import androidx.compose.ui.draw.drawBehind
import androidx.compose.ui.geometry.CornerRadius
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.geometry.Size
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.drawscope.DrawScope
import androidx.compose.ui.unit.dp

/** The icon: two lines of words, one of which was corrected and has a line below. It says what the app is about. */
@Composable
internal fun Logo() {
    Box(
        Modifier.size(72.dp).clip(MaterialTheme.shapes.large).background(lightColors.primary).drawBehind {
            // As in icon_foreground.xml, whose middle every mask leaves.
            word(34f, 42f, 30f, Color.White)
            word(68f, 42f, 14f, Color.White)
            word(34f, 60f, 22f, amber)
            drawRect(amber, at(31f, 72f), Size(part(20f), part(2f)))
            word(60f, 60f, 22f, Color.White)
        },
    )
}

private val amber = Color(0xFFFFD9A8)

private fun DrawScope.part(length: Float) = length / 66f * size.width

private fun DrawScope.at(x: Float, y: Float) = Offset(part(x - 21f), part(y - 25f))

private fun DrawScope.word(x: Float, y: Float, width: Float, color: Color) =
    drawRoundRect(color, at(x - 4f, y), Size(part(width), part(8f)), CornerRadius(part(4f)))
