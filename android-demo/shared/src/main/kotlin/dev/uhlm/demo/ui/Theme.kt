package dev.uhlm.demo.ui

import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.foundation.shape.CornerSize
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Shapes
import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.runtime.staticCompositionLocalOf
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.settings.Theme

/** Rounder the larger a thing is: fields, menus and code, then cards, messages, and dialogs. */
internal val shapes = Shapes(
    extraSmall = RoundedCornerShape(10.dp),
    small = RoundedCornerShape(10.dp),
    medium = RoundedCornerShape(14.dp),
    large = RoundedCornerShape(20.dp),
    extraLarge = RoundedCornerShape(26.dp),
)

/** A message of the person's points to where it was typed. */
internal val saidShape = shapes.large.copy(bottomEnd = CornerSize(6.dp))

internal val LocalOriginColors = staticCompositionLocalOf { lightOrigins }

@Composable
fun DemoTheme(theme: Theme, content: @Composable () -> Unit) {
    val isDark = when (theme) {
        Theme.SYSTEM -> isSystemInDarkTheme()
        Theme.LIGHT -> false
        Theme.DARK -> true
    }
    CompositionLocalProvider(LocalOriginColors provides if (isDark) darkOrigins else lightOrigins) {
        MaterialTheme(if (isDark) darkColors else lightColors, shapes = shapes, typography = type, content = content)
    }
}
