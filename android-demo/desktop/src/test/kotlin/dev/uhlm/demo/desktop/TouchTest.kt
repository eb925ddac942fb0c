package dev.uhlm.demo.desktop

import androidx.compose.ui.geometry.Rect
import androidx.compose.ui.semantics.SemanticsActions
import androidx.compose.ui.semantics.SemanticsNode
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import dev.uhlm.Mode
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Whether a finger hits what it is meant for. */
@OptIn(ExperimentalTestApi::class)
class TouchTest : ClickedApp() {
    private val settings = Fixture.settings("server").copy(mode = Mode.EXACT, tools = true)

    @Test
    fun what_can_be_tapped_has_48_dp_to_itself_on_every_screen() = app(settings, kept = sortingInKotlin) {
        assertFingersHit()
    }

    @Test
    fun so_it_has_below_the_question_of_another_conversation() =
        app(settings.copy(mode = Mode.DEVICE_ONLY), kept = sortingInKotlin, calling = sum) {
            askElsewhere()
            assertFingersHit()
        }

    private fun DesktopComposeUiTest.assertFingersHit() = onEveryScreen { screen ->
        val targets = targets()
        assertTrue(targets.isNotEmpty(), screen)
        val small = targets.filter { it.touchBoundsInRoot.run { width < FINGER || height < FINGER } }
        assertEquals(emptyList(), small.map { it.name }, screen)
        val close = targets.flatMapIndexed { index, one ->
            targets.drop(index + 1).filter { it.isInTheWayOf(one) }.map { "${one.name} and ${it.name}" }
        }
        assertEquals(emptyList(), close, screen)
    }

    /** What can be tapped and is wholly in sight. */
    private fun DesktopComposeUiTest.targets(): List<SemanticsNode> {
        val tapped = SemanticsMatcher("can be tapped") { SemanticsActions.OnClick in it.config }
        val nodes = onAllNodes(tapped).fetchSemanticsNodes().filter {
            val at = it.boundsInRoot
            at.width >= it.size.width - 1 && at.height >= it.size.height - 1 && it.size.height > 0
        }
        // A dialog lies above what is behind it, and so does the drawer.
        val top = nodes.filter { it.root === nodes.last().root }
        return top.filter { it.isInDrawer }.ifEmpty { top }
    }

    private val SemanticsNode.line get() = generateSequence(this) { it.parent }

    private val SemanticsNode.isInDrawer get() = line.any { SemanticsProperties.PaneTitle in it.config }

    /** Whether fingers that are meant for one hit the other. A button within a row is meant to be there. */
    private fun SemanticsNode.isInTheWayOf(other: SemanticsNode): Boolean {
        val isNested = line.any { it.id == other.id } || other.line.any { it.id == id }
        return !isNested && touchBoundsInRoot.overlapsBy(other.touchBoundsInRoot) > 1
    }

    private val SemanticsNode.name: String
        get() = with(SemanticsProperties) {
            config.getOrNull(ContentDescription)?.joinToString()
                ?: config.getOrNull(Text)?.joinToString { it.text }
                ?: config.getOrNull(TestTag)
                ?: "$id"
        }

    private fun Rect.overlapsBy(other: Rect): Float =
        if (overlaps(other)) intersect(other).let { minOf(it.width, it.height) } else 0f

    private companion object {
        const val FINGER = 48
    }
}
