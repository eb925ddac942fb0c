package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Test

/** Why the target was asked, how much of it was taken, and how much may be. */
class AccountsTest : Conformance() {
    private val threshold = drawing.copy(mode = Mode.OPPORTUNISTIC, goal = Goal.Threshold(0.3f))

    private suspend fun UhlmSession.committed(options: GenerationOptions) =
        generate(facts.questions[0], options).toList().filterIsInstance<GenerationEvent.Committed>()

    @Test
    fun each_token_says_why_it_was_asked_about() = testing {
        engine.openSession(server, threshold).use { session ->
            for (event in session.committed(short.copy(explain = true))) {
                val why = assertNotNull(event.token.why)
                val decisions = when (event.origin) {
                    Origin.DRAFT -> listOf(Decision.PASSED)
                    Origin.VERIFIED -> listOf(Decision.AGREED)
                    Origin.TARGET -> listOf(Decision.REPLACED, Decision.RAN_AHEAD)
                    Origin.UNVERIFIED -> listOf(Decision.ALONE)
                }
                assertTrue(why.decision in decisions, "$why of ${event.origin}")
                if (why.decision == Decision.PASSED) assertEquals(0.3f, why.threshold)
                assertEquals(event.origin == Origin.VERIFIED || event.origin == Origin.TARGET, why.request != null)
            }
            session.reset()
            assertTrue(session.committed(short).all { it.token.why == null })
        }
    }

    @Test
    fun a_budget_bounds_what_is_taken_of_the_verifier() = testing {
        for (budget in listOf(Budget(requests = 3uL), Budget(bytes = 400uL), Budget(targetPasses = 5uL))) {
            val options = drawing.copy(budget = budget, offline = OfflinePolicy.GoOn)
            val totals = engine.openSession(server, options).use { session ->
                val spent = List(4) { session.respond(facts.questions[0], short).statistics.budgetSpent }
                assertTrue(spent.last(), "$budget: $spent")
                session.totals()
            }
            assertEquals(4uL, totals.generations)
            assertTrue(totals.origins.unverified > 0uL, "$totals")
            budget.requests?.let { assertTrue(totals.requests <= it, "$totals") }
            val failing = options.copy(spent = totals, offline = OfflinePolicy.Fail)
            engine.openSession(server, failing).use { session ->
                assertFailsAs(ErrorKind.BudgetSpent) { session.respond(facts.questions[0], short) }
                assertEquals(0uL, session.sent().totalRequests)
            }
        }
    }

    @Test
    fun a_dry_run_tells_what_would_be_asked_and_sends_nothing() = testing {
        engine.openSession(server, threshold.copy(consent = Consent.WITHHELD)).use { session ->
            val events = session.committed(short.copy(dryRun = true, explain = true))
            for (event in events) {
                val asks = assertNotNull(assertNotNull(event.token.why).uncertainty) > 0.3f
                assertEquals(if (asks) Origin.UNVERIFIED else Origin.DRAFT, event.origin)
            }
            assertEquals(setOf(Origin.UNVERIFIED, Origin.DRAFT), events.map { it.origin }.toSet())
            assertEquals(0uL, session.sent().totalRequests)
        }
    }

    @Test
    fun totals_add_up_and_can_be_kept() = testing {
        engine.openSession(options = deviceOnly).use { session ->
            val replies = List(2) { session.respond(facts.questions[0], short).statistics }
            val totals = session.totals()
            assertEquals(2uL, totals.generations)
            assertEquals(replies.sumOf { it.drafted }, totals.drafted)
            assertEquals(totals, totalsFromJson(totalsToJson(totals)))
            assertEquals(totals.drafted * 2u, totalsSum(totals, totals).drafted)
        }
        assertFailsAs(ErrorKind.InvalidOptions) { totalsFromJson("no json") }
    }
}
