package dev.uhlm.demo.android

import android.app.Service
import android.content.Context
import android.content.Intent
import android.content.pm.ServiceInfo
import android.os.Build
import android.os.IBinder
import dev.uhlm.demo.chat.ReplyNotice

/**
 * Keeps the process at work while replies are written that nobody sees. What is written is the view model's business,
 * and [ReplyNotifications] starts and stops this.
 */
class ReplyService : Service() {
    private val starts get() = (application as DemoApplication).serviceStarts

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        if (intent?.action == STOP) {
            (application as DemoApplication).stopReplies?.invoke()
            return START_NOT_STICKY
        }
        val replies = intent?.getIntExtra(REPLIES, 1) ?: 1
        val notification = ReplyNotifications(this).build(ReplyNotice.Writing(replies))
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            startForeground(ReplyNotifications.RUNNING, notification, ServiceInfo.FOREGROUND_SERVICE_TYPE_SHORT_SERVICE)
        } else {
            startForeground(ReplyNotifications.RUNNING, notification)
        }
        // The reply may have ended, or the app come back, since the start was asked for.
        if (!starts.came()) stopSelf()
        // Without its process there is no reply to go on with.
        return START_NOT_STICKY
    }

    /** The time is up. The reply stands still with the process, and goes on when the app is opened again. */
    override fun onTimeout(startId: Int) {
        if (starts.mayStop()) stopSelf()
    }

    override fun onBind(intent: Intent?): IBinder? = null

    companion object {
        private const val STOP = "dev.uhlm.demo.STOP"
        private const val REPLIES = "replies"

        internal fun start(context: Context, replies: Int): Intent =
            Intent(context, ReplyService::class.java).putExtra(REPLIES, replies)

        internal fun stop(context: Context): Intent = Intent(context, ReplyService::class.java).setAction(STOP)
    }
}
