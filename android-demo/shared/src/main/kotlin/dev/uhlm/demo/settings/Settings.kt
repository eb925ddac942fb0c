package dev.uhlm.demo.settings

import dev.uhlm.Goal
import dev.uhlm.Mode
import dev.uhlm.RemoteOptions
import dev.uhlm.TrustPolicy
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
    val mode: Mode = Mode.OPPORTUNISTIC,
    val goal: GoalChoice = GoalChoice.RISK_PRONE,
    /** Of [GoalChoice.SHARE_SENT] and [GoalChoice.RISK]. */
    val goalValue: Float = 0.2f,
    val temperature: Float = 0.7f,
    val maxTokens: Int = 512,
    val recordText: Boolean = true,
    val tinted: Boolean = true,
    val theme: Theme = Theme.SYSTEM,
    val allowMetered: Boolean = false,
    /** The conversation that was open. */
    val open: String? = null,
) {
    /** None while there is no address. */
    val remote: RemoteOptions?
        get() = if (endpoint.isBlank()) null else RemoteOptions(endpoint.trim(), policy)

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

/** Whom to trust to be the verifier. */
enum class Trust(val title: String) {
    AUTHORITIES("Public authorities"),
    PEM("These authorities"),
    PIN("Pinned keys"),
    FINGERPRINT("This certificate"),
}

/** What the gate aims at. */
enum class GoalChoice(val title: String) {
    RISK_AVERSE("Cautious"),
    RISK_PRONE("Relaxed"),
    SHARE_SENT("Share asked"),
    RISK("Risk"),
}

enum class Theme(val title: String) { SYSTEM("As the system"), LIGHT("Light"), DARK("Dark") }
