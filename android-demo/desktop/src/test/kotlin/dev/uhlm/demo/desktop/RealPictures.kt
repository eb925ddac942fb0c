package dev.uhlm.demo.desktop

import dev.uhlm.Mode
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.Trust
import java.io.File
import kotlin.time.Duration.Companion.minutes

/**
 * Pictures of a real pair: a reply that the server checks, one that it does not, and a call of a tool that is allowed.
 *
 * @property endpoint the server, which runs elsewhere.
 */
internal class RealPictures(
    private val into: File,
    private val look: Look,
    private val model: String,
    private val endpoint: String,
    private val fingerprint: String,
) {
    private val question = "How do I reverse a list in Kotlin? One sentence, then the code."

    val parts: Map<String, () -> Unit> = mapOf("chat" to ::chat, "offline" to ::offline, "tools" to ::tools)

    private fun chat() = app(endpoint) { app ->
        app.asks(question)
        app.click("Details")
        app.take("real-chat-${look.ending}")
    }

    /** Where nothing listens. */
    private fun offline() = app("https://127.0.0.1:9") { app ->
        app.asks(question)
        app.take("real-offline-${look.ending}")
    }

    private fun tools() = app(endpoint, tools = true) { app ->
        app.asks("What is 12.75 * 48.6?")
        app.click("call")
        app.take("real-tools-${look.ending}")
    }

    private fun app(server: String, tools: Boolean = false, use: (Screenshots) -> Unit) {
        val settings = Settings(
            endpoint = server,
            trust = Trust.FINGERPRINT,
            trustValue = fingerprint,
            model = model,
            mode = Mode.EXACT,
            temperature = 0f,
            maxTokens = 160,
            theme = look.theme,
            tools = tools,
        )
        Screenshots(into, settings, millis = 0).use(use)
    }

    /** Sends a message, and allows what the reply calls, which may be more than one tool. */
    private fun Screenshots.asks(question: String) {
        send(question)
        click("Send this conversation")
        // A large model on a small machine takes its time.
        eventually({ "the end of the reply" }, 10.minutes) {
            if (chat.callHere != null) click("Allow")
            reply?.end != null && chat.writingHere == null
        }
    }
}
