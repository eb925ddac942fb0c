package dev.uhlm.demo.desktop

import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.storage.Reply
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** What is chosen while a reply is written is for the replies after it. */
@OptIn(ExperimentalTestApi::class)
class OtherChoiceTest : ClickedApp() {
    /** Begins a reply, writes another one in another conversation by other settings, and lets the first one go on. */
    private fun DesktopComposeUiTest.writeBoth(change: (Settings) -> Settings): List<Reply> {
        held.hold()
        say(Fixture.questions[0])
        until("the first reply") { held.isHeld }
        val first = chat.open!!
        wiring.viewModels.settings.change(change)
        newConversation()
        say(Fixture.questions[1])
        until("the second reply") { chat.open != null && reply?.end != null && chat.writingHere == null }
        assertTrue(first in chat.writing)
        held.goOn()
        until("the end of the first reply") { first !in chat.writing }
        val conversations = listOf(first, chat.open).map { id -> chat.conversations.first { it.id == id } }
        val replies = conversations.map { it.turns.last() as Reply }
        for (reply in replies) assertEquals(FinishReason.END_OF_REPLY, reply.end?.finish, "${reply.end}")
        return replies
    }

    @Test
    fun another_model_lets_a_reply_be_written_to_its_end() {
        val other = File(folder, "other.gguf").also { File(Fixture.draft).copyTo(it) }
        val alone = Fixture.settings("server").copy(mode = Mode.DEVICE_ONLY)
        app(alone) {
            val (first, second) = writeBoth { it.copy(model = other.path) }
            assertEquals(listOf(alone.modelName, "other"), listOf(first, second).map { it.end?.figures?.model })
        }
    }

    @Test
    fun another_server_lets_a_reply_be_written_to_its_end_by_the_first_one() {
        val (here, there) = listOf("server", "weather").map { Fixture.settings(it).copy(mode = Mode.EXACT) }
        app(here.copy(agreed = setOf(here.server, there.server))) {
            val replies = writeBoth { it.copy(endpoint = there.endpoint, trustValue = there.trustValue) }
            for (reply in replies) assertTrue(reply.pieces.any { it.origin == Origin.VERIFIED }, "${reply.pieces}")
            assertTrue(replies.all { reply -> reply.pieces.none { it.origin == Origin.UNVERIFIED } }, "$replies")
        }
    }
}
