package dev.uhlm.demo.desktop

import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithTag
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.ReplyEnd
import kotlin.test.Test

/** A model that goes round in circles must not end the app, at the next start neither. */
@OptIn(ExperimentalTestApi::class)
class NestedReplyTest : ClickedApp() {
    private fun isShown(text: String) {
        val kept = listOf(
            Entry.SaidText(1, "Hello"),
            Entry.ReplyBegan(1, Mode.EXACT),
            Entry.Committed(text, Origin.VERIFIED),
            Entry.ReplyEnded(ReplyEnd(FinishReason.MAX_TOKENS)),
        )
        app(Settings(model = "model.gguf"), kept = kept) {
            untilShown(hasTestTag("reply"))
            onNodeWithTag("reply").assertExists()
            untilShown(hasText("Cut at the longest reply that Settings allow."))
        }
    }

    @Test
    fun ten_thousand_quotes_in_one_another_are_shown() = isShown("> ".repeat(10_000) + "so")

    @Test
    fun ten_thousand_lists_in_one_another_are_shown() = isShown("- ".repeat(10_000) + "so")

    @Test
    fun quotes_in_one_another_with_many_lines_are_shown() =
        isShown((1..400).joinToString("\n\n") { "> ".repeat(16) + "line $it" })
}
