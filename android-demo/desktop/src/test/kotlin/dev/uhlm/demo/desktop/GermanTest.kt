package dev.uhlm.demo.desktop

import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.hasTestTag
import dev.uhlm.Mode
import java.util.Locale
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** The app where the system speaks German. */
@OptIn(ExperimentalTestApi::class)
class GermanTest : ClickedApp() {
    private val before = Locale.getDefault()

    /** Has the system speak German. */
    @BeforeTest
    fun speak() {
        Locale.setDefault(Locale.GERMANY)
        words = WordTable("de")
    }

    /** Has it speak again what it spoke. */
    @AfterTest
    fun speakAsBefore() = Locale.setDefault(before)

    @Test
    fun no_screen_of_a_german_phone_has_an_english_word() =
        app(Fixture.settings("server").copy(mode = Mode.EXACT, tools = true)) {
            val german = WordTable("de").all
            val english = WordTable("en").all.filter { (key, text) -> german.getValue(key) != text }
            val seen = mutableSetOf<String>()
            fun look(screen: String) {
                val shown = shown()
                seen += shown
                val foreign = english.filterValues { it in shown && it !in german.values }
                assertEquals(emptyMap(), foreign, screen)
            }
            look("an empty chat")
            say(Fixture.questions.first())
            untilShown(hasTestTag("consent"))
            look("the question")
            click(words["consent.conversation"])
            untilWritten()
            onEveryScreen(::look)
            // The walk shows most of what has no place for a value; less would mean that it looks at nothing.
            val said = german.values.count { it in seen }
            assertTrue(said > 80, "only $said of the table were shown")
        }

    /** Everything that is written or read out. */
    private fun DesktopComposeUiTest.shown(): Set<String> =
        onAllNodes(SemanticsMatcher("is anything") { true }, useUnmergedTree = true).fetchSemanticsNodes()
            .flatMap { node ->
                with(SemanticsProperties) {
                    val texts = node.config.getOrNull(Text).orEmpty().map { it.text }
                    val spoken = node.config.getOrNull(ContentDescription).orEmpty()
                    texts + spoken + listOfNotNull(node.config.getOrNull(StateDescription))
                }
            }.toSet()
}
