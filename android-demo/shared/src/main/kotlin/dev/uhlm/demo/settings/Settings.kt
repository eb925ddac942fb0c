package dev.uhlm.demo.settings

import dev.uhlm.Goal
import dev.uhlm.Mode
import dev.uhlm.OfflinePolicy
import dev.uhlm.RemoteOptions
import dev.uhlm.Thinking
import dev.uhlm.TrustPolicy
import java.io.File
import kotlinx.serialization.Serializable

/** Everything that the person can set, tokens excepted. */
@Serializable
data class Settings(
    val endpoint: String = "",
    val trust: Trust = Trust.AUTHORITIES,
    /** Certificates in PEM, or a digest in hex, by [trust]. */
    val trustValue: String = "",
    /** The draft model's file. */
    val model: String = "",
    /** The file of the pair's calibration, as the app keeps it; empty for a cautious one. */
    val calibration: String = "",
    val mode: Mode = Mode.EXACT,
    val goal: GoalChoice = GoalChoice.RISK_PRONE,
    /** Of [GoalChoice.SHARE_SENT] and [GoalChoice.RISK]. */
    val goalValue: Float = 0.2f,
    val whenOffline: WhenOffline = WhenOffline.GO_ON,
    /** Whether a model that can think before it replies does so. */
    val thinking: ThinkingChoice = ThinkingChoice.MODEL,
    /** Whether models may call the tools of this device. */
    val tools: Boolean = false,
    /** Whether the person is asked before each call. */
    val askTools: Boolean = true,
    /** What the models are told before each conversation. */
    val systemPrompt: String = "",
    /** Servers, as [server] names them, that may read every conversation that the person did not take back. */
    val agreed: Set<String> = emptySet(),
    val temperature: Float = 0.7f,
    val maxTokens: Int = 512,
    val recordText: Boolean = true,
    /** Whether every word has the colour of its origin; else there are lines below what a reader should not miss. */
    val tinted: Boolean = false,
    val theme: Theme = Theme.SYSTEM,
    val allowMetered: Boolean = false,
    /** Whether a notification says that a reply is done which nobody saw end. */
    val noticeDone: Boolean = true,
    /** Whether that notification has the reply's text. */
    val noticeText: Boolean = false,
    /** The conversation that was open. */
    val open: String? = null,
) {
    /** None while there is no address. */
    val remote: RemoteOptions?
        get() = if (endpoint.isBlank()) null else RemoteOptions(endpoint.trim(), policy)

    /**
     * The server as agreements name it: its address, and its certificate where that alone is trusted. Another
     * certificate at the same address is another server.
     */
    val server: String
        get() = endpoint.trim() + if (trust == Trust.FINGERPRINT) "#" + trustValue.trim().lowercase() else ""

    /** What people call the draft model: its file's name without the ending; empty where none was chosen. */
    val modelName: String get() = File(model).name.removeSuffix(".gguf")

    /** The mode that is possible: without a server the device is alone. */
    val effectiveMode: Mode get() = if (remote == null) Mode.DEVICE_ONLY else mode

    /** Whether replies ask a server. */
    val asksServer: Boolean get() = effectiveMode != Mode.DEVICE_ONLY

    val offlinePolicy: OfflinePolicy
        get() = when (whenOffline) {
            WhenOffline.GO_ON -> OfflinePolicy.GoOn
            WhenOffline.WAIT -> OfflinePolicy.Wait(LONGEST_WAIT)
            WhenOffline.FAIL -> OfflinePolicy.Fail
        }

    val thinkingOption: Thinking?
        get() = when (thinking) {
            ThinkingChoice.MODEL -> null
            ThinkingChoice.ON -> Thinking.On(null)
            ThinkingChoice.OFF -> Thinking.Off
        }

    private val policy: TrustPolicy
        get() = when (trust) {
            Trust.AUTHORITIES -> TrustPolicy.BundledRoots
            Trust.PEM -> TrustPolicy.Pem(trustValue)
            Trust.FINGERPRINT -> TrustPolicy.Fingerprint(trustValue.trim())
            Trust.PIN -> TrustPolicy.Pins(trustValue.split(' ', '\n', ',').filter(String::isNotBlank), null)
        }

    val goalOption: Goal
        get() = when (goal) {
            GoalChoice.RISK_AVERSE -> Goal.RiskAverse
            GoalChoice.RISK_PRONE -> Goal.RiskProne
            GoalChoice.SHARE_SENT -> Goal.ShareSent(goalValue.toDouble())
            GoalChoice.RISK -> Goal.Risk(goalValue.toDouble())
        }
}

/** The address of a server that an agreement names. */
internal val String.addressOfServer: String get() = substringBefore('#')

/** How long a reply waits for a server that does not answer, in seconds. */
private const val LONGEST_WAIT = 30.0

/** Whom to trust to be the verifier. */
enum class Trust { AUTHORITIES, PEM, PIN, FINGERPRINT }

/** What the gate aims at. */
enum class GoalChoice { RISK_AVERSE, RISK_PRONE, SHARE_SENT, RISK }

/** What happens while the server is out of reach. */
enum class WhenOffline { GO_ON, WAIT, FAIL }

/** Whether a model that can think before it replies does so. */
enum class ThinkingChoice { MODEL, ON, OFF }

enum class Theme { SYSTEM, LIGHT, DARK }
