package dev.uhlm.demo.ui

import dev.uhlm.Mode
import dev.uhlm.SentKind
import dev.uhlm.demo.settings.GoalChoice
import dev.uhlm.demo.settings.Theme
import dev.uhlm.demo.settings.ThinkingChoice
import dev.uhlm.demo.settings.Trust
import dev.uhlm.demo.settings.WhenOffline
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.words.say
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

internal fun tokens(count: Long): String =
    if (count == 1L) say("sent.tokens.one") else say("sent.tokens", count)

internal fun requests(count: Int): String =
    if (count == 1) say("sent.requests.one") else say("sent.requests", count)

/** Tokens a second as one reads them: nobody needs a decimal of 37. */
internal fun rounded(number: Double): String = DecimalFormat(if (number < 9.95) "0.0" else "0").format(number)

/** In steps that a network's changes are larger than: 5 ms, and 10 ms from 100 ms on. */
internal fun milliseconds(seconds: Double): Int {
    val step = if (seconds < 0.0975) 5 else 10
    return (seconds * 1000 / step).roundToInt() * step
}

internal fun percent(share: Double): String = "${(share * 100).roundToInt()} %"

internal fun moment(at: Long): String =
    DateFormat.getDateTimeInstance(DateFormat.MEDIUM, DateFormat.SHORT).format(Date(at))

internal fun time(at: Long): String = DateFormat.getTimeInstance(DateFormat.MEDIUM).format(Date(at))

internal val Mode.title: String
    get() = when (this) {
        Mode.OPPORTUNISTIC -> say("mode.opportunistic")
        Mode.EXACT -> say("mode.exact")
        Mode.DEVICE_ONLY -> say("mode.device_only")
        Mode.REMOTE_ONLY -> say("mode.remote_only")
    }

internal val Mode.about: String
    get() = when (this) {
        Mode.OPPORTUNISTIC -> say("mode.opportunistic.about")
        Mode.EXACT -> say("mode.exact.about")
        Mode.DEVICE_ONLY -> say("mode.device_only.about")
        Mode.REMOTE_ONLY -> say("mode.remote_only.about")
    }

internal val GoalChoice.title: String get() = say("goal.${name.lowercase()}")

internal val WhenOffline.title: String get() = say("offline.${name.lowercase()}")

internal val ThinkingChoice.title: String get() = say("thinking.${name.lowercase()}")

internal val Trust.title: String get() = say("settings.trust.${name.lowercase()}")

internal val Theme.title: String get() = say("settings.theme.${name.lowercase()}")

internal val SentKind.title: String
    get() = when (this) {
        SentKind.OPEN -> say("sent.open")
        SentKind.ADVANCE -> say("sent.advance")
    }

/** The line under a reply, in the order of what one looks for first. */
internal fun Figures.line(): List<String> = buildList {
    add(say("figures.speed", rounded(tokensPerSecond)))
    if (requests == 0L) {
        add(say("figures.nothing"))
    } else if (unanswered) {
        add(say("figures.unanswered"))
    } else {
        shareAsked?.let { add(say("figures.asked", percent(it))) }
        add(say("figures.bytes", bytes(bytesUp + bytesDown)))
        roundTripSeconds?.let { add(say("figures.trip", milliseconds(it))) }
        saved?.let { add(say("figures.saved", percent(it))) }
        if (handedOff) add(say("figures.handed_off")) else if (bridged) add(say("figures.bridged"))
    }
}
