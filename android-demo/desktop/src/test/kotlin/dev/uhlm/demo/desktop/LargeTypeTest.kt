package dev.uhlm.demo.desktop

import androidx.compose.ui.semantics.SemanticsActions
import androidx.compose.ui.semantics.SemanticsNode
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.hasAnyAncestor
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.performClick
import androidx.compose.ui.text.TextLayoutResult
import androidx.compose.ui.text.style.TextOverflow
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.settings.VERIFIER_TOKEN
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.ReplyEnd
import java.io.File
import java.util.Locale
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

/** The app on a phone whose system shows type at 1.8 times its size. */
@OptIn(ExperimentalTestApi::class)
class LargeTypeTest : ClickedApp() {
    private val before = Locale.getDefault()
    private val settings = Fixture.settings("server").copy(mode = Mode.EXACT, tools = true)

    /** Has the system speak again what it spoke. */
    @AfterTest
    fun speakAsBefore() = Locale.setDefault(before)

    @Test
    fun the_title_says_all_that_it_says_in_type_of_the_usual_size() =
        app(settings, kept = sortingInKotlin, fontScale = 1.8f) {
            val host = settings.endpoint.removePrefix("https://")
            val title = hasText("Sorting in Kotlin") and hasAnyAncestor(hasTestTag("controls"))
            val model = hasText("demo-draft") and hasAnyAncestor(hasTestTag("model"))
            for (text in listOf(title, hasText("Exact · $host"), model)) {
                val layout = onNode(text, useUnmergedTree = true).fetchSemanticsNode().layout()!!
                assertFalse(layout.isLineEllipsized(layout.lineCount - 1), text.description)
            }
            val (about, below) = listOf("controls", "model").map { onNodeWithTag(it).fetchSemanticsNode().boundsInRoot }
            assertTrue(about.bottom <= below.top, "$about and $below")
        }

    @Test
    fun the_model_is_beside_the_title_in_type_of_the_usual_size() = app(settings, kept = sortingInKotlin) {
        val (about, beside) = listOf("controls", "model").map { onNodeWithTag(it).fetchSemanticsNode().boundsInRoot }
        assertTrue(about.right <= beside.left, "$about and $beside")
    }

    @Test
    fun what_a_tool_answered_is_seen_without_a_tap() {
        val called = listOf(
            Entry.SaidText(1, "What is 12.75 * 48.6?"),
            Entry.ReplyBegan(1, Mode.EXACT),
            Entry.Called("call00001", "calculate", """{"expression": "12.75 * 48.6"}"""),
            Entry.CallAnswered("call00001", "619.65"),
            Entry.ReplyEnded(ReplyEnd(FinishReason.END_OF_REPLY)),
        )
        app(settings, kept = called, fontScale = 1.8f) {
            val line = hasText("Asked the calculator: 12.75 * 48.6 = 619.65")
            val layout = onNode(line, useUnmergedTree = true).fetchSemanticsNode().layout()!!
            assertFalse(layout.isLineEllipsized(layout.lineCount - 1))
        }
    }

    @Test
    fun no_word_is_cut_off_or_broken_in_lists_and_quotes_in_one_another() {
        val nested = listOf(
            Entry.SaidText(1, "Hello"),
            Entry.ReplyBegan(1, Mode.EXACT),
            Entry.Committed("- ".repeat(16) + "in lists\n\n***\n\n" + "> ".repeat(16) + "in quotes", Origin.VERIFIED),
            Entry.ReplyEnded(ReplyEnd(FinishReason.END_OF_REPLY)),
        )
        app(settings, kept = nested, fontScale = 1.8f) {
            untilShown(hasTestTag("reply"))
            for (said in listOf("in lists", "in quotes")) {
                val shown = onAllNodes(hasText(said, substring = true), useUnmergedTree = true)
                assertEquals(1, shown.fetchSemanticsNodes().size, said)
            }
            assertEquals(emptyList(), damaged())
        }
    }

    @Test
    fun no_word_of_a_question_in_another_conversation_is_cut_off_or_broken() {
        Locale.setDefault(Locale.GERMANY)
        words = WordTable("de")
        app(settings.copy(mode = Mode.DEVICE_ONLY), kept = sortingInKotlin, calling = sum, fontScale = 1.8f) {
            askElsewhere()
            assertEquals(emptyList(), damaged())
        }
    }

    @Test
    fun no_word_is_cut_off_or_broken_on_any_screen() = assertNothingIsDamaged()

    @Test
    fun no_word_is_cut_off_or_broken_in_german_whose_words_are_long() {
        Locale.setDefault(Locale.GERMANY)
        words = WordTable("de")
        assertNothingIsDamaged()
    }

    @Test
    fun no_word_is_cut_off_or_broken_in_a_dialog() = app(settings, kept = sortingInKotlin, fontScale = 1.8f) {
        val fingerprint = "3fa19c04d27be856".repeat(4)
        wiring.viewModels.settings.pair("uhlm://verifier?url=https%3A%2F%2F192.168.1.5%3A8443&sha256=$fingerprint")
        untilShown(hasTestTag("pairing"))
        assertEquals(emptyList(), damaged(), "pairing")
        click("Cancel")
        onNodeWithContentDescription("Conversations").performClick()
        onNodeWithContentDescription("More about Sorting in Kotlin").performClick()
        click("Rename")
        untilShown(hasTestTag("title"))
        assertEquals(emptyList(), damaged(), "renaming")
        click("Cancel")
        click("New conversation")
        until("a new one") { chat.open == null }
        say(Fixture.questions.first())
        untilShown(hasTestTag("consent"))
        assertEquals(emptyList(), damaged(), "consent")
    }

    /** Everything is there that has buttons of its own: a token, an agreement, a calibration, another model. */
    private fun assertNothingIsDamaged() {
        val agreed = settings.copy(agreed = setOf(settings.endpoint))
        app(agreed, kept = sortingInKotlin, fontScale = 1.8f) {
            wiring.viewModels.settings.secret(VERIFIER_TOKEN, "a-token")
            wiring.viewModels.models.take(PickedFile("second.gguf") { File(Fixture.draft).inputStream() })
            until("the model") { wiring.viewModels.models.state.value.stored.isNotEmpty() }
            onEveryScreen { assertEquals(emptyList(), damaged(), it) }
        }
    }

    /** Texts that are not shown whole, or with a line's end within a word. */
    private fun DesktopComposeUiTest.damaged(): List<String> {
        val hasLayout = SemanticsMatcher("is a text") {
            SemanticsActions.GetTextLayoutResult in it.config && SemanticsProperties.EditableText !in it.config
        }
        return onAllNodes(hasLayout, useUnmergedTree = true).fetchSemanticsNodes().mapNotNull { node ->
            val layout = node.layout() ?: return@mapNotNull null
            val text = layout.layoutInput.text.text
            val ends = (0 until layout.lineCount - 1).map(layout::getLineEnd)
            val isBroken = ends.any { it in 1 until text.length && text[it - 1].isLetter() && text[it].isLetter() }
            // A title in a list has one line, and three dots for the rest.
            val isCut = layout.isCut && layout.layoutInput.overflow != TextOverflow.Ellipsis
            val isOutside = !node.scrollsSideways && node.isOutside
            listOfNotNull("broken".takeIf { isBroken }, "cut".takeIf { isCut }, "outside".takeIf { isOutside })
                .ifEmpty { null }?.let { "$it: $text" }
        }
    }

    /** By its lines: what Compose calls an overflow begins with a part of a pixel. */
    private val TextLayoutResult.isCut: Boolean
        get() = (0 until lineCount).any { getLineRight(it) > size.width + 1 || getLineBottom(it) > size.height + 1 }

    private fun SemanticsNode.layout(): TextLayoutResult? = mutableListOf<TextLayoutResult>().also {
        config.getOrNull(SemanticsActions.GetTextLayoutResult)?.action?.invoke(it)
    }.firstOrNull()

    /** Whether something hides a part of its width. What is scrolled away is hidden in whole lines. */
    private val SemanticsNode.isOutside: Boolean
        get() = boundsInRoot.let { it.height > 0 && it.width > 0 && it.width < size.width - 1 }

    private val SemanticsNode.scrollsSideways: Boolean
        get() = generateSequence(this) { it.parent }
            .any { SemanticsProperties.HorizontalScrollAxisRange in it.config }
}
