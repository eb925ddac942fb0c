package dev.uhlm.demo.chat

import dev.uhlm.DeviceState
import dev.uhlm.UhlmSessionInterface
import dev.uhlm.demo.settings.Settings

/** Opens the sessions that conversations are held in. A fake of it is all that the view model's tests need. */
interface Sessions {
    /**
     * The session of a conversation, opened where there is none or where [settings] ask for another one. It may hold
     * other messages than the conversation does. It is kept until [replied] at least.
     *
     * @throws dev.uhlm.UhlmException where the model or an option cannot be used.
     */
    suspend fun session(conversation: String, settings: Settings): UhlmSessionInterface

    /** The session of a conversation if it is open. */
    fun opened(conversation: String): UhlmSessionInterface?

    /** The reply that the session of a conversation was asked for is over, in whatever way. */
    fun replied(conversation: String)

    /** Ends the session of a conversation. */
    fun release(conversation: String)

    /** A token was changed: connections that use the last one are given up with the sessions on them. */
    fun forgetTokens()

    fun setDevice(state: DeviceState)

    fun networkChanged()

    fun close()
}
