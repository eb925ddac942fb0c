package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.FilledTonalButton
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.remember
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.chat.ChatState
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.speed.Measured
import dev.uhlm.demo.speed.ModelSpeed
import dev.uhlm.demo.speed.PastReply
import dev.uhlm.demo.speed.SpeedState
import dev.uhlm.demo.speed.speeds
import dev.uhlm.demo.words.say
import java.text.DecimalFormat

/** How fast this device writes: a measurement, medians by model, and the last replies one by one. */
@Composable
internal fun SpeedScreen(
    chat: ChatState,
    state: SpeedState,
    settings: Settings,
    measure: () -> Unit,
    back: () -> Unit,
) {
    val speeds = remember(chat.conversations) { speeds(chat.conversations) }
    Page(say("screen.speed"), back) {
        LazyColumn(
            Modifier.testTag("speed"),
            contentPadding = PaddingValues(16.dp, 0.dp, 16.dp, 24.dp),
            verticalArrangement = Arrangement.spacedBy(10.dp),
        ) {
            item { Quiet(say("speed.about")) }
            item { Measurement(state, settings.model.isNotBlank(), chat.writing.isNotEmpty(), measure) }
            state.measured?.let { item { MeasuredCard(it) } }
            item { Heading(say("speed.models")) }
            if (speeds.last.isEmpty()) item { Quiet(say("speed.none")) }
            items(speeds.models, key = { "model " + it.model }) { ModelCard(it) }
            if (speeds.last.isNotEmpty()) item { Heading(say("speed.last")) }
            items(speeds.last) { PastRow(it) }
        }
    }
}

@Composable
private fun Measurement(state: SpeedState, hasModel: Boolean, isWriting: Boolean, measure: () -> Unit) {
    Column(verticalArrangement = Arrangement.spacedBy(4.dp)) {
        FilledTonalButton(measure, enabled = hasModel && !isWriting && !state.isMeasuring) {
            Text(if (state.isMeasuring) say("speed.measuring") else say("speed.measure"))
        }
        Quiet(if (isWriting) say("speed.busy") else say("speed.measure.about"))
    }
}

@Composable
private fun MeasuredCard(measured: Measured) {
    Rows(say("speed.measured", measured.model), "measured") {
        Figure(say("speed.draft"), measured.draft?.let { perSecond(it) })
        Figure(say("speed.reply"), perSecond(measured.reply))
        Figure(say("speed.first"), say("speed.seconds", DecimalFormat("0.00").format(measured.firstSeconds)))
    }
}

@Composable
private fun ModelCard(speed: ModelSpeed) {
    Rows(speed.model, "by model") {
        val of = if (speed.replies == 1) say("speed.replies.one") else say("speed.replies", speed.replies)
        Text(of, style = MaterialTheme.typography.labelMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
        Figure(say("speed.draft"), speed.draft?.let { perSecond(it) })
        Figure(say("speed.reply"), perSecond(speed.reply))
        Figure(say("speed.asked"), speed.asked?.let { percent(it) })
        Figure(say("speed.bytes"), bytes(speed.bytes.toLong()))
    }
}

@Composable
private fun Rows(title: String, tag: String, rows: @Composable () -> Unit) {
    Panel(Modifier.testTag(tag)) {
        Text(title, style = MaterialTheme.typography.titleMedium)
        rows()
    }
}

/** A figure with its name; nothing where there is none. */
@Composable
private fun Figure(name: String, value: String?) {
    if (value == null) return
    Row(Modifier.fillMaxWidth().semantics(mergeDescendants = true) {}) {
        Text(name, Modifier.weight(1f), style = MaterialTheme.typography.bodyMedium)
        Text(value, style = MaterialTheme.typography.bodyMedium)
    }
}

@Composable
private fun PastRow(reply: PastReply) {
    Column(
        Modifier.fillMaxWidth().padding(vertical = 4.dp).semantics(mergeDescendants = true) {},
        verticalArrangement = Arrangement.spacedBy(2.dp),
    ) {
        Row(horizontalArrangement = Arrangement.spacedBy(12.dp)) {
            val title = Modifier.weight(1f).alignByBaseline()
            val style = MaterialTheme.typography.bodyMedium
            Text(reply.title, title, maxLines = 1, overflow = TextOverflow.Ellipsis, style = style)
            Text(moment(reply.at), Modifier.alignByBaseline(), style = MaterialTheme.typography.labelMedium)
        }
        val line = listOfNotNull(reply.figures.model) + reply.figures.line()
        Text(
            line.joinToString(" · "),
            style = MaterialTheme.typography.labelMedium,
            color = MaterialTheme.colorScheme.onSurfaceVariant,
        )
    }
    HorizontalDivider()
}

private fun perSecond(rate: Double) = say("figures.speed", rounded(rate))
