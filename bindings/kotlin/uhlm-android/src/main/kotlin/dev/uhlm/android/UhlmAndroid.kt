package dev.uhlm.android

import android.app.Activity
import android.app.Application
import android.content.BroadcastReceiver
import android.content.ComponentCallbacks2
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.res.Configuration
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import android.os.BatteryManager
import android.os.Build
import android.os.Bundle
import android.os.PowerManager
import dev.uhlm.Thermal
import dev.uhlm.UhlmDevice
import dev.uhlm.UhlmDownloads
import dev.uhlm.UhlmModelStoreInterface
import java.io.File
import java.util.concurrent.Executor
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.launch

/** What Android tells of the phone, for all sessions of an app. */
public object UhlmAndroid {
    private var attached: UhlmDevice? = null

    /** What [UhlmDownloadJob] works with. */
    internal data class Background(val downloads: UhlmDownloads, val notification: DownloadNotification)

    internal var background: Background? = null
        private set

    /**
     * Begins to listen to battery, heat, memory, the default network and the app's way to the front and back, for the
     * life of the process. To be called in `Application.onCreate`; later calls return the same.
     *
     * It needs the permission `ACCESS_NETWORK_STATE`.
     *
     * @param application the app.
     * @param idle how long the app must be out of sight before its sessions give up their memory.
     * @return what the phone is going through; [UhlmDevice.follow] tells a session.
     */
    @Synchronized
    public fun attach(application: Application, idle: Duration = 30.seconds): UhlmDevice =
        attached ?: UhlmDevice(MainScope(), idle).also { device ->
            attached = device
            watchBattery(application, device)
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) watchHeat(application, device)
            application.registerComponentCallbacks(MemoryCallbacks(device))
            watchNetwork(application, device)
            application.registerActivityLifecycleCallbacks(Front(device))
        }

    /**
     * Begins with the downloads of this app on the system's scheduler, and goes on with those that an earlier process
     * left. To be called in `Application.onCreate`, on the main thread, because the system may start the app for a
     * download alone; later calls return the same.
     *
     * Its notifications are seen where the app has asked the person for `POST_NOTIFICATIONS`; downloads run without it,
     * too.
     *
     * @param application the app.
     * @param notification makes what is shown while a model is downloaded.
     * @param store makes the store of the app's models, with its tokens; on a thread where it may block.
     */
    @Synchronized
    public fun downloads(
        application: Application,
        notification: DownloadNotification = DownloadNotification.of(),
        store: () -> UhlmModelStoreInterface,
    ): UhlmDownloads {
        background?.let { return it.downloads }
        // What is not finished on this phone is of no use on the next one, so it is kept out of backups.
        val folder = File(application.noBackupFilesDir, "dev.uhlm.downloads")
        val downloads = UhlmDownloads(store, folder, JobScheduling(application))
        background = Background(downloads, notification)
        val device = attach(application)
        val scope = MainScope()
        scope.launch { device.networkState.collect { downloads.setMetered(it.metered) } }
        scope.launch { downloads.restore() }
        return downloads
    }
}

private fun watchBattery(context: Context, device: UhlmDevice) {
    val receiver = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent) = battery(intent, device)
    }
    // Sticky: the present state comes back at once. A system broadcast needs no flag for its export.
    context.registerReceiver(receiver, IntentFilter(Intent.ACTION_BATTERY_CHANGED))?.let { battery(it, device) }
}

private fun battery(intent: Intent, device: UhlmDevice) {
    val level = intent.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
    val scale = intent.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
    val plugged = intent.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0)
    device.onBattery(if (level < 0 || scale <= 0) null else level.toFloat() / scale, charging = plugged != 0)
}

private fun watchHeat(context: Context, device: UhlmDevice) {
    if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return
    val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager
    // It only sets a value: the thread that tells may do that.
    power.addThermalStatusListener(Executor { it.run() }) { status -> device.onThermal(thermal(status)) }
}

/** The statuses of `PowerManager` as the SDK's four levels. */
private fun thermal(status: Int): Thermal = when {
    status >= PowerManager.THERMAL_STATUS_CRITICAL -> Thermal.CRITICAL
    status >= PowerManager.THERMAL_STATUS_MODERATE -> Thermal.SERIOUS
    status >= PowerManager.THERMAL_STATUS_LIGHT -> Thermal.FAIR
    else -> Thermal.NOMINAL
}

private class MemoryCallbacks(private val device: UhlmDevice) : ComponentCallbacks2 {
    override fun onConfigurationChanged(newConfig: Configuration) = Unit

    @Deprecated("Android calls it all the same.")
    override fun onLowMemory() = device.onMemory(true)

    // From API 34 on the system tells of the background alone; before, also while the app is seen.
    override fun onTrimMemory(level: Int) =
        device.onMemory(level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND || isRunningLow(level))

    @Suppress("DEPRECATION") // Below API 34 it is what there is.
    private fun isRunningLow(level: Int) =
        level == ComponentCallbacks2.TRIM_MEMORY_RUNNING_LOW ||
            level == ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL
}

private fun watchNetwork(context: Context, device: UhlmDevice) {
    val manager = context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager
    manager.registerDefaultNetworkCallback(
        object : ConnectivityManager.NetworkCallback() {
            override fun onCapabilitiesChanged(network: Network, capabilities: NetworkCapabilities) {
                val metered = !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED)
                device.onNetwork(network, metered)
            }

            override fun onLost(network: Network) = device.onNetwork(null, metered = false)
        },
    )
}

/** Counts the activities that are seen. One that is turned is gone for a moment, which is no way to the back. */
private class Front(private val device: UhlmDevice) : Application.ActivityLifecycleCallbacks {
    private var seen = 0

    override fun onActivityStarted(activity: Activity) {
        if (seen++ == 0) device.onForeground(true)
    }

    override fun onActivityStopped(activity: Activity) {
        if (--seen == 0 && !activity.isChangingConfigurations) device.onForeground(false)
    }

    override fun onActivityCreated(activity: Activity, savedInstanceState: Bundle?) = Unit
    override fun onActivityResumed(activity: Activity) = Unit
    override fun onActivityPaused(activity: Activity) = Unit
    override fun onActivitySaveInstanceState(activity: Activity, outState: Bundle) = Unit
    override fun onActivityDestroyed(activity: Activity) = Unit
}
