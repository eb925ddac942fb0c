package dev.uhlm.android

import android.app.Notification
import android.app.NotificationManager
import android.app.job.JobParameters
import android.app.job.JobService
import android.content.Context
import android.os.Build
import dev.uhlm.DownloadOutcome
import dev.uhlm.DownloadState
import dev.uhlm.UhlmDownloads
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.launch

/** Runs a download for as long as the system lets it. The system starts it; apps have nothing to do with it. */
public class UhlmDownloadJob : JobService() {
    private val scope: CoroutineScope = MainScope()
    private val jobs = mutableMapOf<Int, Job>()

    override fun onStartJob(parameters: JobParameters): Boolean {
        val name = parameters.extras.getString(JobScheduling.NAME) ?: return false
        // An app that no longer asks for downloads in its `onCreate`: the job is from an earlier version of it.
        val (downloads, notification) = UhlmAndroid.background ?: return false
        // The system wants to see it within seconds.
        show(parameters, notification.build(this, name, null))
        jobs[parameters.jobId] = scope.launch {
            val watching = launch { watch(parameters, name, downloads, notification) }
            try {
                val outcome = downloads.run(name)
                jobFinished(parameters, outcome == DownloadOutcome.AGAIN)
            } finally {
                watching.cancel()
                jobs -= parameters.jobId
                hide(parameters)
            }
        }
        return true
    }

    /** The system takes the time, the network or the battery away: the download goes on in a later job. */
    override fun onStopJob(parameters: JobParameters): Boolean {
        jobs.remove(parameters.jobId)?.cancel()
        return true
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    private suspend fun watch(
        parameters: JobParameters,
        name: String,
        downloads: UhlmDownloads,
        notification: DownloadNotification,
    ) {
        downloads.states.map { it[name] }.distinctUntilChanged().conflate().collect { state ->
            if (state !is DownloadState.Running) return@collect
            show(parameters, notification.build(this, name, state.progress))
            // The system drops what comes faster than it shows.
            delay(EVERY)
        }
    }

    private fun show(parameters: JobParameters, notification: Notification) {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            setNotification(parameters, parameters.jobId, notification, JOB_END_NOTIFICATION_POLICY_REMOVE)
        } else {
            manager.notify(parameters.jobId, notification)
        }
    }

    private fun hide(parameters: JobParameters) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.UPSIDE_DOWN_CAKE) manager.cancel(parameters.jobId)
    }

    private val manager get() = getSystemService(Context.NOTIFICATION_SERVICE) as NotificationManager

    private companion object {
        /** Milliseconds between two states of the notification. */
        const val EVERY = 1000L
    }
}
