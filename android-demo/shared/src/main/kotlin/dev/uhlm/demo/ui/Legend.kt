package dev.uhlm.demo.ui

import androidx.compose.foundation.background
import androidx.compose.foundation.border
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.text.buildAnnotatedString
import androidx.compose.ui.unit.dp
import dev.uhlm.Origin
import dev.uhlm.demo.storage.Piece
import dev.uhlm.demo.words.say

/** What lines and colours mean, and the switch for the colours. */
@Composable
internal fun LegendDialog(tinted: Boolean, onTinted: (Boolean) -> Unit, onClose: () -> Unit) {
    AlertDialog(
        onDismissRequest = onClose,
        modifier = Modifier.testTag("legend"),
        title = { Text(say("screen.legend")) },
        text = {
            Column(Modifier.verticalScroll(rememberScrollState()), verticalArrangement = Arrangement.spacedBy(12.dp)) {
                Sample(say("legend.corrected"), Piece("Aa", Origin.TARGET, corrected = true))
                Sample(say("legend.unverified"), Piece("Aa", Origin.UNVERIFIED))
                Text(say("legend.provisional"), style = MaterialTheme.typography.bodyMedium)
                SwitchRow(say("legend.tint"), tinted, onTinted)
                if (tinted) Origin.entries.forEach { Tint(it) }
            }
        },
        confirmButton = { TextButton(onClose) { Text(say("ok")) } },
    )
}

@Composable
private fun Sample(text: String, piece: Piece) {
    val marks = Marks(listOf(piece), null, MaterialTheme.colorScheme.onSurface)
    Row(horizontalArrangement = Arrangement.spacedBy(12.dp)) {
        MarkedText(buildAnnotatedString { marks.append(this, piece.text, 0, piece.text.length) })
        Text(text, style = MaterialTheme.typography.bodyMedium)
    }
}

@Composable
private fun Tint(origin: Origin) {
    Row(horizontalArrangement = Arrangement.spacedBy(12.dp)) {
        val color = LocalOriginColors.current[origin]
        // In the dark theme it is hardly told from the dialog without a border.
        val (shape, line) = RoundedCornerShape(4.dp) to MaterialTheme.colorScheme.outline
        Box(Modifier.padding(top = 3.dp).size(16.dp).background(color, shape).border(1.dp, line, shape))
        Column {
            Text(origin.title, style = MaterialTheme.typography.labelLarge)
            Text(
                say("origin.${origin.name.lowercase()}.about"),
                style = MaterialTheme.typography.bodySmall,
                color = MaterialTheme.colorScheme.onSurfaceVariant,
            )
        }
    }
}
