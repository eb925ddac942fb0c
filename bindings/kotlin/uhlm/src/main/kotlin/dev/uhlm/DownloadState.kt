package dev.uhlm

/** How far a download in the background is. */
public sealed interface DownloadState {
    /** It is not running, and will run by itself. What was received by then is kept. */
    public data class Waiting(public val cause: WaitCause) : DownloadState

    /** It runs. */
    public data class Running(public val progress: DownloadEvent.Progress) : DownloadState

    /** The model is there, whole and checked. */
    public data class Finished(public val model: StoredModel) : DownloadState

    /**
     * It has ended without a model, and nothing but the person or the app can change that. The state stays, also over
     * the end of the process, until [UhlmDownloads.forget] or another start.
     *
     * @property request what was asked for, to ask for it again.
     */
    public data class Failed(public val error: UhlmException, public val request: DownloadRequest) : DownloadState
}

/** What a download waits for. */
public enum class WaitCause {
    /** A network, and its turn. */
    NETWORK,

    /** A network that is not metered, and its turn. */
    UNMETERED_NETWORK,

    /** The next attempt: the last one failed in a way that passes. */
    NEXT_ATTEMPT,
}

/** What a scheduler does when [UhlmDownloads.run] has returned. */
public enum class DownloadOutcome {
    /** Nothing: the download has ended, well or not. */
    DONE,

    /** Runs it again after a while, each time after a longer one. */
    AGAIN,
}

/**
 * A download as a scheduler knows it.
 *
 * @property name the download's name, by which there is only one at a time.
 * @property id a number that no other download of this app has at the same time.
 * @property allowMetered whether it may run on a metered network.
 * @property bytes the size of the model; none if it is not known.
 */
public data class DownloadTask(
    public val name: String,
    public val id: Int,
    public val allowMetered: Boolean,
    public val bytes: Long?,
)

/** Decides when downloads run. Its calls return at once. */
public interface DownloadScheduler {
    /**
     * Takes a task, in the place of an earlier one with its id, and runs it when there is a network for it.
     *
     * @param run runs the download as [UhlmDownloads.run] does. A scheduler that outlives the process leaves it aside
     * and calls that by the task's name.
     */
    public fun schedule(task: DownloadTask, run: suspend () -> DownloadOutcome)

    /** Returns true if a task is held, whether it runs or waits. */
    public fun holds(task: DownloadTask): Boolean

    /** Gives a task up, and stops it where it runs. */
    public fun cancel(task: DownloadTask)
}
