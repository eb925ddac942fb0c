package dev.uhlm.demo.desktop

import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.assertIsDisplayed
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import dev.uhlm.Consent
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.ReplyEnd
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Consent is taken back where it was given, however it was, and only there. */
@OptIn(ExperimentalTestApi::class)
class WithdrawalTest : ClickedApp() {
    private val said = listOf(
        Entry.SaidText(1, "Hello"),
        Entry.ReplyBegan(1, Mode.EXACT),
        Entry.Committed("Hi", Origin.VERIFIED),
        Entry.ReplyEnded(ReplyEnd()),
    )
    private val settings = Settings(endpoint = SERVER, model = "model.gguf")

    @Test
    fun consent_that_was_given_for_every_conversation_is_taken_back_for_one() {
        val (here, there) = listOf("Here", "There").map { keep(folder, said, it) }
        app(settings.copy(open = here, agreed = setOf(SERVER))) {
            menu("What was sent")
            click("Send no more of it")
            until("no way to take it back once more") { onAllNodes(hasText(WITHDRAW)).fetchSemanticsNodes().isEmpty() }
            val stored = store().load().associateBy { it.id }
            val agreed = wiring.viewModels.settings.settings.value.agreed
            assertEquals(setOf(SERVER), agreed)
            val mayBeSent = listOf(here, there).map { stored.getValue(it).mayBeSent(SERVER, agreed) }
            assertEquals(listOf(false, true), mayBeSent)
            onNodeWithContentDescription("Back").performClick()
            say("More")
            untilShown(hasTestTag("consent"))
        }
    }

    @Test
    fun consent_for_one_server_is_none_that_could_be_taken_back_from_another() {
        val kept = listOf(Entry.Consented(Consent.CONVERSATION, "https://another:1")) + said
        app(settings, kept = kept) {
            menu("What was sent")
            onNodeWithText("Nothing was sent in this conversation.").assertIsDisplayed()
            onNodeWithText(WITHDRAW).assertDoesNotExist()
        }
    }

    @Test
    fun consent_for_this_server_is_taken_back() {
        app(settings, kept = listOf(Entry.Consented(Consent.CONVERSATION, SERVER)) + said) {
            menu("What was sent")
            click(WITHDRAW)
            until("no way to take it back once more") { onAllNodes(hasText(WITHDRAW)).fetchSemanticsNodes().isEmpty() }
            assertTrue(store().load().single().run { withdrawn && consent == Consent.WITHHELD })
        }
    }

    private companion object {
        const val SERVER = "https://server:1"
        const val WITHDRAW = "Send no more of it"
    }
}
