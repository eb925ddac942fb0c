package dev.uhlm.demo.models

import dev.uhlm.DownloadEvent
import dev.uhlm.DownloadPhase
import dev.uhlm.DownloadState
import dev.uhlm.WaitCause

/**
 * How far a download is; of a split model which of its parts comes in, from 1, and how many there are.
 *
 * @property waits what it waits for; none while it runs.
 */
data class Progress(
    val phase: DownloadPhase,
    val received: Long,
    val total: Long?,
    val part: Int = 0,
    val parts: Int = 0,
    val waits: WaitCause? = null,
) {
    constructor(told: DownloadEvent.Progress) :
        this(told.phase, told.received.toLong(), told.total?.toLong(), told.part.toInt(), told.parts.toInt())

    /** In [0, 1]; none where the size is not known yet. */
    val share: Float? get() = total?.takeIf { it > 0 }?.let { (received.toDouble() / it).toFloat().coerceIn(0f, 1f) }
}

/** What the screen shows of a download; none of one that has ended. One that waits keeps the bytes of [before]. */
internal fun DownloadState.progress(before: Progress?): Progress? = when (this) {
    is DownloadState.Running -> Progress(progress)
    is DownloadState.Waiting -> (before ?: Progress(DownloadPhase.CONNECTING, 0, null)).copy(waits = cause)
    is DownloadState.Finished, is DownloadState.Failed -> null
}
