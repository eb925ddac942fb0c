package dev.uhlm.demo.words

import dev.uhlm.demo.chat.ReplyNotice

/** What notifications say. Only a phone has them, and what only the phone has names no words itself. */
object NoticeWords {
    val stop: String get() = say("stop")

    /** The name of the channel of replies, and of that of downloads. */
    val replies: String get() = say("notice.replies")
    val downloads: String get() = say("notice.downloads")

    fun downloading(name: String): String = say("notice.downloading", name)

    fun title(notice: ReplyNotice): String = when (notice) {
        is ReplyNotice.Asking -> say("tools.waiting")
        is ReplyNotice.Done -> if (notice.isWhole) say("notice.done") else say("notice.failed")
        is ReplyNotice.Writing ->
            if (notice.replies == 1) say("notice.writing") else say("notice.writing.many", notice.replies)
    }
}
