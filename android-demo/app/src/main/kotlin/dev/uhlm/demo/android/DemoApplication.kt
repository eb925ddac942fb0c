package dev.uhlm.demo.android

import android.app.Application
import dev.uhlm.demo.chat.ServiceStarts

/** Keeps what lives as long as the process. */
class DemoApplication : Application() {
    lateinit var platform: AndroidPlatform
        private set

    /** Stops all replies; none while no view model is there. */
    internal var stopReplies: (() -> Unit)? = null

    /** Of [ReplyService], whoever asks for them. */
    internal val serviceStarts = ServiceStarts()

    override fun onCreate() {
        super.onCreate()
        platform = AndroidPlatform(this)
    }
}
