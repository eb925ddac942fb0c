package dev.uhlm.demo.desktop

import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.assertIsDisplayed
import androidx.compose.ui.test.hasAnyAncestor
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import dev.uhlm.FinishReason
import kotlin.test.Test
import kotlin.test.assertEquals

/** A tool that is asked for in a conversation which nobody looks at: the reply would wait for ever. */
@OptIn(ExperimentalTestApi::class)
class AskingElsewhereTest : ClickedApp() {
    private val settings = Fixture.settings("server").copy(tools = true)
    private val question = "How much is 12.5 * 8?"

    /** A reply that is about to ask. */
    private fun DesktopComposeUiTest.ask() {
        held.hold()
        say(question)
        click("Answer on this device")
        until("the reply") { held.isHeld }
    }

    private fun DesktopComposeUiTest.answerWhereItLeads() {
        untilShown(hasTestTag("asking"))
        onNodeWithTag("tool").assertDoesNotExist()
        // The list says so, too, out of sight.
        val strip = hasAnyAncestor(hasTestTag("asking"))
        onNode(strip and hasText(question) and hasText("Asks to use a tool")).assertIsDisplayed()
        click("Open")
        untilShown(hasTestTag("tool"))
        onNodeWithTag("asking").assertDoesNotExist()
        click("Allow")
        until("the end of the reply") { reply?.end?.finish == FinishReason.END_OF_REPLY && chat.writingHere == null }
        assertEquals(question, chat.conversation?.title)
        onNodeWithText("Asked the calculator: 12.5 * 8 = 100").assertIsDisplayed()
    }

    @Test
    fun a_conversation_that_is_not_open_says_that_it_asks_and_leads_there() = app(settings, calling = sum) {
        ask()
        newConversation()
        held.goOn()
        answerWhereItLeads()
    }

    @Test
    fun the_open_conversation_says_so_on_another_screen() = app(settings, calling = sum) {
        ask()
        menu("Settings")
        held.goOn()
        answerWhereItLeads()
    }
}
