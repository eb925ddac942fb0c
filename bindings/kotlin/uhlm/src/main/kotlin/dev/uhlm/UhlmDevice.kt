package dev.uhlm

import java.util.concurrent.CopyOnWriteArrayList
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch

/**
 * The network as the system sees it.
 *
 * @property available false in airplane mode, and where there is no network at all.
 * @property metered whether it costs money by volume.
 * @property changes counts up with each other network, and each time that the app comes to the front.
 */
public data class NetworkState(
    public val available: Boolean = false,
    public val metered: Boolean = false,
    public val changes: Int = 0,
)

/**
 * What the device is going through, told to every session that it is to be told to: battery, heat, memory, the default
 * network, and whether the app is in front.
 *
 * On Android `UhlmAndroid.attach` makes one that hears of all that from the system; elsewhere the app tells it. Any
 * thread may call.
 *
 * @param scope runs the wait before the sessions of an app that nobody sees give up their memory.
 * @param idle how long the app must be out of sight for that. What runs then is not disturbed: memory goes when it has
 * ended, and the next generation reads the conversation again.
 */
public class UhlmDevice(private val scope: CoroutineScope, private val idle: Duration = 30.seconds) {
    private val sessions = CopyOnWriteArrayList<UhlmSessionInterface>()
    private val mutableState = MutableStateFlow(DeviceState())
    private val mutableNetwork = MutableStateFlow(NetworkState())
    private val mutableForeground = MutableStateFlow(false)
    private var underPressure = false
    private var idling: Job? = null
    private var isIdle = false
    private var network: Any? = null

    /** The state that sessions are told. */
    public val state: StateFlow<DeviceState> = mutableState.asStateFlow()

    /** The default network. */
    public val networkState: StateFlow<NetworkState> = mutableNetwork.asStateFlow()

    /** Whether somebody sees the app. */
    public val foreground: StateFlow<Boolean> = mutableForeground.asStateFlow()

    /**
     * Tells a session the state now, and each change of it from now on, until the session is shut down or the result is
     * closed.
     */
    public fun follow(session: UhlmSessionInterface): AutoCloseable {
        sessions += session
        tell(session) { setDevice(mutableState.value) }
        return AutoCloseable { sessions -= session }
    }

    /**
     * Takes note of the battery.
     *
     * @param charge its charge in [0, 1]; none if it is not known.
     */
    public fun onBattery(charge: Float?, charging: Boolean): Unit =
        change { it.copy(battery = charge, charging = charging) }

    /** Takes note of the heat. */
    public fun onThermal(thermal: Thermal): Unit = change { it.copy(thermal = thermal) }

    /** Takes note that the system asked for memory, or no longer does. */
    public fun onMemory(low: Boolean): Unit = change {
        underPressure = low
        it.copy(lowMemory = underPressure || isIdle)
    }

    /**
     * Takes note of the default network.
     *
     * @param id tells one network from the next; none if there is no network.
     */
    public fun onNetwork(id: Any?, metered: Boolean) {
        val isOther = synchronized(this) {
            val isOther = id != network
            network = id
            val changes = mutableNetwork.value.changes + if (isOther) 1 else 0
            mutableNetwork.value = NetworkState(id != null, metered, changes)
            isOther
        }
        change { it.copy(metered = metered) }
        if (isOther && id != null) tellAll { onNetworkChange() }
    }

    /**
     * Takes note that the app came to the front, or that nobody sees it any more. A draft model on a GPU computes
     * nothing while nobody does.
     */
    public fun onForeground(front: Boolean) {
        synchronized(this) {
            mutableForeground.value = front
            idling?.cancel()
            idling = if (front) null else scope.launch { delay(idle).also { idle(true) } }
        }
        change { it.copy(inBackground = !front) }
        if (!front) return
        idle(false)
        // Connections may have died meanwhile without a word, and what was short of memory may no longer be.
        onMemory(false)
        synchronized(this) { mutableNetwork.value = mutableNetwork.value.run { copy(changes = changes + 1) } }
        tellAll { onNetworkChange() }
    }

    private fun idle(idle: Boolean) = change {
        isIdle = idle
        it.copy(lowMemory = underPressure || isIdle)
    }

    private fun change(update: (DeviceState) -> DeviceState) {
        val changed = synchronized(this) {
            val before = mutableState.value
            mutableState.value = update(before)
            mutableState.value.takeIf { it != before }
        } ?: return
        tellAll { setDevice(changed) }
    }

    private fun tellAll(what: UhlmSessionInterface.() -> Unit) = sessions.forEach { tell(it, what) }

    /** A session that was shut down is told no more. */
    private fun tell(session: UhlmSessionInterface, what: UhlmSessionInterface.() -> Unit) {
        try {
            session.what()
        } catch (error: UhlmException) {
            if (error.kind is ErrorKind.SessionClosed) sessions -= session
        } catch (_: IllegalStateException) {
            // Its handle was closed.
            sessions -= session
        }
    }
}
