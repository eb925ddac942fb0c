package dev.uhlm

import java.util.concurrent.ConcurrentHashMap
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch

/**
 * Runs downloads at once, and again after a while where that is asked for, as long as [scope] lives. It knows nothing
 * of networks: one that is missing shows when it is used.
 *
 * @param firstWait how long it waits before the second attempt. Each further wait is twice as long.
 * @param longestWait what waits grow to at most.
 */
public class InProcessScheduler(
    private val scope: CoroutineScope,
    private val firstWait: Duration = 30.seconds,
    private val longestWait: Duration = 1.hours,
) : DownloadScheduler {
    private val jobs = ConcurrentHashMap<Int, Job>()

    override fun schedule(task: DownloadTask, run: suspend () -> DownloadOutcome) {
        cancel(task)
        val job = scope.launch {
            var wait = firstWait
            while (run() == DownloadOutcome.AGAIN) {
                delay(wait)
                wait = minOf(wait * 2, longestWait)
            }
        }
        jobs[task.id] = job
        job.invokeOnCompletion { jobs.remove(task.id, job) }
    }

    override fun holds(task: DownloadTask): Boolean = jobs.containsKey(task.id)

    override fun cancel(task: DownloadTask) {
        jobs.remove(task.id)?.cancel()
    }
}
