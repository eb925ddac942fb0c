package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.selection.toggleable
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.Button
import androidx.compose.material3.Checkbox
import androidx.compose.material3.FilledTonalButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.Role
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ConsentChoice
import dev.uhlm.demo.chat.ConsentQuestion
import dev.uhlm.demo.words.say

/** Asks before the first byte leaves the device. */
@Composable
internal fun ConsentDialog(question: ConsentQuestion, onChoice: (ConsentChoice) -> Unit) {
    AlertDialog(
        onDismissRequest = { onChoice(ConsentChoice.NEITHER) },
        modifier = Modifier.testTag("consent"),
        title = { Text(say("consent.title")) },
        text = {
            Column(Modifier.verticalScroll(rememberScrollState()), verticalArrangement = Arrangement.spacedBy(12.dp)) {
                Text(say("consent.text"))
                Text(question.endpoint, style = MaterialTheme.typography.titleSmall)
                if (question.earlier > 0) {
                    Text(earlier(question.earlier))
                }
                if (question.tools) Text(say("tools.consent"))
                var always by rememberSaveable { mutableStateOf(false) }
                Row(
                    Modifier.toggleable(always, role = Role.Checkbox, onValueChange = { always = it })
                        .fillMaxWidth().heightIn(min = 48.dp),
                    verticalAlignment = Alignment.CenterVertically,
                ) {
                    Checkbox(always, null, Modifier.padding(end = 8.dp))
                    Text(say("consent.always"))
                }
                Column(Modifier.padding(top = 4.dp), verticalArrangement = Arrangement.spacedBy(6.dp)) {
                    val all = if (always) ConsentChoice.SERVER else ConsentChoice.CONVERSATION
                    Button({ onChoice(all) }, Modifier.fillMaxWidth()) {
                        Centred(say("consent.conversation"))
                    }
                    // One message cannot be judged without those before it.
                    if (question.earlier == 0 && !always) {
                        FilledTonalButton({ onChoice(ConsentChoice.THIS_MESSAGE) }, Modifier.fillMaxWidth()) {
                            Centred(say("consent.message"))
                        }
                    }
                    FilledTonalButton({ onChoice(ConsentChoice.ON_DEVICE) }, Modifier.fillMaxWidth()) {
                        Centred(say("consent.device"))
                    }
                }
                Text(
                    say("consent.hint"),
                    style = MaterialTheme.typography.bodySmall,
                    color = MaterialTheme.colorScheme.onSurfaceVariant,
                )
            }
        },
        confirmButton = { TextButton({ onChoice(ConsentChoice.NEITHER) }) { Text(say("cancel")) } },
    )
}

/** What a wide button says, in more than one line where type is large. */
@Composable
private fun Centred(text: String) = Text(text, textAlign = TextAlign.Center)

private fun earlier(count: Int) = if (count == 1) say("consent.earlier.one") else say("consent.earlier", count)
