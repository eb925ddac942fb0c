package dev.uhlm.demo.android

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Context
import android.content.Intent
import android.graphics.drawable.Icon
import android.os.Build
import dev.uhlm.demo.chat.ReplyNotice
import dev.uhlm.demo.words.NoticeWords

/** Shows what is decided of replies while nobody sees the app. */
internal class ReplyNotifications(private val context: Context) {
    private val manager = context.getSystemService(Context.NOTIFICATION_SERVICE) as NotificationManager
    private val starts = (context.applicationContext as DemoApplication).serviceStarts

    /** Shows a notice in the place of the one before; none takes it away. */
    fun show(notice: ReplyNotice?) {
        if (notice is ReplyNotice.Writing) return run(notice)
        if (starts.mayStop()) context.stopService(Intent(context, ReplyService::class.java))
        manager.cancel(RUNNING)
        if (notice == null) manager.cancel(ENDED) else manager.notify(ENDED, build(notice))
    }

    fun build(notice: ReplyNotice): Notification {
        val builder = builder().setContentTitle(NoticeWords.title(notice)).setSmallIcon(R.drawable.notification)
        return when (notice) {
            is ReplyNotice.Writing -> {
                val icon = Icon.createWithResource(context, R.drawable.notification)
                val intent = ReplyService.stop(context)
                val stop = PendingIntent.getService(context, STOP, intent, PendingIntent.FLAG_IMMUTABLE)
                builder.setContentIntent(open(null)).setOngoing(true).setOnlyAlertOnce(true)
                    .addAction(Notification.Action.Builder(icon, NoticeWords.stop, stop).build())
            }
            is ReplyNotice.Asking -> builder.setContentIntent(open(notice.conversation)).setAutoCancel(true)
            is ReplyNotice.Done -> builder.setContentIntent(open(notice.conversation)).setAutoCancel(true)
                .setContentText(notice.text)
                .setStyle(Notification.BigTextStyle().bigText(notice.text))
                // A locked screen shows what stands in the public version alone, if the person hides the rest.
                .setVisibility(Notification.VISIBILITY_PRIVATE)
                .setPublicVersion(
                    builder().setContentTitle(NoticeWords.title(notice)).setSmallIcon(R.drawable.notification).build(),
                )
        }.build()
    }

    private fun run(notice: ReplyNotice.Writing) {
        manager.cancel(ENDED)
        starts.asked()
        try {
            val start = ReplyService.start(context, notice.replies)
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) context.startForegroundService(start)
            else context.startService(start)
        } catch (_: IllegalStateException) {
            // The app was out of sight for too long already. The reply goes on as long as the system lets it.
            starts.refused()
            manager.notify(RUNNING, build(notice))
        }
    }

    /** Leads back into the app, to a conversation if one is named. */
    private fun open(conversation: String?): PendingIntent {
        val intent = Intent(context, MainActivity::class.java).putExtra(MainActivity.CONVERSATION, conversation)
        val flags = PendingIntent.FLAG_IMMUTABLE or PendingIntent.FLAG_UPDATE_CURRENT
        return PendingIntent.getActivity(context, OPEN, intent, flags)
    }

    private fun builder(): Notification.Builder {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.O) {
            @Suppress("DEPRECATION") // Below API 26 there are no channels.
            return Notification.Builder(context)
        }
        val quiet = NotificationManager.IMPORTANCE_LOW
        manager.createNotificationChannel(NotificationChannel(CHANNEL, NoticeWords.replies, quiet))
        return Notification.Builder(context, CHANNEL)
    }

    companion object {
        /** The ids of the notification while replies are written, and of the one after. */
        const val RUNNING: Int = 1
        const val ENDED: Int = 2

        private const val CHANNEL = "replies"
        private const val OPEN = 1
        private const val STOP = 2
    }
}
