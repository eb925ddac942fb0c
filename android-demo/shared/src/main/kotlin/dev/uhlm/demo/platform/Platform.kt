package dev.uhlm.demo.platform

import dev.uhlm.DeviceState
import dev.uhlm.StoreOptions
import dev.uhlm.TrustPolicy
import dev.uhlm.UhlmDownloads
import dev.uhlm.UhlmModelStore
import dev.uhlm.demo.settings.HUB_TOKEN
import dev.uhlm.demo.settings.SecretStore
import java.io.File
import java.io.InputStream
import kotlinx.coroutines.flow.StateFlow

/** What the screens and view models need of the device that they run on. */
interface Platform {
    /** Where the app keeps its files; nobody else can read it on a phone. */
    val folder: File

    val secrets: SecretStore

    /** Battery, heat, memory, and whether the network is metered. */
    val device: StateFlow<DeviceState>

    val network: StateFlow<Network>

    /** Whether somebody sees the app. */
    val foreground: StateFlow<Boolean>

    /** Downloads of models, as far as possible also while nobody sees the app. */
    val downloads: UhlmDownloads

    /** A file that came with the app, which the caller closes; none where it brought none of that name. Blocks. */
    fun bundled(name: String): InputStream? = null

    /** Which servers models may come from; none for the bundled authorities. */
    val modelTrust: TrustPolicy? get() = null
}

/** The folder of the app's models, with the token for Hugging Face as it is now. Blocks. */
fun Platform.openStore(): UhlmModelStore {
    val options = StoreOptions(File(folder, "models").path, trust = modelTrust)
    return UhlmModelStore(options, secrets.get(HUB_TOKEN))
}

/**
 * The network as the system sees it.
 *
 * @property available false in airplane mode, and where there is no network at all.
 * @property changes counts up with each other network, so that connections to the last one are given up.
 */
data class Network(val available: Boolean = true, val changes: Int = 0)
