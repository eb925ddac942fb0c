package dev.uhlm.demo.ui

import androidx.compose.foundation.BorderStroke
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.offset
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.text.selection.SelectionContainer
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.KeyboardArrowDown
import androidx.compose.material.icons.filled.KeyboardArrowUp
import androidx.compose.material.icons.filled.Refresh
import androidx.compose.material.icons.filled.Share
import androidx.compose.material.icons.outlined.Info
import androidx.compose.material3.ButtonDefaults
import androidx.compose.material3.Icon
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.key
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.semantics.stateDescription
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.unit.dp
import dev.uhlm.FinishReason
import dev.uhlm.Recovery
import dev.uhlm.demo.chat.Writing
import dev.uhlm.demo.chat.words
import dev.uhlm.demo.markdown.parseMarkdown
import dev.uhlm.demo.storage.Call
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.Part
import dev.uhlm.demo.storage.Piece
import dev.uhlm.demo.storage.Problem
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.ReplyEnd
import dev.uhlm.demo.storage.parts
import dev.uhlm.demo.words.say

/** A reply with what can be done with it; its figures are there for who asks for them. */
@Composable
internal fun ReplyBlock(reply: Reply, writing: Writing?, last: Boolean, tinted: Boolean, actions: TurnActions) {
    var details by rememberSaveable { mutableStateOf(false) }
    val provisional = writing?.provisional.orEmpty()
    val parts = remember(reply.pieces, reply.asked) { reply.parts() }
    val hasWords = parts.lastOrNull() is Part.Words || provisional.isNotEmpty()
    val isEmpty = parts.isEmpty() && provisional.isEmpty()
    // A call without an answer says itself that it is waited for.
    val isThinking = !hasWords && reply.asked.none { it is Call && it.answer == null }
    val figures = writing?.figures ?: reply.end?.figures
    Column(Modifier.fillMaxWidth(), verticalArrangement = Arrangement.spacedBy(6.dp)) {
        if (reply.reasoning.isNotEmpty()) Thoughts(reply.reasoning, isOpen = writing != null && isEmpty)
        Parts(parts, provisional, isOver = writing == null, tinted, actions.copy)
        if (writing != null && writing.opening) {
            Text(say("chat.loading"), color = MaterialTheme.colorScheme.onSurfaceVariant)
            LinearProgressIndicator(Modifier.fillMaxWidth())
        } else if (writing != null && isThinking) {
            Text(say("chat.thinking"), color = MaterialTheme.colorScheme.onSurfaceVariant)
        }
        if (writing == null) {
            // The icons' own margins would set them apart from the text above.
            Row(Modifier.offset((-15).dp)) {
                if (reply.pieces.isNotEmpty()) SmallAction(CopyIcon, say("copy")) { actions.copy(reply.words()) }
                if (last && !reply.end.offersAgain) {
                    SmallAction(Icons.Filled.Refresh, say("chat.regenerate"), actions.again)
                }
                if (reply.pieces.isNotEmpty()) {
                    actions.share?.let { share ->
                        SmallAction(Icons.Filled.Share, say("chat.share")) { share(reply.words()) }
                    }
                }
                if (figures != null) SmallAction(Icons.Outlined.Info, say("chat.details")) { details = !details }
            }
        }
        if (details && figures != null) FiguresLine(figures)
        if (writing == null) Ending(reply.end, last, actions)
    }
}

/** The reply's words, and between them what it asked of tools. What may still be taken back stands at the end. */
@Composable
private fun Parts(
    parts: List<Part>,
    provisional: String,
    isOver: Boolean,
    tinted: Boolean,
    onCopy: (String) -> Unit,
) {
    for ((index, part) in parts.withIndex()) key(index) {
        when (part) {
            is Part.Words -> ReplyText(part.pieces, if (index == parts.lastIndex) provisional else "", tinted, onCopy)
            is Part.Calls -> for ((place, asked) in part.asked.withIndex()) key(place) { CallRow(asked, isOver) }
        }
    }
    if (parts.lastOrNull() !is Part.Words && provisional.isNotEmpty()) key(parts.size) {
        ReplyText(emptyList(), provisional, tinted, onCopy)
    }
}

/** Markdown, with the marks of who wrote what. */
@Composable
private fun ReplyText(pieces: List<Piece>, provisional: String, tinted: Boolean, onCopy: (String) -> Unit) {
    val colors = LocalOriginColors.current.takeIf { tinted }
    val light = MaterialTheme.colorScheme.provisional
    val source = pieces.joinToString("") { it.text } + provisional
    val blocks = remember(source) { parseMarkdown(source) }
    val marks = remember(pieces, colors, light) { Marks(pieces, colors, light) }
    // What the marks say, for those who hear the screen.
    val summary = remember(pieces) { summary(pieces) }
    SelectionContainer {
        MarkdownText(
            blocks,
            marks,
            onCopy,
            Modifier.testTag("reply").semantics(mergeDescendants = true) { stateDescription = summary },
        )
    }
}

/** What a model thought before it replied: open while nothing else is there, and folded from then on. */
@Composable
private fun Thoughts(text: String, isOpen: Boolean) {
    var chosen by rememberSaveable { mutableStateOf<Boolean?>(null) }
    val open = chosen ?: isOpen
    val quiet = MaterialTheme.colorScheme.onSurfaceVariant
    Surface(
        { chosen = !open },
        Modifier.fillMaxWidth().testTag("thoughts"),
        shape = MaterialTheme.shapes.small,
        color = MaterialTheme.colorScheme.surfaceContainerLow,
    ) {
        Column(Modifier.padding(12.dp, 8.dp), verticalArrangement = Arrangement.spacedBy(4.dp)) {
            Row(verticalAlignment = Alignment.CenterVertically) {
                Text(say("chat.thoughts"), Modifier.weight(1f), quiet, style = MaterialTheme.typography.labelLarge)
                val arrow = if (open) Icons.Filled.KeyboardArrowUp else Icons.Filled.KeyboardArrowDown
                Icon(arrow, contentDescription = null, Modifier.size(18.dp), tint = quiet)
            }
            if (open) Text(text.trim(), color = quiet, style = MaterialTheme.typography.bodyMedium)
        }
    }
}

@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun FiguresLine(figures: Figures) {
    FlowRow(
        Modifier.testTag("figures").semantics(mergeDescendants = true) {},
        horizontalArrangement = Arrangement.spacedBy(14.dp),
        verticalArrangement = Arrangement.spacedBy(2.dp),
    ) {
        for (part in figures.line()) {
            Text(part, style = MaterialTheme.typography.labelMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
        }
    }
}

/** Whether a reply ended so that a button to have it written again stands below it. */
private val ReplyEnd?.offersAgain: Boolean
    get() = this == null || problem != null || finish == FinishReason.CANCELLED

@Composable
private fun Ending(end: ReplyEnd?, last: Boolean, actions: TurnActions) {
    val note = when {
        end == null -> say("end.interrupted")
        end.problem != null -> null
        end.finish == FinishReason.CANCELLED -> say("end.stopped")
        end.finish == FinishReason.MAX_TOKENS -> say("end.too_long")
        end.finish == FinishReason.CONTEXT_FULL -> say("end.context_full")
        else -> null
    }
    if (note != null) {
        Text(note, style = MaterialTheme.typography.labelMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
    }
    end?.problem?.let { ProblemCard(it, last, actions) }
    if (last && end.offersAgain && end?.problem == null) OutlinedButton(actions.again) { Text(say("try_again")) }
}

@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun ProblemCard(problem: Problem, last: Boolean, actions: TurnActions) {
    Surface(
        Modifier.fillMaxWidth().semantics { liveRegion = LiveRegionMode.Polite }.testTag("problem"),
        shape = MaterialTheme.shapes.medium,
        color = MaterialTheme.colorScheme.errorContainer,
    ) {
        Column(Modifier.padding(16.dp, 12.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
            Text(say("recovery.${problem.recovery.name.lowercase()}"))
            if (!last) return@Column
            FlowRow(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
                when (problem.recovery) {
                    Recovery.PROVIDE_MODEL, Recovery.DOWNLOAD_AGAIN, Recovery.CHOOSE_ANOTHER_MODEL,
                    Recovery.FREE_MEMORY, Recovery.FREE_STORAGE,
                    -> ProblemButton(say("screen.models"), actions.models)
                    Recovery.SIGN_IN, Recovery.CHECK_ENDPOINT, Recovery.FIX_OPTIONS ->
                        ProblemButton(say("screen.settings"), actions.settings)
                    else -> Unit
                }
                ProblemButton(say("try_again"), actions.again)
            }
        }
    }
}

/** In the colour of what is written on the card: the theme's own blue and gray lines are hard to see on red. */
@Composable
private fun ProblemButton(label: String, onClick: () -> Unit) {
    val color = MaterialTheme.colorScheme.onErrorContainer
    OutlinedButton(
        onClick,
        colors = ButtonDefaults.outlinedButtonColors(contentColor = color),
        border = BorderStroke(1.dp, color),
    ) { Text(label) }
}

/** Where nothing was said yet. */
@Composable
internal fun Welcome(hasModel: Boolean, asksServer: Boolean, onModels: () -> Unit, modifier: Modifier = Modifier) {
    Box(modifier.fillMaxSize().padding(32.dp), contentAlignment = Alignment.Center) {
        Column(horizontalAlignment = Alignment.CenterHorizontally, verticalArrangement = Arrangement.spacedBy(12.dp)) {
            Logo()
            Text(say("chat.ask"), style = MaterialTheme.typography.headlineSmall)
            val about = when {
                !hasModel -> say("chat.ask.model")
                asksServer -> say("chat.ask.server")
                else -> say("chat.ask.alone")
            }
            Text(about, textAlign = TextAlign.Center, color = MaterialTheme.colorScheme.onSurfaceVariant)
            if (!hasModel) OutlinedButton(onModels) { Text(say("chat.choose_model")) }
        }
    }
}
