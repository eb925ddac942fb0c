package dev.uhlm.demo.ui

import androidx.compose.foundation.background
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.foundation.text.KeyboardOptions
import androidx.compose.foundation.verticalScroll
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.automirrored.filled.Send
import androidx.compose.material3.FilledIconButton
import androidx.compose.material3.Icon
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Slider
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableFloatStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.input.key.Key
import androidx.compose.ui.input.key.KeyEventType
import androidx.compose.ui.input.key.isShiftPressed
import androidx.compose.ui.input.key.key
import androidx.compose.ui.input.key.onPreviewKeyEvent
import androidx.compose.ui.input.key.type
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.semantics.stateDescription
import androidx.compose.ui.text.input.KeyboardCapitalization
import androidx.compose.ui.unit.dp
import dev.uhlm.ContextUse
import dev.uhlm.Mode
import dev.uhlm.demo.chat.share
import dev.uhlm.demo.settings.GoalChoice
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.ThinkingChoice
import dev.uhlm.demo.settings.WhenOffline
import dev.uhlm.demo.words.say

/** How the next reply is written. */
@Composable
internal fun Controls(
    settings: Settings,
    use: ContextUse?,
    change: ((Settings) -> Settings) -> Unit,
    modifier: Modifier = Modifier,
) {
    // With large type there is more than fits: the conversation stays in sight, and this is scrolled.
    val scrolled = modifier.fillMaxWidth().heightIn(max = 420.dp).verticalScroll(rememberScrollState())
    Column(scrolled.padding(horizontal = 16.dp), verticalArrangement = Arrangement.spacedBy(4.dp)) {
        val remote = settings.remote != null
        Chips {
            for (mode in listOf(Mode.OPPORTUNISTIC, Mode.EXACT, Mode.DEVICE_ONLY, Mode.REMOTE_ONLY)) {
                Choice(
                    if (remote) settings.mode == mode else mode == Mode.DEVICE_ONLY,
                    { change { it.copy(mode = mode) } },
                    mode.title,
                    enabled = remote || mode == Mode.DEVICE_ONLY,
                )
            }
        }
        Text(
            if (remote) settings.mode.about else say("mode.no_server"),
            style = MaterialTheme.typography.labelMedium,
            color = MaterialTheme.colorScheme.onSurfaceVariant,
        )
        if (remote && settings.mode == Mode.OPPORTUNISTIC) GoalControl(settings, change)
        if (settings.asksServer) {
            Labelled(say("offline.title")) {
                for (choice in WhenOffline.entries) {
                    val choose = { change { it.copy(whenOffline = choice) } }
                    Choice(settings.whenOffline == choice, choose, choice.title)
                }
            }
        }
        Labelled(say("thinking.title")) {
            for (choice in ThinkingChoice.entries) {
                val choose = { change { it.copy(thinking = choice) } }
                Choice(settings.thinking == choice, choose, choice.title)
            }
        }
        use?.share?.let { share ->
            Text(
                say("context.use", use.tokens, use.context ?: 0u),
                Modifier.padding(top = 8.dp),
                style = MaterialTheme.typography.labelMedium,
                color = MaterialTheme.colorScheme.onSurfaceVariant,
            )
            LinearProgressIndicator({ share }, Modifier.fillMaxWidth().testTag("context"))
        }
    }
}

@Composable
private fun Labelled(label: String, chips: @Composable () -> Unit) {
    Text(label, Modifier.padding(top = 8.dp), style = MaterialTheme.typography.labelLarge)
    Chips(chips)
}

@Composable
private fun GoalControl(settings: Settings, change: ((Settings) -> Settings) -> Unit) {
    Chips {
        for (goal in GoalChoice.entries) {
            Choice(settings.goal == goal, { change { it.copy(goal = goal) } }, goal.title)
        }
    }
    if (settings.goal != GoalChoice.SHARE_SENT && settings.goal != GoalChoice.RISK) return
    // Kept when the finger leaves: a new goal opens a new session.
    var value by remember(settings.goalValue) { mutableFloatStateOf(settings.goalValue) }
    val says = when (settings.goal) {
        GoalChoice.SHARE_SENT -> say("goal.share_sent.says", percent(value.toDouble()))
        else -> say("goal.risk.says", percent(value.toDouble()))
    }
    Text(says, style = MaterialTheme.typography.labelMedium)
    Slider(
        value,
        { value = it },
        Modifier.semantics {
            contentDescription = settings.goal.title
            stateDescription = says
        },
        onValueChangeFinished = { change { it.copy(goalValue = value) } },
    )
}

/** The field for the next message, with the button that sends it or stops the reply. */
@Composable
internal fun Composer(
    text: String,
    writing: Boolean,
    onText: (String) -> Unit,
    onSend: () -> Unit,
    onStop: () -> Unit,
    modifier: Modifier = Modifier,
) {
    Row(
        modifier.fillMaxWidth().padding(12.dp),
        horizontalArrangement = Arrangement.spacedBy(8.dp),
        verticalAlignment = Alignment.Bottom,
    ) {
        OutlinedTextField(
            text,
            onText,
            Modifier.weight(1f).testTag("message").onPreviewKeyEvent { event ->
                val sends = event.key == Key.Enter && !event.isShiftPressed && event.type == KeyEventType.KeyDown
                if (sends && !writing) onSend()
                sends
            },
            placeholder = { Text(say("chat.message")) },
            maxLines = 6,
            shape = RoundedCornerShape(28.dp),
            keyboardOptions = KeyboardOptions(capitalization = KeyboardCapitalization.Sentences),
        )
        if (writing) {
            FilledIconButton(onStop, Modifier.size(56.dp).semantics { contentDescription = say("stop") }) {
                Box(Modifier.size(16.dp).background(MaterialTheme.colorScheme.onPrimary, RoundedCornerShape(3.dp)))
            }
        } else {
            FilledIconButton(onSend, Modifier.size(56.dp), enabled = text.isNotBlank()) {
                Icon(Icons.AutoMirrored.Filled.Send, contentDescription = say("chat.send"))
            }
        }
    }
}
