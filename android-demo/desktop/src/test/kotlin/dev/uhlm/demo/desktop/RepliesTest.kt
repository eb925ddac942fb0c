package dev.uhlm.demo.desktop

import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.assertIsDisplayed
import androidx.compose.ui.test.hasAnyAncestor
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onAllNodesWithTag
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performScrollTo
import dev.uhlm.FinishReason
import dev.uhlm.Recovery
import kotlin.test.Test
import kotlin.test.assertEquals

/** What a reply shows and offers beside its words. */
@OptIn(ExperimentalTestApi::class)
class RepliesTest : ClickedApp() {
    @Test
    fun a_block_of_code_is_copied_as_it_is_without_its_fences() = app(kept = sortingInKotlin) {
        onNodeWithContentDescription("Copy the code").performScrollTo().performClick()
        assertEquals("val byAge = people.sortedBy { it.age }", outside.copied?.trimEnd())
    }

    @Test
    fun thoughts_are_folded_once_the_reply_is_there_and_unfold_with_a_tap() = app(kept = sortingInKotlin) {
        val thought = hasText("They want `sortedBy`", substring = true)
        onNode(thought).assertDoesNotExist()
        onNodeWithTag("thoughts").performScrollTo().performClick()
        untilShown(thought)
        onNodeWithTag("thoughts").performClick()
        until("the fold") { onAllNodes(thought).fetchSemanticsNodes().isEmpty() }
        // They are no part of what is copied.
        onNodeWithContentDescription("Copy").performScrollTo().performClick()
        assertEquals(reply!!.text, outside.copied)
    }

    @Test
    fun a_reply_without_a_model_leads_to_the_models() = app(kept = failure(Recovery.PROVIDE_MODEL)) {
        onNodeWithText("Download the model first.").assertIsDisplayed()
        button("Settings").assertDoesNotExist()
        button("Models").performClick()
        untilShown(hasTestTag("models"))
    }

    @Test
    fun a_reply_whose_server_is_not_the_right_one_leads_to_the_settings() =
        app(kept = failure(Recovery.CHECK_ENDPOINT)) {
            onNodeWithText("Check the server's address and certificate.").assertIsDisplayed()
            button("Models").assertDoesNotExist()
            button("Settings").performClick()
            untilShown(hasTestTag("settings"))
        }

    @Test
    fun a_reply_that_failed_is_tried_again_in_the_same_place() = app(kept = failure(Recovery.TRY_AGAIN)) {
        button("Models").assertDoesNotExist()
        button("Settings").assertDoesNotExist()
        button("Try again").performClick()
        click("Answer on this device")
        until("an answer") { reply?.end?.finish == FinishReason.END_OF_REPLY }
        assertEquals(2, chat.conversation!!.turns.size)
        until("no card") { onAllNodesWithTag("problem").fetchSemanticsNodes().isEmpty() }
    }

    @Test
    fun only_the_last_card_has_buttons() {
        val kept = failure(Recovery.PROVIDE_MODEL) + failure(Recovery.WAIT_FOR_NETWORK)
        app(kept = kept) {
            assertEquals(2, onAllNodesWithTag("problem").fetchSemanticsNodes().size)
            onNodeWithText("Download the model first.").assertIsDisplayed()
            button("Models").assertDoesNotExist()
            button("Try again").assertIsDisplayed()
        }
    }

    private fun DesktopComposeUiTest.button(name: String) =
        onNode(hasText(name) and hasAnyAncestor(hasTestTag("problem")))
}
