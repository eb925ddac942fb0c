package dev.uhlm.demo.desktop

import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.hasText
import dev.uhlm.demo.settings.Settings
import java.io.IOException
import kotlin.test.Test

/** A file that cannot be written is told of on whatever screen. */
@OptIn(ExperimentalTestApi::class)
class FileNoticeTest : ClickedApp() {
    @Test
    fun a_text_that_cannot_be_saved_is_told_of() = app(Settings()) {
        menu("Settings")
        with(wiring.viewModels.files) {
            save("text")
            saved { throw IOException("the disk is full") }
        }
        untilShown(hasText("The file could not be saved."))
        click("OK")
        until("the notice to be read") { wiring.viewModels.files.notice.value == null }
    }
}
