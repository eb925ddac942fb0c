package dev.uhlm

import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit.SECONDS

/**
 * Waits for the verifier, then fails with [UhlmException.Offline].
 *
 * @param limit how long at most.
 */
public fun OfflinePolicy.Companion.waitAtMost(limit: Duration): OfflinePolicy = OfflinePolicy.Wait(limit.toDouble(SECONDS))

/**
 * [LinkOptions] with durations. What is left out has the core's default.
 *
 * @param minDeadline the shortest deadline of a verdict.
 * @param maxDeadline the longest deadline; also the one used before anything was measured.
 * @param backOff the pause after the first failure; it doubles with each further one.
 * @param maxBackOff the longest pause that is not asked for by the verifier.
 * @param grace the time for which a verifier that was reached before and is silent is asked again.
 * @param offlineAfter failures in a row that make the link [LinkState.OFFLINE].
 */
public fun LinkOptions.Companion.of(
    minDeadline: Duration? = null,
    maxDeadline: Duration? = null,
    backOff: Duration? = null,
    maxBackOff: Duration? = null,
    grace: Duration? = null,
    offlineAfter: UInt? = null,
): LinkOptions = LinkOptions(
    minDeadlineSeconds = minDeadline?.toDouble(SECONDS),
    maxDeadlineSeconds = maxDeadline?.toDouble(SECONDS),
    backOffSeconds = backOff?.toDouble(SECONDS),
    maxBackOffSeconds = maxBackOff?.toDouble(SECONDS),
    graceSeconds = grace?.toDouble(SECONDS),
    offlineAfter = offlineAfter,
)

/**
 * [RemoteOptions] with a duration. What is left out has the core's default.
 *
 * @param endpoint the address under which `/v2/...` lies: `https://host[:port][/path]`.
 * @param trust which certificates are accepted.
 * @param connectTimeout the longest time for name resolution, TCP and TLS together.
 * @param userAgent the `User-Agent` header.
 */
public fun RemoteOptions.Companion.of(
    endpoint: String,
    trust: TrustPolicy? = null,
    connectTimeout: Duration? = null,
    userAgent: String? = null,
): RemoteOptions = RemoteOptions(
    endpoint = endpoint,
    trust = trust,
    connectTimeoutSeconds = connectTimeout?.toDouble(SECONDS),
    userAgent = userAgent,
)

/**
 * What the verifier serves. Also opens the connection, so that it is warm when the first window closes.
 *
 * @throws UhlmException.Offline
 * @throws UhlmException.Unauthorized
 * @throws UhlmException.Untrusted
 * @throws UhlmException.Refused
 */
public suspend fun UhlmVerifierInterface.info(timeout: Duration): VerifierInfo = info(timeout.toDouble(SECONDS))

/** From the call until the end. */
public val Statistics.elapsed: Duration get() = elapsedSeconds.seconds

/** The device's work on the prompt. */
public val Statistics.prefill: Duration get() = prefillSeconds.seconds

/** From the call until the first committed token. */
public val Statistics.firstToken: Duration get() = firstTokenSeconds.seconds

/** Time in the draft model, its sampling and its uncertainty, prompt excluded. */
public val Statistics.drafting: Duration get() = draftingSeconds.seconds

/** Time in which the device could only wait for the verifier. */
public val Statistics.waiting: Duration get() = waitingSeconds.seconds

/** Median time from sending a window until its verdict; none without a verdict. */
public val Statistics.medianVerdict: Duration? get() = medianVerdictSeconds?.seconds
