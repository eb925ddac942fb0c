package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.Card
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
import dev.uhlm.demo.models.Check
import dev.uhlm.demo.models.ModelsState
import dev.uhlm.demo.models.ModelsViewModel
import dev.uhlm.demo.models.Progress
import dev.uhlm.demo.settings.Settings

@Composable
internal fun ModelsScreen(state: ModelsState, settings: Settings, models: ModelsViewModel, back: () -> Unit) {
    var source by rememberSaveable { mutableStateOf("") }
    Page("Models", back) {
        LazyColumn(
            Modifier.testTag("models"),
            contentPadding = PaddingValues(16.dp, 0.dp, 16.dp, 16.dp),
            verticalArrangement = Arrangement.spacedBy(10.dp),
        ) {
            val stored = state.stored.map { it.name }.toSet()
            if (state.downloads.isNotEmpty()) item { Heading("On their way") }
            items(state.downloads.toList(), key = { "down " + it.first }) { (name, progress) ->
                DownloadCard(name, progress) { models.cancel(name) }
            }
            val stopped = state.unfinished.filter { it.name !in state.downloads }
            if (stopped.isNotEmpty()) item { Heading("Unfinished") }
            items(stopped, key = { "part " + it.name }) { part ->
                ModelCard(part.name, "${bytes(part.bytes.toLong())} are here. Download it again to go on from there.") {
                    TextButton({ models.delete(part.name) }) { Text("Remove") }
                }
            }
            item { Heading("On this device") }
            if (state.stored.isEmpty()) item { Text("None yet.", color = MaterialTheme.colorScheme.onSurfaceVariant) }
            items(state.stored, key = { it.name }) { model ->
                StoredCard(model, settings.model == model.path, state.checks[model.name], models)
            }
            item { Heading("From an address") }
            item {
                OutlinedTextField(
                    source,
                    { source = it },
                    Modifier.fillMaxWidth().testTag("source"),
                    label = { Text("https://… or hf:owner/repository/file.gguf") },
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
                ) { Text("Download") }
            }
            item { Heading("Known pairs") }
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
        title = { Text("Download without a check?") },
        text = {
            val name = request.name ?: request.sources.first()
            Text("Nobody says which SHA-256 $name must have: whatever the server sends would be believed.")
        },
        confirmButton = { TextButton({ onAnswer(true) }) { Text("Download anyway") } },
        dismissButton = { TextButton({ onAnswer(false) }) { Text("Cancel") } },
    )
}

@Composable
private fun DownloadCard(name: String, progress: Progress, cancel: () -> Unit) {
    val total = progress.total
    val says = when (progress.phase) {
        DownloadPhase.CONNECTING -> "Connecting…"
        DownloadPhase.CHECKING -> "Checking…"
        DownloadPhase.LOADING -> bytes(progress.received) + if (total == null) "" else " of ${bytes(total)}"
    } + if (progress.part > 0) ", part ${progress.part} of ${progress.parts}" else ""
    ModelCard(
        name,
        says,
        between = {
            val share = progress.share
            val bar = Modifier.fillMaxWidth().semantics { contentDescription = "$name: $says" }
            if (share == null) LinearProgressIndicator(bar) else LinearProgressIndicator({ share }, bar)
        },
    ) { OutlinedButton(cancel) { Text("Stop") } }
}

@Composable
private fun StoredCard(model: StoredModel, used: Boolean, check: Check?, models: ModelsViewModel) {
    val checked = when (check) {
        null -> ""
        Check.RUNNING -> " · checking…"
        Check.INTACT -> " · intact"
        Check.UNKNOWN -> " · nothing to compare with"
        Check.DAMAGED -> " · damaged: remove it and download it again"
    }
    ModelCard(model.name, bytes(model.bytes.toLong()) + checked) {
        if (used) Text("In use", style = MaterialTheme.typography.labelLarge, color = MaterialTheme.colorScheme.primary)
        else FilledTonalButton({ models.use(model) }) { Text("Use") }
        TextButton({ models.verify(model) }, enabled = check != Check.RUNNING) { Text("Check") }
        TextButton({ models.delete(model.name) }, enabled = !used) { Text("Remove") }
    }
}

@Composable
private fun PairCard(pair: CataloguePair, here: Boolean, download: () -> Unit) {
    val size = pair.draft.bytes?.let { bytes(it.toLong()) } ?: "size not known"
    val measured = if (pair.measured) "thresholds measured" else "thresholds not measured"
    ModelCard(
        pair.draft.name,
        "${pair.about}\n$size · ${pair.draft.licence} · $measured\nThe server must run ${pair.target.name}.",
    ) {
        val offer = if (pair.draft.request != null) "Download" else "Add"
        FilledTonalButton(download, enabled = !here) { Text(if (here) "Here" else offer) }
    }
}

@Composable
private fun ModelCard(
    title: String,
    text: String,
    between: @Composable () -> Unit = {},
    actions: @Composable () -> Unit,
) {
    Card(Modifier.fillMaxWidth()) {
        Column(Modifier.padding(14.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
            Text(title, style = MaterialTheme.typography.titleMedium)
            Text(text, style = MaterialTheme.typography.bodyMedium, color = MaterialTheme.colorScheme.onSurfaceVariant)
            between()
            Row(
                horizontalArrangement = Arrangement.spacedBy(8.dp),
                verticalAlignment = Alignment.CenterVertically,
            ) { actions() }
        }
    }
}
