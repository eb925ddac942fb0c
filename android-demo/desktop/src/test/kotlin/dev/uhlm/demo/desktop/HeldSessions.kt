package dev.uhlm.demo.desktop

import dev.uhlm.UhlmSessionInterface
import dev.uhlm.demo.chat.Sessions
import dev.uhlm.demo.settings.Settings
import kotlinx.coroutines.CompletableDeferred

/**
 * Sessions of which one is held back, where a test wants that, between its opening and its reply: what happens
 * meanwhile then does, however slow the machine is.
 */
internal class HeldSessions(private val real: Sessions) : Sessions by real {
    private val gate = CompletableDeferred<Unit>()
    private var holds = false

    /** Whether the session is there and held back. */
    @Volatile
    var isHeld = false
        private set

    /** Holds back the next session that is asked for. */
    fun hold() {
        holds = true
    }

    fun goOn() {
        gate.complete(Unit)
    }

    override suspend fun session(conversation: String, settings: Settings): UhlmSessionInterface {
        val isHeldBack = holds
        holds = false
        val session = real.session(conversation, settings)
        if (isHeldBack) {
            isHeld = true
            gate.await()
        }
        return session
    }
}
