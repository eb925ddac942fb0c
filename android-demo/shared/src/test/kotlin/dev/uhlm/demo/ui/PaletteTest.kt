package dev.uhlm.demo.ui

import androidx.compose.material3.ColorScheme
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.luminance
import dev.uhlm.Origin
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class PaletteTest {
    private val palettes = mapOf("light" to lightColors, "dark" to darkColors)

    /** WCAG 2.2, "contrast ratio". */
    private fun contrast(one: Color, other: Color): Float {
        val (darker, lighter) = listOf(one.luminance(), other.luminance()).sorted()
        return (lighter + 0.05f) / (darker + 0.05f)
    }

    private fun ColorScheme.surfaces() = mapOf(
        "surface" to surface,
        "background" to background,
        "container, lowest" to surfaceContainerLowest,
        "container, low" to surfaceContainerLow,
        "container" to surfaceContainer,
        "container, high" to surfaceContainerHigh,
        "container, highest" to surfaceContainerHighest,
    )

    private fun assertAtLeast(least: Float, pairs: ColorScheme.() -> Map<String, Pair<Color, Color>>) {
        for ((name, palette) in palettes) {
            val poor = palette.pairs().mapValues { (_, pair) -> contrast(pair.first, pair.second) }
                .filterValues { it < least }
            assertEquals(emptyMap(), poor, name)
        }
    }

    @Test
    fun `the contrast of black and white is that of the definition`() {
        assertEquals(21f, contrast(Color.White, Color.Black), 0.01f)
        assertEquals(1f, contrast(Color.Red, Color.Red), 0.01f)
        // The gray that is known as the lightest one that WCAG AA has on white.
        assertEquals(4.54f, contrast(Color(0xFF767676), Color.White), 0.01f)
    }

    @Test
    fun `text has the contrast of WCAG AA on everything that it stands on`() = assertAtLeast(4.5f) {
        val texts = mapOf("text" to onSurface, "quiet text" to onSurfaceVariant, "primary" to primary, "error" to error)
        val plain = surfaces().flatMap { (place, behind) ->
            texts.map { (text, color) -> "$text on $place" to (color to behind) }
        }
        plain.toMap() + mapOf(
            "provisional text" to (provisional to surface),
            "a message" to (onPrimaryContainer to primaryContainer),
            "a filled button" to (onPrimary to primary),
            "a tonal button" to (onSecondaryContainer to secondaryContainer),
            // The time below a title in the list, where the conversation is the open one.
            "quiet text on what is chosen" to (onSurfaceVariant to secondaryContainer),
            "the button of a question elsewhere" to (primary to secondaryContainer),
            "a problem" to (onErrorContainer to errorContainer),
            "a notice" to (inverseOnSurface to inverseSurface),
            "a notice's button" to (inversePrimary to inverseSurface),
        )
    }

    @Test
    fun `lines and signs have the contrast of WCAG AA for what is no text`() = assertAtLeast(3f) {
        mapOf(
            "a field's border" to (outline to surface),
            "a field's border in a dialog" to (outline to surfaceContainerHigh),
            "the line below a correction" to (tertiary to surface),
            "the line below a correction in code" to (tertiary to surfaceContainerHigh),
            "the line below what nobody checked" to (onSurfaceVariant to surface),
            "a chosen chip" to (primary to surface),
            "how full the context is" to (primary to secondaryContainer),
        )
    }

    @Test
    fun `words on the colours of their origins have seven times the contrast`() {
        for ((origins, palette) in listOf(lightOrigins to lightColors, darkOrigins to darkColors)) {
            for (origin in Origin.entries) {
                val contrast = contrast(palette.onSurface, origins[origin])
                assertTrue(contrast >= 7, "$origin: $contrast")
            }
        }
    }

    @Test
    fun `provisional text is told from what stands`() = assertAtLeast(1.5f) {
        mapOf("provisional text and text" to (provisional to onSurface))
    }

    @Test
    fun `no colour is left to Material's purple`() {
        for ((palette, material) in listOf(lightColors to lightColorScheme(), darkColors to darkColorScheme())) {
            val used: List<ColorScheme.() -> Color> = listOf(
                { primary }, { primaryContainer }, { inversePrimary }, { secondary }, { secondaryContainer },
                { tertiary }, { tertiaryContainer }, { surface }, { surfaceVariant }, { onSurfaceVariant },
                { surfaceTint }, { outline }, { outlineVariant }, { inverseSurface }, { surfaceContainer },
            )
            used.forEachIndexed { index, color ->
                assertTrue(palette.color() != material.color(), "the colour with number $index")
            }
        }
    }
}
