package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.selection.toggleable
import androidx.compose.foundation.text.KeyboardOptions
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.FilledTonalButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Slider
import androidx.compose.material3.Switch
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableFloatStateOf
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.focus.onFocusChanged
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.Role
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.input.KeyboardType
import androidx.compose.ui.text.input.PasswordVisualTransformation
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.settings.HUB_TOKEN
import dev.uhlm.demo.settings.SecretsState
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsViewModel
import dev.uhlm.demo.settings.Theme
import dev.uhlm.demo.settings.Trust
import dev.uhlm.demo.settings.VERIFIER_TOKEN
import dev.uhlm.demo.settings.addressOfServer
import dev.uhlm.demo.words.say
import java.text.DecimalFormat
import kotlin.math.roundToInt

@Composable
internal fun SettingsScreen(settings: Settings, secrets: SecretsState, model: SettingsViewModel, back: () -> Unit) {
    Page(say("screen.settings"), back) {
        Column(
            Modifier.fillMaxWidth().verticalScroll(rememberScrollState())
                .padding(16.dp, 0.dp, 16.dp, 24.dp).testTag("settings"),
            verticalArrangement = Arrangement.spacedBy(8.dp),
        ) {
            Heading(say("settings.server"))
            LinkField(model::pair)
            KeptField(say("settings.address"), settings.endpoint, "https://host:port", tag = "endpoint") { text ->
                model.change { it.copy(endpoint = text.trim()) }
            }
            Text(say("settings.trust"), style = MaterialTheme.typography.labelLarge)
            Chips {
                for (trust in Trust.entries) {
                    val choose = { model.change { it.copy(trust = trust) } }
                    Choice(settings.trust == trust, choose, trust.title)
                }
            }
            TrustField(settings, model)
            SecretField(say("settings.token"), secrets.verifierToken) { model.secret(VERIFIER_TOKEN, it) }

            Heading(say("settings.replies"))
            val longest = settings.maxTokens.toFloat()
            val inTokens = { value: Float -> say("settings.tokens", value.roundToInt()) }
            KeptSlider(say("settings.longest"), longest, 32f..2048f, inTokens) { value ->
                model.change { it.copy(maxTokens = value.roundToInt()) }
            }
            val inTenths = { value: Float -> DecimalFormat("0.0").format(value) }
            KeptSlider(say("settings.temperature"), settings.temperature, 0f..1.5f, inTenths) { value ->
                model.change { it.copy(temperature = (value * 10).roundToInt() / 10f) }
            }
            val prompt = settings.systemPrompt
            KeptField(say("settings.system"), prompt, "", 5, "system", KeyboardType.Text) { text ->
                model.change { it.copy(systemPrompt = text) }
            }
            CalibrationRow(settings.calibration.isNotBlank(), settings.model.isNotBlank(), model)

            Heading(say("tools.title"))
            ToolSettings(settings, model)

            Heading(say("screen.models"))
            SwitchRow(say("settings.metered"), settings.allowMetered) { on ->
                model.change { it.copy(allowMetered = on) }
            }
            SecretField(say("settings.hub"), secrets.hubToken) { model.secret(HUB_TOKEN, it) }

            Heading(say("settings.notices"))
            SwitchRow(say("settings.notices.done"), settings.noticeDone) { on ->
                model.change { it.copy(noticeDone = on) }
            }
            if (settings.noticeDone) {
                SwitchRow(say("settings.notices.text"), settings.noticeText) { on ->
                    model.change { it.copy(noticeText = on) }
                }
                Quiet(say("settings.notices.about"))
            }

            Heading(say("settings.privacy"))
            SwitchRow(say("settings.record"), settings.recordText) { on ->
                model.change { it.copy(recordText = on) }
            }

            for (server in settings.agreed.sorted()) AgreedRow(server) {
                model.change { it.copy(agreed = it.agreed - server) }
            }

            Heading(say("settings.appearance"))
            Chips {
                for (theme in Theme.entries) {
                    val choose = { model.change { it.copy(theme = theme) } }
                    Choice(settings.theme == theme, choose, theme.title)
                }
            }
        }
    }
}

/** Whether models may use this device's tools, and whether they ask. */
@Composable
private fun ToolSettings(settings: Settings, model: SettingsViewModel) {
    SwitchRow(say("tools.on"), settings.tools) { on -> model.change { it.copy(tools = on) } }
    Quiet(say("tools.about"))
    if (!settings.tools) return
    SwitchRow(say("tools.ask"), settings.askTools) { on -> model.change { it.copy(askTools = on) } }
    if (settings.asksServer) Quiet(say("tools.may.sent"))
    Quiet(say("tools.models"))
}

/** A field or a sentence, and its buttons: beside it where there is room, and below it where large type leaves none. */
@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun FieldRow(content: @Composable (field: Modifier) -> Unit) {
    FlowRow(
        horizontalArrangement = Arrangement.spacedBy(8.dp),
        verticalArrangement = Arrangement.spacedBy(4.dp),
        itemVerticalAlignment = Alignment.CenterVertically,
    ) { content(Modifier.weight(1f)) }
}

/** Where a link is put in by who has no camera for its code. It may hold a token, so it is nowhere kept. */
@Composable
private fun LinkField(pair: (String) -> Unit) {
    var text by remember { mutableStateOf("") }
    FieldRow { place ->
        OutlinedTextField(
            text,
            { text = it },
            place.testTag("link"),
            label = { Text(say("pairing.link")) },
            placeholder = { Text(say("pairing.link.hint")) },
            singleLine = true,
            keyboardOptions = KeyboardOptions(autoCorrectEnabled = false, keyboardType = KeyboardType.Uri),
        )
        val read = {
            pair(text)
            text = ""
        }
        FilledTonalButton(read, enabled = text.isNotBlank()) { Text(say("pairing.accept")) }
    }
}

/** Which thresholds decide what is asked about. A phone's person picks a file; nobody can type where it lies. */
@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun CalibrationRow(there: Boolean, hasModel: Boolean, model: SettingsViewModel) {
    val outside = LocalOutside.current
    Text(say("settings.calibration"), style = MaterialTheme.typography.labelLarge)
    Quiet(if (there) say("settings.calibration.there") else say("settings.calibration.none"))
    FlowRow(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
        if (outside != null) {
            FilledTonalButton({ outside.pick(model::calibrate) }, enabled = hasModel) { Text(say("models.import")) }
        }
        if (there) {
            val described = Modifier.semantics { contentDescription = say("settings.calibration.remove") }
            TextButton({ model.change { it.copy(calibration = "") } }, described) { Text(say("remove")) }
        }
    }
}

@Composable
private fun TrustField(settings: Settings, model: SettingsViewModel) {
    val (label, lines) = when (settings.trust) {
        Trust.AUTHORITIES -> return
        Trust.PEM -> say("settings.trust.pem.label") to 6
        Trust.PIN -> say("settings.trust.pin.label") to 6
        Trust.FINGERPRINT -> say("settings.trust.fingerprint.label") to 4
    }
    KeptField(label, settings.trustValue, "", lines, "trust") { text -> model.change { it.copy(trustValue = text) } }
}

/** A field that is kept when it is left, and when the screen is. */
@Composable
private fun KeptField(
    label: String,
    value: String,
    hint: String,
    lines: Int = 1,
    tag: String = label,
    keyboard: KeyboardType = KeyboardType.Uri,
    keep: (String) -> Unit,
) {
    var text by rememberSaveable(value) { mutableStateOf(value) }
    androidx.compose.runtime.DisposableEffect(value) {
        onDispose { if (text != value) keep(text) }
    }
    OutlinedTextField(
        text,
        { text = it },
        Modifier.fillMaxWidth().testTag(tag).onFocusChanged { if (!it.hasFocus && text != value) keep(text) },
        // A second line would lie above the field's border.
        label = { Text(label, maxLines = 1, overflow = TextOverflow.Ellipsis) },
        placeholder = { Text(hint) },
        singleLine = lines == 1,
        maxLines = lines,
        keyboardOptions = KeyboardOptions(autoCorrectEnabled = keyboard == KeyboardType.Text, keyboardType = keyboard),
    )
}

/** A secret goes in and never comes out again. Not saved across a turn of the screen: that would write it elsewhere. */
@Composable
private fun SecretField(label: String, there: Boolean, keep: (String) -> Unit) {
    var text by remember(there) { mutableStateOf("") }
    FieldRow { place ->
        OutlinedTextField(
            text,
            { text = it },
            place.testTag(label),
            label = { Text(label) },
            placeholder = { Text(if (there) say("settings.token.kept") else say("settings.token.none")) },
            singleLine = true,
            visualTransformation = PasswordVisualTransformation(),
            keyboardOptions = KeyboardOptions(autoCorrectEnabled = false, keyboardType = KeyboardType.Password),
        )
        FilledTonalButton(
            {
                keep(text)
                text = ""
            },
            Modifier.semantics { contentDescription = say("settings.token.keep", label) },
            enabled = text.isNotBlank(),
        ) { Text(say("keep")) }
        if (there) {
            val described = Modifier.semantics { contentDescription = say("settings.token.remove", label) }
            TextButton({ keep("") }, described) { Text(say("remove")) }
        }
    }
}

@Composable
private fun KeptSlider(
    label: String,
    value: Float,
    range: ClosedFloatingPointRange<Float>,
    format: (Float) -> String,
    keep: (Float) -> Unit,
) {
    var moved by remember(value) { mutableFloatStateOf(value) }
    Row {
        Text(label, Modifier.weight(1f), style = MaterialTheme.typography.labelLarge)
        Text(format(moved), style = MaterialTheme.typography.labelLarge)
    }
    Slider(
        moved,
        { moved = it },
        Modifier.semantics { contentDescription = label },
        valueRange = range,
        onValueChangeFinished = { keep(moved) },
    )
}

/** A server that reads conversations without being asked about. */
@Composable
private fun AgreedRow(server: String, onAsk: () -> Unit) {
    FieldRow { place ->
        val says = say("settings.agreed", server.addressOfServer)
        Text(says, place, style = MaterialTheme.typography.bodyLarge)
        TextButton(onAsk) { Text(say("settings.ask_again")) }
    }
}

@Composable
internal fun SwitchRow(label: String, on: Boolean, change: (Boolean) -> Unit) {
    // The whole row is the switch: its words are what a finger goes to.
    Row(
        Modifier.toggleable(on, role = Role.Switch, onValueChange = change).semantics { contentDescription = label }
            .heightIn(min = 48.dp),
        verticalAlignment = Alignment.CenterVertically,
    ) {
        Text(label, Modifier.weight(1f).padding(end = 12.dp), style = MaterialTheme.typography.bodyLarge)
        Switch(on, null)
    }
}
