package dev.uhlm.demo.ui

import dev.uhlm.Mode
import dev.uhlm.SentKind
import dev.uhlm.demo.storage.Figures
import java.text.DateFormat
import java.text.DecimalFormat
import java.util.Date
import kotlin.math.roundToInt

internal fun bytes(count: Long): String = when {
    count < 1_000 -> "$count B"
    count < 1_000_000 -> DecimalFormat("0.#").format(count / 1e3) + " kB"
    count < 1_000_000_000 -> DecimalFormat("0.#").format(count / 1e6) + " MB"
    else -> DecimalFormat("0.##").format(count / 1e9) + " GB"
}

internal fun percent(share: Double): String = "${(share * 100).roundToInt()} %"

internal fun moment(at: Long): String =
    DateFormat.getDateTimeInstance(DateFormat.MEDIUM, DateFormat.SHORT).format(Date(at))

internal fun time(at: Long): String = DateFormat.getTimeInstance(DateFormat.MEDIUM).format(Date(at))

internal val Mode.title: String
    get() = when (this) {
        Mode.OPPORTUNISTIC -> "Balanced"
        Mode.EXACT -> "Exact"
        Mode.DEVICE_ONLY -> "Phone only"
        Mode.REMOTE_ONLY -> "Server only"
    }

internal val Mode.about: String
    get() = when (this) {
        Mode.OPPORTUNISTIC -> "The phone writes; the server is asked where the phone is unsure."
        Mode.EXACT -> "Every word is checked: as good as the server alone, with fewer requests."
        Mode.DEVICE_ONLY -> "Nothing leaves the phone."
        Mode.REMOTE_ONLY -> "The server writes everything."
    }

internal val SentKind.title: String
    get() = when (this) {
        SentKind.OPEN -> "Opened a session"
        SentKind.ADVANCE -> "Words to read and to check"
    }

/** The line under a reply, in the order of what one looks for first. */
internal fun Figures.line(): List<String> = buildList {
    add("${DecimalFormat("0.0").format(tokensPerSecond)} tokens/s")
    if (requests == 0L) {
        add("nothing sent")
    } else if (unanswered) {
        add("no answer from the server")
    } else {
        shareAsked?.let { add("asked about ${percent(it)}") }
        add(if (bytesDown > 0) "↑ ${bytes(bytesUp)} ↓ ${bytes(bytesDown)}" else "↑ ${bytes(bytesUp)}")
        roundTripSeconds?.let { add("round trip ${(it * 1000).roundToInt()} ms") }
        saved?.let { add("${percent(it)} of the large model's work saved") }
    }
}
