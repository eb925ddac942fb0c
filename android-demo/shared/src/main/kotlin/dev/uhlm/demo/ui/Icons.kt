package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.size
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.SolidColor
import androidx.compose.ui.graphics.StrokeCap
import androidx.compose.ui.graphics.StrokeJoin
import androidx.compose.ui.graphics.vector.ImageVector
import androidx.compose.ui.graphics.vector.PathBuilder
import androidx.compose.ui.graphics.vector.path
import androidx.compose.ui.unit.dp

/** Two sheets, one before the other: the core set of icons has none for copying. */
internal val CopyIcon: ImageVector by lazy {
    ImageVector.Builder("copy", 24.dp, 24.dp, 24f, 24f).apply {
        val front: PathBuilder.() -> Unit = {
            moveTo(9f, 9f)
            horizontalLineTo(20f)
            verticalLineTo(20f)
            horizontalLineTo(9f)
            close()
        }
        // Of the one behind, what the other leaves to be seen.
        val behind: PathBuilder.() -> Unit = {
            moveTo(7f, 15f)
            horizontalLineTo(4f)
            verticalLineTo(4f)
            horizontalLineTo(15f)
            verticalLineTo(7f)
        }
        for (sheet in listOf(front, behind)) {
            path(
                stroke = SolidColor(Color.Black),
                strokeLineWidth = 1.8f,
                strokeLineCap = StrokeCap.Round,
                strokeLineJoin = StrokeJoin.Round,
                pathBuilder = sheet,
            )
        }
    }.build()
}

/** One of the quiet buttons below a message. Small to look at, and as large to the finger as any. */
@Composable
internal fun SmallAction(icon: ImageVector, label: String, onClick: () -> Unit) {
    IconButton(onClick) {
        Icon(icon, label, Modifier.size(18.dp), tint = MaterialTheme.colorScheme.onSurfaceVariant)
    }
}
