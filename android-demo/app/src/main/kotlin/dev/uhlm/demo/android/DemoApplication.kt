package dev.uhlm.demo.android

import android.app.Application

/** Keeps what lives as long as the process. */
class DemoApplication : Application() {
    lateinit var platform: AndroidPlatform
        private set

    override fun onCreate() {
        super.onCreate()
        platform = AndroidPlatform(this)
    }
}
