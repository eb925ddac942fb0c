package dev.uhlm.demo.settings

import dev.uhlm.TrustPolicy
import dev.uhlm.VerifierLink

/**
 * A server that a link asks to pair with.
 *
 * @property fingerprint the beginning of the digest of its certificate, as people compare it; none where public
 * authorities vouch for it.
 * @property replaces the address of the server that it would take the place of; none where there is none.
 * @property bringsToken whether the link has a token for it.
 */
data class Pairing(
    val endpoint: String,
    val fingerprint: String?,
    val replaces: String?,
    val bringsToken: Boolean,
)

/** What a link asks for, as the settings stand. The token is only looked at. */
internal fun VerifierLink.pairing(settings: Settings) = Pairing(
    endpoint = endpoint(),
    fingerprint = fingerprint()?.let(::shortFingerprint),
    replaces = settings.endpoint.takeIf { it.isNotBlank() && it != endpoint() },
    bringsToken = token() != null,
)

/** The settings with the server of a link. What was agreed for the one before is not agreed for this one. */
internal fun Settings.pairedWith(link: VerifierLink): Settings {
    val trusted = when (val policy = link.trust()) {
        is TrustPolicy.Fingerprint -> copy(trust = Trust.FINGERPRINT, trustValue = policy.sha256)
        is TrustPolicy.Pins -> copy(trust = Trust.PIN, trustValue = policy.pins.joinToString(" "))
        is TrustPolicy.Pem -> copy(trust = Trust.PEM, trustValue = policy.roots)
        TrustPolicy.BundledRoots -> copy(trust = Trust.AUTHORITIES, trustValue = "")
    }
    return trusted.copy(endpoint = link.endpoint())
}

/** The first eight bytes of a digest as the server writes it, in groups: "3fa1 9c04 d27b e856". */
internal fun shortFingerprint(hex: String): String = hex.lowercase().take(SHORT).chunked(4).joinToString(" ")

/** "host:port" of an address. */
internal val String.host: String get() = substringAfter("://").substringBefore('/')

/** Digits of eight bytes. */
private const val SHORT = 16
