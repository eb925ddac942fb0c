package dev.uhlm.android

import android.Manifest
import android.app.job.JobInfo
import android.app.job.JobScheduler
import android.content.ComponentName
import android.content.Context
import android.content.pm.PackageManager
import android.os.Build
import android.os.PersistableBundle
import dev.uhlm.DownloadOutcome
import dev.uhlm.DownloadScheduler
import dev.uhlm.DownloadTask
import kotlin.time.Duration.Companion.seconds

/**
 * Downloads as jobs of the system, which outlive the process and a restart of the phone.
 *
 * From Android 14 on they are user-initiated data transfers: they run as long as they take, with a notification, and
 * must be started while the app is seen. Elsewhere they are ordinary jobs, which get some ten minutes at a time; a
 * download that was stopped so goes on in the next job.
 */
internal class JobScheduling(private val context: Context) : DownloadScheduler {
    private val system = context.getSystemService(Context.JOB_SCHEDULER_SERVICE) as JobScheduler

    override fun schedule(task: DownloadTask, run: suspend () -> DownloadOutcome) {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE && system.canRunUserInitiatedJobs()) {
            val job = job(task).setUserInitiated(true).build()
            if (system.schedule(job) == JobScheduler.RESULT_SUCCESS) return
            // Nobody sees the app: it was started by the system.
        }
        system.schedule(job(task).build())
    }

    override fun holds(task: DownloadTask): Boolean = system.getPendingJob(task.id) != null

    override fun cancel(task: DownloadTask): Unit = system.cancel(task.id)

    private fun job(task: DownloadTask): JobInfo.Builder {
        val extras = PersistableBundle().apply { putString(NAME, task.name) }
        val builder = JobInfo.Builder(task.id, ComponentName(context, UhlmDownloadJob::class.java))
            .setExtras(extras)
            .setBackoffCriteria(FIRST_WAIT.inWholeMilliseconds, JobInfo.BACKOFF_POLICY_EXPONENTIAL)
        // An app may take the permission out of its manifest; downloads then end with a restart of the phone.
        val mayPersist = Manifest.permission.RECEIVE_BOOT_COMPLETED
        if (context.checkSelfPermission(mayPersist) == PackageManager.PERMISSION_GRANTED) builder.setPersisted(true)
        val network = if (task.allowMetered) JobInfo.NETWORK_TYPE_ANY else JobInfo.NETWORK_TYPE_UNMETERED
        builder.setRequiredNetworkType(network)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
            val unknown = JobInfo.NETWORK_BYTES_UNKNOWN.toLong()
            builder.setEstimatedNetworkBytes(task.bytes ?: unknown, unknown)
        }
        return builder
    }

    companion object {
        /** The key of a download's name in the extras of its job. */
        const val NAME: String = "dev.uhlm.download"

        private val FIRST_WAIT = 30.seconds
    }
}
