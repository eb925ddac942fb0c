package dev.uhlm

import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit.SECONDS

/**
 * Returns the policy to wait for the verifier and then to fail with [ErrorKind.Offline].
 *
 * @param limit the longest time that a generation waits.
 */
public fun OfflinePolicy.Companion.waitAtMost(limit: Duration): OfflinePolicy =
    OfflinePolicy.Wait(limit.toDouble(SECONDS))

/**
 * Makes [LinkOptions] from durations. An option that is left out has the core's default.
 *
 * @param minDeadline the shortest deadline of a verdict.
 * @param maxDeadline the longest deadline of a verdict, which is also the one before anything was measured.
 * @param backOff the pause after the first failure; it doubles with each further one.
 * @param maxBackOff the longest pause that the verifier did not ask for.
 * @param grace the time for which a verifier that was reached before and falls silent is asked again.
 * @param offlineAfter the number of failures in a row that make the link [LinkState.OFFLINE].
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
 * Makes [RemoteOptions] with a duration. An option that is left out has the core's default.
 *
 * @param endpoint the address of the verifier, without `/v2/...`: `https://host[:port][/path]`.
 * @param trust the certificates that are accepted.
 * @param connectTimeout the longest time for name resolution, TCP and TLS together.
 * @param userAgent the `User-Agent` header; none is sent if it is left out.
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
 * Asks the verifier which model it serves. This also opens the connection, so that the first reply need not wait for
 * that.
 *
 * @param timeout the longest time to wait for the answer.
 * @throws UhlmException of the kinds [ErrorKind.Offline], [ErrorKind.ServerBusy], [ErrorKind.Unauthorized],
 * [ErrorKind.Untrusted] and [ErrorKind.Refused].
 */
public suspend fun UhlmVerifierInterface.info(timeout: Duration): VerifierInfo = info(timeout.toDouble(SECONDS))

/** Time from the call until the end of the reply. */
public val Statistics.elapsed: Duration get() = elapsedSeconds.seconds

/** Time of the device's work on the prompt. */
public val Statistics.prefill: Duration get() = prefillSeconds.seconds

/** Time from the call until the first committed token. */
public val Statistics.firstToken: Duration get() = firstTokenSeconds.seconds

/** Time in the draft model, its sampling and its uncertainty, without the prompt. */
public val Statistics.drafting: Duration get() = draftingSeconds.seconds

/** Time in which the device could only wait for the verifier. */
public val Statistics.waiting: Duration get() = waitingSeconds.seconds

/** Median time from sending a window until its verdict; null without a verdict. */
public val Statistics.medianVerdict: Duration? get() = medianVerdictSeconds?.seconds
