package dev.uhlm.demo.desktop

import dev.uhlm.DeviceState
import dev.uhlm.InProcessScheduler
import dev.uhlm.TrustPolicy
import dev.uhlm.UhlmDownloads
import dev.uhlm.demo.platform.Network
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.platform.openStore
import dev.uhlm.demo.settings.SecretStore
import java.io.File
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.MutableStateFlow

/** A computer: always on the mains, and whether its network works shows when it is used. */
class DesktopPlatform(override val folder: File, override val modelTrust: TrustPolicy? = null) : Platform {
    override val secrets: SecretStore = FileSecretStore(File(folder, "secrets.json"))
    override val device: MutableStateFlow<DeviceState> = MutableStateFlow(DeviceState())
    override val network: MutableStateFlow<Network> = MutableStateFlow(Network())
    override val foreground: MutableStateFlow<Boolean> = MutableStateFlow(true)

    /** A computer has no scheduler for apps: downloads go on while the app runs, and when it is started again. */
    override val downloads: UhlmDownloads =
        UhlmDownloads(::openStore, File(folder, "downloads"), InProcessScheduler(CoroutineScope(SupervisorJob())))
}
