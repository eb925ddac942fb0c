package dev.uhlm.android

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.content.Context
import android.os.Build
import dev.uhlm.DownloadEvent

/** Makes the notification that the system shows while a model is downloaded. */
public fun interface DownloadNotification {
    /**
     * Called on the main thread, at most once a second for each download.
     *
     * @param context what the notification is made with.
     * @param name the download's name.
     * @param progress how far it is; none before the server was asked.
     */
    public fun build(context: Context, name: String, progress: DownloadEvent.Progress?): Notification

    public companion object {
        /**
         * Returns notifications with the name of the model and a bar, in a channel of their own.
         *
         * @param channel the name of the channel, for people who look into the settings of notifications.
         * @param title what stands beside the bar, by the name of the download.
         */
        public fun of(
            channel: String = "Downloads",
            title: (name: String) -> String = { "Downloading $it" },
        ): DownloadNotification = Plain(channel, title)
    }
}

private class Plain(private val channel: String, private val title: (String) -> String) : DownloadNotification {
    override fun build(context: Context, name: String, progress: DownloadEvent.Progress?): Notification {
        val total = progress?.total?.toLong()?.takeIf { it > 0 }
        val promille = if (total == null) 0 else (progress.received.toLong() * MAX / total).toInt()
        return builder(context)
            .setContentTitle(title(name))
            .setSmallIcon(android.R.drawable.stat_sys_download)
            .setProgress(MAX, promille, total == null)
            .setOngoing(true)
            .setOnlyAlertOnce(true)
            .build()
    }

    private fun builder(context: Context): Notification.Builder {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.O) {
            @Suppress("DEPRECATION") // Below API 26 there are no channels.
            return Notification.Builder(context)
        }
        val manager = context.getSystemService(Context.NOTIFICATION_SERVICE) as NotificationManager
        // One that is there already is left as it is.
        manager.createNotificationChannel(NotificationChannel(ID, channel, NotificationManager.IMPORTANCE_LOW))
        return Notification.Builder(context, ID)
    }

    private companion object {
        const val ID = "dev.uhlm.downloads"
        const val MAX = 1000
    }
}
