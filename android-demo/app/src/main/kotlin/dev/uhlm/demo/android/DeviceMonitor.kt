package dev.uhlm.demo.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import android.net.NetworkCapabilities
import android.net.NetworkRequest
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import dev.uhlm.DeviceState
import dev.uhlm.Thermal
import dev.uhlm.demo.platform.Network
import java.util.concurrent.Executor
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update

/** Battery, heat, memory and network, as the system tells of them; for the life of the process. */
internal class DeviceMonitor(private val context: Context) {
    private val mutableDevice = MutableStateFlow(DeviceState())
    private val mutableNetwork = MutableStateFlow(Network(available = false))

    val device: StateFlow<DeviceState> = mutableDevice.asStateFlow()
    val network: StateFlow<Network> = mutableNetwork.asStateFlow()

    fun start() {
        watchBattery()
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) watchHeat()
        watchNetwork()
    }

    /** Connections may have died meanwhile without a word, and what was short of memory may no longer be. */
    fun cameToFront() {
        lowMemory(false)
        mutableNetwork.update { it.copy(changes = it.changes + 1) }
    }

    fun lowMemory(low: Boolean): Unit = mutableDevice.update { it.copy(lowMemory = low) }

    private fun watchBattery() {
        val receiver = object : BroadcastReceiver() {
            override fun onReceive(context: Context, intent: Intent) = battery(intent)
        }
        // Sticky: the present state comes back at once. A system broadcast needs no flag for its export.
        context.registerReceiver(receiver, IntentFilter(Intent.ACTION_BATTERY_CHANGED))?.let(::battery)
    }

    private fun battery(intent: Intent) {
        val level = intent.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
        val scale = intent.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
        val plugged = intent.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0)
        mutableDevice.update {
            it.copy(battery = if (level < 0 || scale <= 0) null else level.toFloat() / scale, charging = plugged != 0)
        }
    }

    private fun watchHeat() {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return
        val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager
        // It only sets a value: the thread that tells may do that.
        power.addThermalStatusListener(Executor { it.run() }) { status ->
            mutableDevice.update { it.copy(thermal = thermal(status)) }
        }
    }

    private fun watchNetwork() {
        val manager = context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager
        val callback = object : ConnectivityManager.NetworkCallback() {
            private val open = mutableSetOf<android.net.Network>()

            override fun onAvailable(network: android.net.Network) {
                open += network
                changed()
            }

            override fun onLost(network: android.net.Network) {
                open -= network
                changed()
            }

            override fun onCapabilitiesChanged(network: android.net.Network, capabilities: NetworkCapabilities) {
                val metered = !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED)
                mutableDevice.update { it.copy(metered = metered) }
            }

            private fun changed() =
                mutableNetwork.update { Network(available = open.isNotEmpty(), changes = it.changes + 1) }
        }
        val request = NetworkRequest.Builder().addCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET).build()
        manager.registerNetworkCallback(request, callback)
    }
}

/** The statuses of `PowerManager` as the SDK's four levels. */
internal fun thermal(status: Int): Thermal = when {
    status >= PowerManager.THERMAL_STATUS_CRITICAL -> Thermal.CRITICAL
    status >= PowerManager.THERMAL_STATUS_MODERATE -> Thermal.SERIOUS
    status >= PowerManager.THERMAL_STATUS_LIGHT -> Thermal.FAIR
    else -> Thermal.NOMINAL
}
