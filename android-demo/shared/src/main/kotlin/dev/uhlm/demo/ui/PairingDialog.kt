package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.settings.Pairing
import dev.uhlm.demo.settings.host
import dev.uhlm.demo.words.say

/** Asks before the server of a link takes the place of the one that is set. Whoever made the link chose its words. */
@Composable
internal fun PairingDialog(pairing: Pairing, onAnswer: (isAccepted: Boolean) -> Unit) {
    AlertDialog(
        onDismissRequest = { onAnswer(false) },
        modifier = Modifier.testTag("pairing"),
        title = { Text(say("pairing.title")) },
        text = {
            Column(Modifier.verticalScroll(rememberScrollState()), verticalArrangement = Arrangement.spacedBy(12.dp)) {
                Text(say("pairing.text"))
                Text(pairing.endpoint, style = MaterialTheme.typography.titleSmall)
                val fingerprint = pairing.fingerprint
                Text(
                    if (fingerprint == null) say("pairing.authorities")
                    else say("pairing.fingerprint", fingerprint),
                )
                if (pairing.bringsToken) Text(say("pairing.token"))
                pairing.replaces?.let { Text(say("pairing.replaces", it.host)) }
                Quiet(say("pairing.about"))
            }
        },
        confirmButton = { TextButton({ onAnswer(true) }) { Text(say("pairing.accept")) } },
        dismissButton = { TextButton({ onAnswer(false) }) { Text(say("cancel")) } },
    )
}
