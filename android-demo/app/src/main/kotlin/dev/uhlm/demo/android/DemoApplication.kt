package dev.uhlm.demo.android

import android.app.Application

/** Keeps what lives as long as the process. */
class DemoApplication : Application() {
    lateinit var platform: AndroidPlatform
        private set

    /** Stops all replies; none while no view model is there. */
    internal var stopReplies: (() -> Unit)? = null

    override fun onCreate() {
        super.onCreate()
        platform = AndroidPlatform(this)
    }
}
