package dev.uhlm.demo.android

import android.app.Application
import android.content.ComponentCallbacks2

/** Keeps what lives as long as the process. */
class DemoApplication : Application() {
    lateinit var platform: AndroidPlatform
        private set

    override fun onCreate() {
        super.onCreate()
        platform = AndroidPlatform(this)
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        // From API 34 on the system tells of these two only; before, also while the app is seen.
        val low = level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND || isRunningLow(level)
        platform.monitor.lowMemory(low)
    }

    @Suppress("DEPRECATION") // Below API 34 it is what there is.
    private fun isRunningLow(level: Int) =
        level == ComponentCallbacks2.TRIM_MEMORY_RUNNING_LOW ||
            level == ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL
}
