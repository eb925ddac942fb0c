package dev.uhlm.demo.chat

import dev.uhlm.FinishReason
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.Reply
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.distinctUntilChanged

/** What the system shows of replies while nobody sees the app. */
sealed interface ReplyNotice {
    /** So many replies are being written. */
    data class Writing(val replies: Int) : ReplyNotice

    /** A reply waits for the person's word on a tool. */
    data class Asking(val conversation: String) : ReplyNotice

    /**
     * The last reply has ended.
     *
     * @property isWhole false where it failed.
     * @property text its text, where the person wants it in the notification.
     */
    data class Done(val conversation: String, val isWhole: Boolean, val text: String?) : ReplyNotice
}

/**
 * Decides what the system shows of replies: nothing while the app is seen, that they are being written while nobody
 * sees it, and at the end that they are done, until the person comes back.
 */
internal class ReplyNotices {
    private var writing = emptySet<String>()
    private var shown: ReplyNotice? = null

    /** Returns what is to be shown now; to be called with each change, in order. */
    fun next(state: ChatState, foreground: Boolean, settings: Settings): ReplyNotice? {
        val ended = writing - state.writing.keys
        writing = state.writing.keys
        val asking = state.calls.keys.firstOrNull()
        shown = when {
            foreground -> null
            asking != null -> ReplyNotice.Asking(asking)
            writing.isNotEmpty() -> ReplyNotice.Writing(writing.size)
            ended.isNotEmpty() -> state.done(ended.last(), settings)
            // It stays until the person comes back.
            else -> shown as? ReplyNotice.Done
        }
        return shown
    }
}

/** What is to be shown of replies, with each change of it. */
internal fun replyNotices(
    chat: Flow<ChatState>,
    foreground: Flow<Boolean>,
    settings: Flow<Settings>,
): Flow<ReplyNotice?> {
    val notices = ReplyNotices()
    return combine(chat, foreground, settings, notices::next).distinctUntilChanged()
}

/** None of a reply that the person stopped, and where nobody wants to be told. */
private fun ChatState.done(id: String, settings: Settings): ReplyNotice.Done? {
    if (!settings.noticeDone) return null
    val reply = conversations.firstOrNull { it.id == id }?.turns?.lastOrNull() as? Reply ?: return null
    if (reply.end?.finish == FinishReason.CANCELLED) return null
    val isWhole = reply.end?.finish != null
    return ReplyNotice.Done(id, isWhole, reply.text.trim().take(LONGEST).takeIf { settings.noticeText && isWhole })
}

/** As much of a reply as a notification may have, in characters; it shows less. */
private const val LONGEST = 500
