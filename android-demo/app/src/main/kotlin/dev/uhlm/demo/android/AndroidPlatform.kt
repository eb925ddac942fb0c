package dev.uhlm.demo.android

import android.app.Application
import dev.uhlm.DeviceState
import dev.uhlm.UhlmDownloads
import dev.uhlm.android.DownloadNotification
import dev.uhlm.android.UhlmAndroid
import dev.uhlm.demo.platform.Network
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.platform.openStore
import dev.uhlm.demo.settings.SecretStore
import dev.uhlm.demo.words.NoticeWords
import java.io.File
import java.io.IOException
import java.io.InputStream
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.stateIn

/** The phone: its private folder, its Keystore, its battery, heat and network. */
class AndroidPlatform(private val application: Application) : Platform {
    private val phone = UhlmAndroid.attach(application)

    override val folder: File = application.filesDir
    override val secrets: SecretStore = KeystoreSecretStore(File(application.noBackupFilesDir, "secrets"))
    override val device: StateFlow<DeviceState> get() = phone.state
    override val network: StateFlow<Network> = phone.networkState
        .map { Network(it.available, it.changes) }
        .stateIn(MainScope(), SharingStarted.Eagerly, Network(available = false))
    override val foreground: StateFlow<Boolean> get() = phone.foreground
    override val downloads: UhlmDownloads =
        UhlmAndroid.downloads(application, DownloadNotification.of(NoticeWords.downloads, NoticeWords::downloading)) {
            openStore()
        }

    override fun bundled(name: String): InputStream? = try {
        application.assets.open("models/$name")
    } catch (_: IOException) {
        null
    }
}
