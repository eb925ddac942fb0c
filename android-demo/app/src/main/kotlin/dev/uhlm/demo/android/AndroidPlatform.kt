package dev.uhlm.demo.android

import android.content.Context
import dev.uhlm.DeviceState
import dev.uhlm.demo.platform.Network
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.SecretStore
import java.io.File
import java.io.IOException
import java.io.InputStream
import kotlinx.coroutines.flow.StateFlow

/** The phone: its private folder, its Keystore, its battery, heat and network. */
class AndroidPlatform(private val context: Context) : Platform {
    internal val monitor = DeviceMonitor(context.applicationContext).apply { start() }

    override val folder: File = context.filesDir
    override val secrets: SecretStore = KeystoreSecretStore(File(context.noBackupFilesDir, "secrets"))
    override val device: StateFlow<DeviceState> get() = monitor.device
    override val network: StateFlow<Network> get() = monitor.network

    override fun bundled(name: String): InputStream? = try {
        context.assets.open("models/$name")
    } catch (_: IOException) {
        null
    }
}
