package dev.uhlm.demo.chat

import dev.uhlm.LinkCause
import dev.uhlm.LinkState
import dev.uhlm.Mode
import dev.uhlm.demo.settings.Settings

/**
 * Returns what the strip above a conversation says: what is different now, and what follows for replies. Null while all
 * is as it should be, and if the person wants the device alone. The iOS app has the same words.
 */
internal fun ChatState.banner(settings: Settings): String? {
    if (settings.remote == null || settings.mode == Mode.DEVICE_ONLY) return null
    val consequence = when (settings.mode) {
        Mode.REMOTE_ONLY -> "Replies wait for it."
        else -> "The device goes on alone; its words are not checked."
    }
    return when {
        !network -> "No network. $consequence"
        link == LinkState.ONLINE -> null
        cause == LinkCause.BUSY -> "The server is busy. $consequence"
        link == LinkState.OFFLINE -> "The server does not answer. $consequence"
        else -> "The connection is unsteady. Trying again…"
    }
}
