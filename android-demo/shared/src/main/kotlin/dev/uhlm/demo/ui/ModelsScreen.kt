package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.FilledTonalButton
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.OutlinedTextField
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
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import dev.uhlm.CataloguePair
import dev.uhlm.DownloadPhase
import dev.uhlm.DownloadRequest
import dev.uhlm.StoredModel
import dev.uhlm.WaitCause
import dev.uhlm.demo.models.Check
import dev.uhlm.demo.models.ModelsState
import dev.uhlm.demo.models.ModelsViewModel
import dev.uhlm.demo.models.Progress
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.words.say

@Composable
internal fun ModelsScreen(state: ModelsState, settings: Settings, models: ModelsViewModel, back: () -> Unit) {
    val outside = LocalOutside.current
    var source by rememberSaveable { mutableStateOf("") }
    Page(say("screen.models"), back) {
        LazyColumn(
            Modifier.testTag("models"),
            contentPadding = PaddingValues(16.dp, 0.dp, 16.dp, 16.dp),
            verticalArrangement = Arrangement.spacedBy(10.dp),
        ) {
            val stored = state.stored.map { it.name }.toSet()
            if (state.downloads.isNotEmpty()) {
                item {
                    Heading(say("models.downloads"))
                    Quiet(say("models.background"))
                }
            }
            items(state.downloads.toList(), key = { "down " + it.first }) { (name, progress) ->
                DownloadCard(name, progress) { models.cancel(name) }
            }
            val stopped = state.unfinished.filter { it.name !in state.downloads }
            if (stopped.isNotEmpty()) item { Heading(say("models.unfinished")) }
            items(stopped, key = { "part " + it.name }) { part ->
                ModelCard(part.name, say("models.unfinished.text", bytes(part.bytes.toLong()))) {
                    TextButton({ models.delete(part.name) }) { Text(say("remove")) }
                }
            }
            item { Heading(say("models.here")) }
            if (state.stored.isEmpty()) item { Quiet(say("models.none")) }
            items(state.stored, key = { it.name }) { model ->
                StoredCard(model, settings.model == model.path, state.checks[model.name], models)
            }
            item { Heading(say("models.address")) }
            item {
                OutlinedTextField(
                    source,
                    { source = it },
                    Modifier.fillMaxWidth().testTag("source"),
                    label = { Text(say("models.address.hint")) },
                    singleLine = true,
                )
            }
            item {
                FilledTonalButton(
                    {
                        models.download(source)
                        source = ""
                    },
                    Modifier.testTag("download"),
                    enabled = source.isNotBlank(),
                ) { Text(say("models.download")) }
            }
            if (outside != null) {
                item { Heading(say("models.file")) }
                item { FilledTonalButton({ outside.pick(models::take) }) { Text(say("models.import")) } }
            }
            item { Heading(say("models.pairs")) }
            items(state.catalogue, key = { "pair " + it.id }) { pair ->
                val here = pair.draft.file in stored || pair.draft.file in state.downloads
                PairCard(pair, here) { models.download(pair) }
            }
        }
    }
    state.unchecked?.let { UncheckedDialog(it, models::answer) }
}

/** Asks before a file is believed that nobody says the SHA-256 of. */
@Composable
private fun UncheckedDialog(request: DownloadRequest, onAnswer: (downloadAnyway: Boolean) -> Unit) {
    AlertDialog(
        onDismissRequest = { onAnswer(false) },
        modifier = Modifier.testTag("unchecked"),
        title = { Text(say("models.unchecked.title")) },
        text = {
            val name = request.name ?: request.sources.first()
            Text(say("models.unchecked.text", name))
        },
        confirmButton = { TextButton({ onAnswer(true) }) { Text(say("models.unchecked.yes")) } },
        dismissButton = { TextButton({ onAnswer(false) }) { Text(say("cancel")) } },
    )
}

@Composable
private fun DownloadCard(name: String, progress: Progress, cancel: () -> Unit) {
    val says = progress.says()
    ModelCard(
        name,
        says,
        between = {
            val share = progress.share
            val bar = Modifier.fillMaxWidth().semantics { contentDescription = "$name: $says" }
            // A bar that moves says that something happens.
            if (share == null && progress.waits == null) LinearProgressIndicator(bar)
            else LinearProgressIndicator({ share ?: 0f }, bar)
        },
    ) { OutlinedButton(cancel) { Text(say("stop")) } }
}

private fun Progress.says(): String {
    val total = total
    val received = bytes(received).let { if (total == null) it else say("models.of", it, bytes(total)) }
    val says = when (waits) {
        WaitCause.NETWORK -> say("models.waiting.network")
        WaitCause.UNMETERED_NETWORK -> say("models.waiting.unmetered")
        WaitCause.NEXT_ATTEMPT -> say("models.waiting.again")
        null -> when (phase) {
            DownloadPhase.CONNECTING -> say("models.connecting")
            DownloadPhase.CHECKING -> say("models.checking")
            DownloadPhase.LOADING -> received
        }
    }
    val isKept = waits != null && this.received > 0
    return when {
        isKept -> "$received · $says"
        part > 0 -> say("models.part", says, part, parts)
        else -> says
    }
}

@Composable
private fun StoredCard(model: StoredModel, used: Boolean, check: Check?, models: ModelsViewModel) {
    val checked = when (check) {
        null -> ""
        else -> " · " + say("models.check.${check.name.lowercase()}")
    }
    ModelCard(model.name, bytes(model.bytes.toLong()) + checked) {
        if (used) {
            val style = MaterialTheme.typography.labelLarge
            Text(say("models.used"), style = style, color = MaterialTheme.colorScheme.primary)
        } else {
            FilledTonalButton({ models.use(model) }) { Text(say("models.use")) }
        }
        TextButton({ models.verify(model) }, enabled = check != Check.RUNNING) { Text(say("models.check")) }
        TextButton({ models.delete(model.name) }, enabled = !used) { Text(say("remove")) }
    }
}

@Composable
private fun PairCard(pair: CataloguePair, here: Boolean, download: () -> Unit) {
    val size = pair.draft.bytes?.let { bytes(it.toLong()) } ?: say("models.size_unknown")
    val measured = if (pair.measured) say("models.measured") else say("models.unmeasured")
    ModelCard(
        pair.draft.name,
        "${pair.about}\n$size · ${pair.draft.licence} · $measured\n" + say("models.target", pair.target.name),
    ) {
        val offer = if (pair.draft.request != null) say("models.download") else say("models.add")
        FilledTonalButton(download, enabled = !here) { Text(if (here) say("models.have") else offer) }
    }
}

@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun ModelCard(
    title: String,
    text: String,
    between: @Composable () -> Unit = {},
    actions: @Composable () -> Unit,
) {
    Panel {
        Text(title, style = MaterialTheme.typography.titleMedium)
        Text(text, style = MaterialTheme.typography.bodyMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
        between()
        // Large type needs more than one row of them.
        FlowRow(
            horizontalArrangement = Arrangement.spacedBy(8.dp),
            itemVerticalAlignment = Alignment.CenterVertically,
        ) { actions() }
    }
}
