package dev.uhlm

import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import org.junit.jupiter.api.Test

class DurationsTest {
    @Test
    fun `durations become seconds`() {
        assertEquals(OfflinePolicy.Wait(1.5), OfflinePolicy.waitAtMost(1500.milliseconds))
        val link = LinkOptions.of(
            minDeadline = 250.milliseconds,
            maxDeadline = 1.minutes,
            backOff = 2.seconds,
            maxBackOff = 3.seconds,
            grace = 1500.milliseconds,
            offlineAfter = 4u,
        )
        assertEquals(LinkOptions(0.25, 60.0, 1.5, 2.0, 3.0, 4u), link)
        val trust = TrustPolicy.Fingerprint("00")
        val remote = RemoteOptions.of("https://verifier.example", trust, 5.seconds, "app/1")
        assertEquals(RemoteOptions("https://verifier.example", trust, false, 5.0, "app/1"), remote)
    }

    @Test
    fun `what is left out stays left out`() {
        assertEquals(LinkOptions(), LinkOptions.of())
        assertEquals(RemoteOptions("https://verifier.example"), RemoteOptions.of("https://verifier.example"))
    }

    @Test
    fun `the times of the statistics are durations`() {
        val times = with(statistics) { listOf(elapsed, prefill, firstToken, drafting, waiting) }
        assertEquals(listOf(1500, 250, 500, 750, 125).map { it.milliseconds }, times)
        assertNull(statistics.medianVerdict)
        assertEquals(40.milliseconds, statistics.copy(medianVerdictSeconds = 0.04).medianVerdict)
    }
}
