package dev.uhlm.demo.desktop

import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.assertIsDisplayed
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performScrollTo
import androidx.compose.ui.test.performTextInput
import dev.uhlm.Mode
import dev.uhlm.demo.settings.SettingsStore
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** What a model is told before the conversation, and how much of it all it can hold. */
@OptIn(ExperimentalTestApi::class)
class ContextTest : ClickedApp() {
    @Test
    fun what_the_model_is_told_first_is_kept_and_goes_before_the_conversation() =
        app(Fixture.settings("server").copy(mode = Mode.EXACT, recordText = true)) {
            menu("Settings")
            onNodeWithTag("system").performScrollTo().performTextInput("Answer in one word.")
            onNodeWithContentDescription("Back").performClick()
            until("the file") { SettingsStore(folder).settings.value.systemPrompt == "Answer in one word." }
            say(Fixture.questions.first())
            click("Send this conversation")
            untilWritten()
            val sent = chat.conversation!!.sent.mapNotNull { it.text }.joinToString("")
            val told = sent.indexOf("Answer in one word.")
            assertTrue(told in 0 until sent.indexOf(Fixture.questions.first()), sent)
        }

    @Test
    fun how_full_the_context_is_shows_with_the_controls_once_something_was_written() = app {
        onNodeWithTag("controls").performClick()
        onNodeWithTag("context").assertDoesNotExist()
        onNodeWithTag("controls").performClick()
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        onNodeWithTag("controls").performClick()
        untilShown(hasTestTag("context"))
        val use = chat.use!!
        onNodeWithText("${use.tokens} of the ${use.context} tokens that the models can hold").assertIsDisplayed()
        val bar = onNodeWithTag("context").fetchSemanticsNode().config[SemanticsProperties.ProgressBarRangeInfo]
        assertEquals(use.tokens.toFloat() / use.context!!.toFloat(), bar.current)
    }

    @Test
    fun a_note_above_the_field_says_that_the_context_is_nearly_full() = app(kept = nearlyFull) {
        val note = hasText("The models can hold little more of this conversation.")
        onNode(note).assertDoesNotExist()
        say(Fixture.questions.first())
        click("Answer on this device")
        until("the end of the reply") { chat.conversation!!.turns.size == 26 && reply?.end != null }
        val use = chat.use!!
        assertTrue(use.tokens * 100u >= use.context!! * 85u, "$use")
        untilShown(note)
    }
}
