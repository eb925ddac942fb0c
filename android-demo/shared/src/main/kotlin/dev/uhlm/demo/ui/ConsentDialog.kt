package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.Button
import androidx.compose.material3.FilledTonalButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ConsentChoice
import dev.uhlm.demo.chat.ConsentQuestion

/** Asks before the first byte leaves the device. */
@Composable
internal fun ConsentDialog(question: ConsentQuestion, onChoice: (ConsentChoice) -> Unit) {
    AlertDialog(
        onDismissRequest = { onChoice(ConsentChoice.NEITHER) },
        modifier = Modifier.testTag("consent"),
        title = { Text("Send this to the server?") },
        text = {
            Column(verticalArrangement = Arrangement.spacedBy(12.dp)) {
                Text("To have its words checked, this phone would send your message and the reply to")
                Text(question.endpoint, style = MaterialTheme.typography.titleSmall)
                if (question.earlier > 0) {
                    Text("The ${earlier(question.earlier)} before it in this conversation would be sent, too.")
                }
                Column(Modifier.padding(top = 4.dp), verticalArrangement = Arrangement.spacedBy(4.dp)) {
                    Button({ onChoice(ConsentChoice.CONVERSATION) }, Modifier.fillMaxWidth()) {
                        Text("Send this conversation")
                    }
                    // One message cannot be judged without those before it.
                    if (question.earlier == 0) {
                        FilledTonalButton({ onChoice(ConsentChoice.THIS_MESSAGE) }, Modifier.fillMaxWidth()) {
                            Text("Send only this message")
                        }
                    }
                    FilledTonalButton({ onChoice(ConsentChoice.ON_DEVICE) }, Modifier.fillMaxWidth()) {
                        Text("Answer on this phone")
                    }
                }
            }
        },
        confirmButton = { TextButton({ onChoice(ConsentChoice.NEITHER) }) { Text("Cancel") } },
    )
}

private fun earlier(count: Int) = if (count == 1) "message" else "$count messages"
