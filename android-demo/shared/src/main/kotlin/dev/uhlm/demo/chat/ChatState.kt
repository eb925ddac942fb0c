package dev.uhlm.demo.chat

import dev.uhlm.ContextUse
import dev.uhlm.LinkCause
import dev.uhlm.LinkState
import dev.uhlm.ToolCall
import dev.uhlm.demo.settings.addressOfServer
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Figures
import kotlinx.coroutines.CompletableDeferred

/** What the chat's screens show. */
data class ChatState(
    /** False until the conversations are read. */
    val loaded: Boolean = false,
    val conversations: List<Conversation> = emptyList(),
    val open: String? = null,
    /** Conversations whose reply is being written. */
    val writing: Map<String, Writing> = emptyMap(),
    /** How much of the models' contexts conversations take, for those that were written in since the app started. */
    val uses: Map<String, ContextUse> = emptyMap(),
    val link: LinkState = LinkState.ONLINE,
    /** Why the server does not answer; null while it does. */
    val cause: LinkCause? = null,
    /** False in airplane mode. */
    val network: Boolean = true,
    val question: ConsentQuestion? = null,
    /** Calls of tools that wait for the person's word, by conversation. */
    val calls: Map<String, PendingCall> = emptyMap(),
    /** One sentence about what went wrong outside of a reply. */
    val notice: String? = null,
) {
    val conversation: Conversation? get() = conversations.firstOrNull { it.id == open }

    val writingHere: Writing? get() = open?.let(writing::get)

    val callHere: PendingCall? get() = open?.let(calls::get)

    /**
     * A conversation whose call waits for the person's word where the person does not see it.
     *
     * @param isSeen whether the open conversation is on the screen.
     */
    fun asksElsewhere(isSeen: Boolean): Conversation? =
        conversations.firstOrNull { it.id in calls && !(isSeen && it.id == open) }

    /** How much of the models' contexts the open conversation takes. */
    val use: ContextUse? get() = open?.let(uses::get)

    /** Whether words are written that nobody checks although they should be. */
    val offline: Boolean get() = !network || link == LinkState.OFFLINE
}

/** A reply on its way. */
data class Writing(
    /** Drafted text that may still be taken back. */
    val provisional: String = "",
    val figures: Figures? = null,
    /** Whether the model is still being loaded. */
    val opening: Boolean = true,
)

/** Asked before the first byte leaves the device. */
data class ConsentQuestion(
    val conversation: String?,
    /** The message that waits; none where a reply is asked for again. */
    val message: String?,
    /** Earlier messages that would be sent, too. */
    val earlier: Int,
    /** The server as agreements name it. */
    val server: String,
    /** The turn in whose place, and of all that follow it, the message is said; none where it is a new one. */
    val replaces: Int? = null,
    /** Whether what tools answer, or answered, would be sent, too. */
    val tools: Boolean = false,
) {
    val endpoint: String get() = server.addressOfServer
}

/**
 * A call of a tool that waits for the person's word.
 *
 * @property mayBeSent whether the tool's answer may be sent to the server.
 */
class PendingCall(val call: ToolCall, val mayBeSent: Boolean) {
    private val word = CompletableDeferred<Boolean>()

    internal suspend fun isAllowed(): Boolean = word.await()

    internal fun answer(isAllowed: Boolean) {
        word.complete(isAllowed)
    }
}

/** What the person answers. */
enum class ConsentChoice { THIS_MESSAGE, CONVERSATION, SERVER, ON_DEVICE, NEITHER }

/** The share of the contexts that is taken, in [0, 1]; none before it is known. */
internal val ContextUse.share: Float?
    get() = context?.takeIf { it != 0u }?.let { (tokens.toFloat() / it.toFloat()).coerceIn(0f, 1f) }

/** Whether there is little room left. */
internal val ContextUse.isNearlyFull: Boolean get() = (share ?: 0f) >= NEARLY

private const val NEARLY = 0.85f
