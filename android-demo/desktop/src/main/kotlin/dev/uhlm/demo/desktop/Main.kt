package dev.uhlm.demo.desktop

import androidx.compose.ui.unit.DpSize
import androidx.compose.ui.unit.dp
import androidx.compose.ui.window.Window
import androidx.compose.ui.window.application
import androidx.compose.ui.window.rememberWindowState
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.settings.Trust
import dev.uhlm.demo.ui.App
import java.io.File
import java.io.RandomAccessFile
import kotlin.system.exitProcess
import kotlinx.coroutines.runBlocking

/** Held as long as the process lives: two of them would write the same conversations. */
private var lock: RandomAccessFile? = null

private const val USAGE = """Arguments, all optional; what they set is kept:
  --folder DIR         where conversations, models and settings lie (default: ~/.uhlm-demo)
  --model FILE         the draft model, a GGUF file
  --calibration FILE   what `uhlm calibrate` wrote for it
  --endpoint URL       the verifier
  --fingerprint HEX    the certificate that `uhlm serve` prints"""

fun main(arguments: Array<String>) {
    val given = arguments.toList().chunked(2).associate { it.first() to it.getOrNull(1) }
    val known = setOf("--folder", "--model", "--calibration", "--endpoint", "--fingerprint")
    if (given.any { (name, value) -> name !in known || value == null }) {
        System.err.println(USAGE)
        exitProcess(2)
    }
    val folder = File(given["--folder"] ?: (System.getProperty("user.home") + "/.uhlm-demo"))
    if (!lock(folder)) {
        System.err.println("The app runs already, or $folder cannot be written.")
        exitProcess(1)
    }
    runBlocking { SettingsStore(folder).change { it.with(given) } }
    val wiring = Wiring(DesktopPlatform(folder))
    application {
        val state = rememberWindowState(size = DpSize(420.dp, 860.dp))
        Window(::exitApplication, state, title = "U-HLM") { App(wiring.viewModels, DesktopOutside()) }
    }
}

private fun Settings.with(given: Map<String, String?>) = copy(
    model = given["--model"] ?: model,
    calibration = given["--calibration"] ?: calibration,
    endpoint = given["--endpoint"] ?: endpoint,
    trust = if ("--fingerprint" in given) Trust.FINGERPRINT else trust,
    trustValue = given["--fingerprint"] ?: trustValue,
)

private fun lock(folder: File): Boolean {
    if (!folder.isDirectory && !folder.mkdirs()) return false
    lock = RandomAccessFile(File(folder, "lock"), "rw")
    return lock?.channel?.tryLock() != null
}
