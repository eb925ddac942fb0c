package dev.uhlm.demo.chat

import dev.uhlm.LinkCause
import dev.uhlm.LinkState
import dev.uhlm.Mode
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.WhenOffline
import dev.uhlm.demo.settings.host
import dev.uhlm.demo.ui.title
import dev.uhlm.demo.words.say

/**
 * Returns what the strip above a conversation says: what is different now, and what follows for replies. Null while all
 * is as it should be, and if the person wants the device alone. The iOS app has the same words.
 */
internal fun ChatState.banner(settings: Settings): String? {
    if (!settings.asksServer) return null
    val consequence = when (settings.whenOffline) {
        WhenOffline.FAIL -> say("banner.fail")
        WhenOffline.WAIT -> say("banner.wait")
        WhenOffline.GO_ON -> say(if (settings.mode == Mode.REMOTE_ONLY) "banner.wait" else "banner.go_on")
    }
    return when {
        !network -> say("banner.no_network", consequence)
        link == LinkState.ONLINE -> null
        cause == LinkCause.BUSY -> say("banner.busy", consequence)
        link == LinkState.OFFLINE -> say("banner.away", consequence)
        else -> say("banner.unsteady")
    }
}

/** "Exact · host": how replies are written, and with which server or what is the matter with it. */
internal fun ChatState.heading(settings: Settings): String {
    val server = when {
        !settings.asksServer -> null
        !network -> say("link.no_network")
        link == LinkState.ONLINE -> settings.endpoint.host
        cause == LinkCause.BUSY -> say("link.busy")
        link == LinkState.OFFLINE -> say("link.away")
        else -> say("link.unsteady")
    }
    return listOfNotNull(settings.effectiveMode.title, server).joinToString(" · ")
}
