package dev.uhlm.demo.desktop

import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.LocalSaveableStateRegistry
import androidx.compose.runtime.saveable.SaveableStateRegistry
import androidx.compose.runtime.setValue
import androidx.compose.ui.semantics.SemanticsActions
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.assert
import androidx.compose.ui.test.assertIsDisplayed
import androidx.compose.ui.test.assertIsEnabled
import androidx.compose.ui.test.assertIsNotEnabled
import androidx.compose.ui.test.assertTextContains
import androidx.compose.ui.test.hasAnyAncestor
import androidx.compose.ui.test.hasContentDescription
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onAllNodesWithTag
import androidx.compose.ui.test.onAllNodesWithText
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performScrollTo
import androidx.compose.ui.test.performScrollToNode
import androidx.compose.ui.test.performTextInput
import androidx.compose.ui.test.performTextReplacement
import androidx.compose.ui.test.v2.runDesktopComposeUiTest
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.chat.ReplyNotice
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.settings.Theme
import dev.uhlm.demo.settings.Trust
import dev.uhlm.demo.settings.VERIFIER_TOKEN
import dev.uhlm.demo.storage.Said
import dev.uhlm.demo.ui.App
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/** Clicks through the app as it runs on the desktop: the real library, the demo pair, real verifiers on loopback. */
@OptIn(ExperimentalTestApi::class)
class AppTest : ClickedApp() {
    private fun exact(server: String) = Fixture.settings(server).copy(mode = Mode.EXACT)

    @Test
    fun a_message_is_asked_about_then_answered_with_tinted_words_and_a_record_of_what_was_sent() = app {
        say(Fixture.questions.first())
        onNodeWithTag("consent").assertIsDisplayed()
        assertTrue(chat.conversations.isEmpty())
        click("Send this conversation")
        untilWritten()
        val written = checkNotNull(reply)
        assertEquals(FinishReason.END_OF_REPLY, written.end?.finish, "${written.end}")
        onNodeWithTag("reply").assertTextContains(written.text)
        val node = onNodeWithTag("reply").fetchSemanticsNode()
        val spoken = node.config[SemanticsProperties.StateDescription]
        assertTrue("Checked by the server" in spoken || "Written by the server" in spoken, spoken)
        // The figures are for who asks for them.
        assertTrue(onAllNodesWithTag("figures").fetchSemanticsNodes().isEmpty())
        onNodeWithContentDescription("Details").performClick()
        onNode(hasText("tokens/s", substring = true)).assertIsDisplayed()
        assertEquals(chat.conversations, store().load())

        menu("What was sent")
        onNode(hasText("requests,", substring = true)).assertIsDisplayed()
        assertTrue(onAllNodesWithText("Words to read and to check").fetchSemanticsNodes().isNotEmpty())
        click("Clear this record")
        untilShown(hasText("Nothing was sent in this conversation."))
        onNodeWithContentDescription("Back").performClick()
        onNodeWithTag("message").assertIsDisplayed()
    }

    @Test
    fun an_answer_on_the_phone_sends_nothing() = app {
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        assertEquals(setOf(Origin.DRAFT), reply?.pieces?.map { it.origin }?.toSet())
        assertTrue(chat.conversation?.sent.orEmpty().isEmpty())
        onNodeWithContentDescription("Details").performClick()
        onNode(hasText("nothing sent")).assertIsDisplayed()
    }

    @Test
    fun cancelling_the_question_sends_nothing_and_leaves_the_message_where_it_was_typed() = app {
        say("A secret")
        click("Cancel")
        waitForIdle()
        assertTrue(chat.conversations.isEmpty())
        onAllNodesWithTag("consent").fetchSemanticsNodes().let { assertTrue(it.isEmpty()) }
        onNodeWithTag("message").assertTextContains("A secret")
        onNodeWithContentDescription("Send").performClick()
        click("Answer on this device")
        untilWritten()
        assertEquals(listOf("A secret"), chat.conversation!!.turns.filterIsInstance<Said>().map { it.text })
        onNodeWithTag("message").assert(hasText("A secret").not())
    }

    @Test
    fun the_stop_button_ends_a_reply_and_keeps_its_words() = app(slow = true) {
        say(Fixture.questions.first())
        click("Answer on this device")
        until("some words") { reply?.text.orEmpty().length > 4 }
        onNodeWithContentDescription("Stop").performClick()
        untilWritten()
        assertEquals(FinishReason.CANCELLED, reply?.end?.finish)
        untilShown(hasText("Stopped."))
        onNodeWithText("Try again").assertIsDisplayed()
    }

    @Test
    fun the_legend_is_behind_a_tap_and_has_the_switch_for_colours() = app {
        assertTrue(onAllNodesWithText("Not checked").fetchSemanticsNodes().isEmpty())
        menu("Who wrote what")
        onNodeWithTag("legend").assertIsDisplayed()
        assertTrue(onAllNodesWithText("Not checked").fetchSemanticsNodes().isEmpty())
        onNodeWithContentDescription("Colour every word by who wrote it").performClick()
        untilShown(hasText("Not checked"))
        until("the file") { SettingsStore(folder).settings.value.tinted }
        click("OK")
        until("no legend") { onAllNodesWithTag("legend").fetchSemanticsNodes().isEmpty() }
    }

    @Test
    fun a_server_that_was_agreed_to_is_asked_no_more_until_settings_say_so() = app(exact("server")) {
        val endpoint = Fixture.settings("server").endpoint
        say(Fixture.questions[0])
        click("Do not ask again for this server")
        click("Send this conversation")
        untilWritten()
        newConversation()
        say(Fixture.questions[1])
        until("a reply without a question") { reply?.end?.finish == FinishReason.END_OF_REPLY }
        menu("Settings")
        onNodeWithText("$endpoint may read conversations").performScrollTo().assertIsDisplayed()
        onNodeWithText("Ask again").performScrollTo().performClick()
        until("the file") { SettingsStore(folder).settings.value.agreed.isEmpty() }
    }

    @Test
    fun the_list_is_searched() = app {
        for (index in 0..1) {
            say(Fixture.questions[index])
            click("Answer on this device")
            untilWritten()
            newConversation()
        }
        val (second, first) = chat.conversations.map { it.title }
        onNodeWithContentDescription("Conversations").performClick()
        onNodeWithTag("search").performTextInput(first.uppercase())
        until("the other one to go") {
            onAllNodes(hasContentDescription("More about $second")).fetchSemanticsNodes().isEmpty()
        }
        onNodeWithContentDescription("More about $first").assertIsDisplayed()
    }

    @Test
    fun the_title_names_the_model_the_mode_and_the_server() = app(exact("server")) {
        val host = Fixture.settings("server").endpoint.removePrefix("https://")
        onNodeWithTag("heading", useUnmergedTree = true)
            .assertTextContains("Exact · $host")
        onNodeWithTag("model").assertTextContains(File(Fixture.draft).nameWithoutExtension)
    }

    @Test
    fun a_model_is_brought_as_a_file_and_chosen_in_the_title() = app {
        val file = File(Fixture.draft)
        outside.picked = PickedFile("own.gguf") { file.inputStream() }
        onNodeWithTag("model").performClick()
        click("Get more models")
        onNodeWithTag("models").performScrollToNode(hasText("Choose a file"))
        click("Choose a file")
        until("the model") { wiring.viewModels.models.state.value.stored.any { it.name == "own.gguf" } }
        assertEquals(file.length(), File(folder, "models/own.gguf").length())
        outside.picked = PickedFile("page.gguf") { "<html>".byteInputStream() }
        click("Choose a file")
        until("a notice") { wiring.viewModels.models.state.value.notice != null }
        assertEquals(listOf("own.gguf"), wiring.viewModels.models.state.value.stored.map { it.name })
        onNodeWithContentDescription("Back").performClick()
        onNodeWithTag("model").performClick()
        onNodeWithContentDescription("In use", useUnmergedTree = true).assertIsDisplayed()
        click("own")
        until("the file") { SettingsStore(folder).settings.value.model == File(folder, "models/own.gguf").path }
        onNodeWithTag("model").assertTextContains("own")
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        assertEquals("own", reply?.end?.figures?.model)
    }

    @Test
    fun a_link_is_pasted_asked_about_and_answered_by_its_server() = app(exact("server").copy(endpoint = "")) {
        val server = Fixture.settings("guarded")
        val url = server.endpoint.replace(":", "%3A").replace("/", "%2F")
        menu("Settings")
        onNodeWithTag("link").performTextInput("uhlm://nowhere")
        click("Pair")
        until("a notice") { wiring.viewModels.settings.state.value.notice?.startsWith("This is no link") == true }
        onNodeWithTag("link").performTextInput(
            "uhlm://verifier?url=$url&sha256=${server.trustValue}&token=${Fixture.guardedToken}",
        )
        click("Pair")
        untilShown(hasTestTag("pairing"))
        onNodeWithText(server.endpoint).assertIsDisplayed()
        val beginning = server.trustValue.take(16).chunked(4).joinToString(" ")
        onNodeWithText("Its certificate begins with $beginning", substring = true).assertIsDisplayed()
        onNode(hasText("Pair") and hasAnyAncestor(hasTestTag("pairing"))).performClick()
        until("the file") { SettingsStore(folder).settings.value.endpoint == server.endpoint }
        assertFalse(Fixture.guardedToken in File(folder, "settings.json").readText())
        onNodeWithContentDescription("Back").performClick()
        say(Fixture.questions.first())
        // Pairing is no agreement to send anything.
        click("Send this conversation")
        untilWritten()
        assertEquals(FinishReason.END_OF_REPLY, reply?.end?.finish, "${reply?.end}")
        assertTrue(reply!!.pieces.any { it.origin == Origin.VERIFIED })
    }

    @Test
    fun the_page_of_speeds_has_the_figures_of_replies_and_of_a_measurement() = app {
        menu("Speed")
        onNodeWithText("No reply was written yet.").assertIsDisplayed()
        click("Measure now")
        until("a measurement") { wiring.viewModels.speed.state.value.measured != null }
        val measured = wiring.viewModels.speed.state.value.measured!!
        assertTrue(measured.reply > 0 && measured.firstSeconds > 0 && measured.draft!! > 0, "$measured")
        untilShown(hasTestTag("measured"))
        onNodeWithContentDescription("Back").performClick()
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        menu("Speed")
        onNodeWithTag("speed").performScrollToNode(hasText("Last replies"))
        onNodeWithText("From 1 reply").assertIsDisplayed()
        val figures = reply!!.end!!.figures!!
        assertTrue(figures.drafted!! > 0 && figures.draftingSeconds!! > 0, "$figures")
        assertEquals(chat.conversations, store().load())
    }

    @Test
    fun a_reply_goes_on_while_nobody_sees_the_app_and_says_so_until_it_is_done() = app(slow = true) {
        val told = mutableListOf<ReplyNotice?>()
        val watching = CoroutineScope(Dispatchers.Unconfined).launch { wiring.notices.collect(told::add) }
        say(Fixture.questions.first())
        click("Answer on this device")
        until("some words") { reply?.text.orEmpty().length > 4 }
        platform.foreground.value = false
        untilWritten()
        until("the end") { told.last() is ReplyNotice.Done }
        assertEquals(listOf(null, ReplyNotice.Writing(1), ReplyNotice.Done(chat.open!!, true, null)), told)
        platform.foreground.value = true
        until("nothing") { told.last() == null }
        watching.cancel()
        menu("Settings")
        onNodeWithContentDescription("Show the reply in the notification").performScrollTo().performClick()
        until("the file") { SettingsStore(folder).settings.value.noticeText }
    }

    @Test
    fun a_reply_is_copied_shared_and_answered_again() = app {
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        val text = reply!!.text
        onNodeWithContentDescription("Copy").performClick()
        assertEquals(text, outside.copied)
        onNodeWithContentDescription("Share").performClick()
        assertEquals(text, outside.given.single().second)
        val before = reply
        onNodeWithContentDescription("Answer again").performClick()
        click("Answer on this device")
        until("another reply") { reply !== before && reply?.end != null && chat.writingHere == null }
        assertEquals(2, chat.conversation!!.turns.size)
        menu("Save as a file")
        val (name, file) = outside.given.last()
        assertTrue(name.endsWith(".md"), name)
        for (part in listOf("# ", "> ${Fixture.questions.first()}", reply!!.text.trim())) assertTrue(part in file, file)
    }

    @Test
    fun a_message_is_edited_and_what_followed_it_goes() = app {
        for (index in 0..1) {
            say(Fixture.questions[index])
            click("Answer on this device")
            untilWritten()
        }
        onNodeWithContentDescription("You: ${Fixture.questions[0]}").performClick()
        click("Edit")
        onNodeWithTag("message").assertTextContains(Fixture.questions[0])
        onNodeWithTag("message").performTextReplacement(Fixture.questions[2])
        onNodeWithContentDescription("Send").performClick()
        click("Answer on this device")
        until("the cut") { (chat.conversation!!.turns.firstOrNull() as? Said)?.text == Fixture.questions[2] }
        untilWritten()
        assertEquals(2, chat.conversation!!.turns.size)
        assertEquals(chat.conversations, store().load())
    }

    @Test
    fun the_mode_and_the_goal_are_chosen_beside_the_message() = app {
        onNodeWithTag("controls").performClick()
        click("Balanced")
        click("Share asked")
        untilShown(hasText("Ask about 20 % of the words"))
        click("Exact")
        untilShown(hasText("Every word is checked", substring = true))
        until("the file") { SettingsStore(folder).settings.value.mode == Mode.EXACT }
    }

    @Test
    fun a_server_that_does_not_answer_shows_as_a_banner_and_goes_when_it_does() = app(exact("weather")) {
        Fixture.weather("resets")
        say(Fixture.questions.first())
        click("Send this conversation")
        untilShown(hasTestTag("banner"))
        untilWritten()
        assertTrue(reply!!.pieces.any { it.origin == Origin.UNVERIFIED }, "${reply?.pieces}")
        Fixture.weather("clear")
        // A reply without the server is over before the next attempt to reach it is due; a later one finds it.
        for (turn in 1..40) {
            say(Fixture.questions[turn % Fixture.questions.size])
            untilWritten()
            if (!chat.offline) break
        }
        until("no banner") { onAllNodesWithTag("banner").fetchSemanticsNodes().isEmpty() || !chat.offline }
    }

    @Test
    fun a_token_is_asked_for_where_the_server_wants_one_and_never_lies_in_the_settings() = app(exact("guarded")) {
        say(Fixture.questions.first())
        click("Send this conversation")
        untilShown(hasTestTag("problem"))
        onNode(hasText("Settings")).performClick()
        onNodeWithTag("Token").performScrollTo().performTextInput(Fixture.guardedToken)
        onNodeWithContentDescription("Keep Token").performClick()
        untilShown(hasContentDescription("Remove Token"))
        onNodeWithContentDescription("Back").performClick()
        onNodeWithText("Try again").performScrollTo().performClick()
        until("an answer") { reply?.end?.finish == FinishReason.END_OF_REPLY }
        assertFalse(Fixture.guardedToken in File(folder, "settings.json").readText())
    }

    @Test
    fun the_address_and_the_trust_are_kept_when_the_screen_is_left() = app(Settings()) {
        menu("Settings")
        onNodeWithTag("endpoint").performTextReplacement("https://verifier.example:8443")
        click("This certificate")
        untilShown(hasTestTag("trust"))
        onNodeWithTag("trust").performTextInput("ab".repeat(32))
        onNodeWithText("Dark").performScrollTo().performClick()
        onNodeWithContentDescription("Back").performClick()
        val expected = Settings(
            endpoint = "https://verifier.example:8443",
            trust = Trust.FINGERPRINT,
            trustValue = "ab".repeat(32),
            theme = Theme.DARK,
        )
        until("the file") { SettingsStore(folder).settings.value == expected }
    }

    @Test
    fun a_calibration_is_picked_for_the_model_in_use_and_decides_from_then_on() =
        app(Fixture.settings("server").copy(calibration = "", mode = Mode.OPPORTUNISTIC)) {
            val file = File(Fixture.settings("server").calibration)
            outside.picked = PickedFile(file.name) { file.inputStream() }
            menu("Settings")
            onNodeWithText("No file: the thresholds are cautious ones.").performScrollTo().assertIsDisplayed()
            onNodeWithText("Choose a file").performScrollTo().performClick()
            untilShown(hasText("The thresholds are those of a calibration file."))
            val kept = File(SettingsStore(folder).settings.value.calibration)
            assertTrue(kept.startsWith(folder), "$kept")
            assertEquals(file.readText(), kept.readText())
            onNodeWithContentDescription("Back").performClick()
            say(Fixture.questions.first())
            click("Answer on this device")
            untilWritten()
            assertEquals(FinishReason.END_OF_REPLY, reply?.end?.finish)
        }

    @Test
    fun a_model_is_downloaded_with_progress_then_used_checked_and_kept_from_being_removed() {
        ModelServer(folder, File(Fixture.draft), quick = 100_000).use { server ->
            app(Settings(), server.trust) {
                click("Choose a model")
                onNodeWithTag("models").performScrollToNode(hasTestTag("source"))
                onNodeWithTag("source").performTextInput(server.url)
                onNodeWithTag("models").performScrollToNode(hasTestTag("download"))
                onNodeWithTag("source").assertTextContains(server.url)
                onNodeWithTag("download").assertIsEnabled().performClick()
                // Nobody says what it must hash to.
                untilShown(hasText("Download anyway"))
                click("Download anyway")
                val models = wiring.viewModels.models.state
                until("progress, not ${models.value}") { models.value.downloads.values.any { it.received > 0 } }
                onNodeWithTag("models").performScrollToNode(hasText("On their way"))
                untilShown(hasText(" kB of ", substring = true))
                server.release()
                until("the model") { wiring.viewModels.models.state.value.stored.isNotEmpty() }
                onNodeWithTag("models").performScrollToNode(hasText("On this device"))
                click("Use")
                untilShown(hasText("In use"))
                onNodeWithText("Remove").assertIsNotEnabled()
                click("Check")
                untilShown(hasText("intact", substring = true))
                onNodeWithContentDescription("Back").performClick()
                say("Hello")
                untilWritten()
                assertEquals(FinishReason.END_OF_REPLY, reply?.end?.finish ?: error("${reply?.end}"))
            }
        }
    }

    @Test
    fun what_was_typed_and_the_screen_survive_rotation_and_the_end_of_the_process() {
        runBlocking { SettingsStore(folder).change { Fixture.settings("server") } }
        wiring = Wiring(DesktopPlatform(folder))
        var registry = SaveableStateRegistry(null) { true }
        var shown by mutableStateOf(true)
        runDesktopComposeUiTest(420, 860, testTimeout = 10.minutes) {
            setContent {
                if (shown) {
                    CompositionLocalProvider(LocalSaveableStateRegistry provides registry) { App(wiring.viewModels) }
                }
            }
            until("the conversations") { chat.loaded }
            say(Fixture.questions.first())
            click("Answer on this device")
            untilWritten()
            val before = chat.conversation
            onNodeWithTag("message").performTextInput("half a thought")

            fun turn(newProcess: Boolean) {
                registry = SaveableStateRegistry(registry.performSave()) { true }
                shown = false
                waitForIdle()
                if (newProcess) wiring = Wiring(DesktopPlatform(folder))
                shown = true
                until("the conversations") { chat.loaded }
                waitForIdle()
            }
            turn(newProcess = false)
            onNodeWithTag("message").assertTextContains("half a thought")
            turn(newProcess = true)
            untilShown(hasText("half a thought"))
            assertEquals(before, chat.conversation)
            onNodeWithTag("reply").assertTextContains(reply!!.text)
        }
    }

    @Test
    fun conversations_are_switched_renamed_and_deleted_in_the_drawer() = app {
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        val title = chat.conversation!!.title
        newConversation()
        onNodeWithContentDescription("Conversations").performClick()
        onNodeWithContentDescription("More about $title").performClick()
        click("Rename")
        onNodeWithTag("title").performTextReplacement("Sums")
        // A click on a dialog that still opens, on a busy machine, is lost.
        repeat(20) {
            val isOpen = onAllNodesWithTag("rename").fetchSemanticsNodes().isNotEmpty()
            if (isOpen) onNodeWithTag("rename").performClick()
            waitForIdle()
        }
        until("the title") { store().load().single().title == "Sums" }
        onNodeWithContentDescription("More about Sums").performClick()
        click("Delete")
        onNodeWithText("Delete this conversation?").assertIsDisplayed()
        click("Delete")
        until("no conversation") { chat.conversations.isEmpty() }
        assertTrue(File(folder, "conversations").list()!!.isEmpty())
    }

    @Test
    fun notices_come_one_after_the_other_and_leave_by_themselves() = app {
        // Nothing can be written where a folder should be.
        File(folder, "conversations").writeText("")
        File(folder, "secrets.json").apply { delete() }.mkdirs()
        File(folder, "secrets.json/in the way").writeText("")
        wiring.viewModels.settings.secret(VERIFIER_TOKEN, "a-token")
        say("Hello")
        click("Answer on this device")
        val first = hasText("The token could not be kept safely, so it was not kept.")
        val second = hasText("There is no room to keep the message. Free some storage.")
        mainClock.autoAdvance = false
        fun shown() = listOf(first, second).filter { onAllNodes(it).fetchSemanticsNodes().isNotEmpty() }
        fun advanceUntil(what: String, holds: () -> Boolean) = eventually({ what }) {
            mainClock.advanceTimeBy(100)
            holds()
        }
        val seen = mutableSetOf<SemanticsMatcher>()
        advanceUntil("one notice") { shown().also(seen::addAll).isNotEmpty() }
        // One fades while the next one comes.
        advanceUntil("the other one alone") { shown().also(seen::addAll).size == 1 && seen.size == 2 }
        advanceUntil("none") { shown().isEmpty() && wiring.viewModels.chat.state.value.notice == null }
        mainClock.autoAdvance = true
    }

    @Test
    fun a_call_of_a_tool_is_allowed_shown_in_one_line_unfolded_and_saved() =
        app(Fixture.settings("server").copy(tools = true), calling = sum) {
            say("How much is 12.5 * 8?")
            onNodeWithText("What tools on this device answer", substring = true).assertIsDisplayed()
            click("Answer on this device")
            untilShown(hasTestTag("tool"))
            onNodeWithText("Use the calculator?").assertIsDisplayed()
            onNodeWithText("expression: 12.5 * 8").assertIsDisplayed()
            // It was agreed to answer here.
            onNodeWithText("may be sent to the server", substring = true).assertDoesNotExist()
            click("Allow")
            untilWritten()
            val line = "Asked the calculator: 12.5 * 8 = 100"
            onNodeWithText(line).assertIsDisplayed()
            onNodeWithText("expression: 12.5 * 8", substring = true).assertDoesNotExist()
            onNodeWithTag("call").performClick()
            untilShown(hasText("expression: 12.5 * 8"))
            assertEquals(chat.conversations, store().load())
            menu("Save as a file")
            assertTrue("- `$line`" in outside.given.single().second, outside.given.single().second)
            // The library takes a conversation with calls back.
            say("Thanks")
            click("Answer on this device")
            untilShown(hasTestTag("tool"))
            click("Refuse")
            untilWritten()
            onNodeWithText("The calculator was not allowed.").assertIsDisplayed()
        }

    @Test
    fun tools_are_turned_on_in_settings_where_each_call_asks_unless_that_is_turned_off() =
        app(Fixture.settings("server"), calling = sum) {
            menu("Settings")
            onNodeWithContentDescription("Ask me each time").assertDoesNotExist()
            onNodeWithContentDescription("Let models use tools").performScrollTo().performClick()
            untilShown(hasContentDescription("Ask me each time"))
            until("the file") { SettingsStore(folder).settings.value.run { tools && askTools } }
            onNodeWithContentDescription("Ask me each time").performScrollTo().performClick()
            until("the file") { SettingsStore(folder).settings.value.run { tools && !askTools } }
            onNodeWithContentDescription("Back").performClick()
            say("How much is 12.5 * 8?")
            click("Answer on this device")
            untilWritten()
            onNodeWithText("Asked the calculator: 12.5 * 8 = 100").assertIsDisplayed()
        }

    @Test
    fun everything_that_can_be_tapped_has_a_name() = app {
        say(Fixture.questions.first())
        click("Answer on this device")
        untilWritten()
        onNodeWithTag("controls").performClick()
        val clickable = SemanticsMatcher("can be clicked") { SemanticsActions.OnClick in it.config }
        fun check(screen: String) {
            for (node in onAllNodes(clickable).fetchSemanticsNodes()) {
                val names = with(SemanticsProperties) { listOf(ContentDescription, Text, EditableText) }
                val named = names.any { it in node.config }
                assertTrue(named, "$screen: ${node.config}")
            }
        }
        check("chat")
        for (screen in listOf("What was sent", "Models", "Speed", "Settings")) {
            menu(screen)
            check(screen)
            onNodeWithContentDescription("Back").performClick()
        }
    }
}
