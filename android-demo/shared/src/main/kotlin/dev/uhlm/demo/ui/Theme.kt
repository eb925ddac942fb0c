package dev.uhlm.demo.ui

import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.runtime.Immutable
import androidx.compose.runtime.staticCompositionLocalOf
import androidx.compose.ui.graphics.Color
import dev.uhlm.Origin
import dev.uhlm.demo.settings.Theme

/** What lies behind words of each origin. Every one leaves the text on it at least seven times as bright or dark. */
@Immutable
internal class OriginColors(
    private val draft: Color,
    private val verified: Color,
    private val target: Color,
    private val unverified: Color,
) {
    operator fun get(origin: Origin): Color = when (origin) {
        Origin.DRAFT -> draft
        Origin.VERIFIED -> verified
        Origin.TARGET -> target
        Origin.UNVERIFIED -> unverified
    }
}

private val lightOrigins = OriginColors(
    draft = Color(0xFFDCE3F0),
    verified = Color(0xFFC4EBCB),
    target = Color(0xFFE5D3F8),
    unverified = Color(0xFFF9C9C7),
)

private val darkOrigins = OriginColors(
    draft = Color(0xFF38414F),
    verified = Color(0xFF1F4D2E),
    target = Color(0xFF4A3266),
    unverified = Color(0xFF642B2C),
)

private val light = lightColorScheme(
    primary = Color(0xFF2F5D8C),
    onPrimary = Color.White,
    primaryContainer = Color(0xFFD3E4F7),
    onPrimaryContainer = Color(0xFF0E2740),
    secondaryContainer = Color(0xFFE0E6EE),
    onSecondaryContainer = Color(0xFF1B242E),
    background = Color(0xFFFBFCFE),
    surface = Color(0xFFFBFCFE),
    onSurface = Color(0xFF181C20),
    surfaceVariant = Color(0xFFE6EAF0),
    onSurfaceVariant = Color(0xFF43494F),
    surfaceContainer = Color(0xFFF0F3F7),
    surfaceContainerLow = Color(0xFFF5F7FA),
    surfaceContainerHigh = Color(0xFFEBEEF3),
    surfaceContainerHighest = Color(0xFFE4E8EE),
)

private val dark = darkColorScheme(
    primary = Color(0xFF9CC7F2),
    onPrimary = Color(0xFF08304F),
    primaryContainer = Color(0xFF25476A),
    onPrimaryContainer = Color(0xFFD8E9FB),
    secondaryContainer = Color(0xFF343D48),
    onSecondaryContainer = Color(0xFFDDE5EF),
    background = Color(0xFF111418),
    surface = Color(0xFF111418),
    onSurface = Color(0xFFE5E8EC),
    surfaceVariant = Color(0xFF2A3037),
    onSurfaceVariant = Color(0xFFBEC5CD),
    surfaceContainer = Color(0xFF1B1F24),
    surfaceContainerLow = Color(0xFF171B20),
    surfaceContainerHigh = Color(0xFF23282E),
    surfaceContainerHighest = Color(0xFF2C3238),
)

internal val LocalOriginColors = staticCompositionLocalOf { lightOrigins }

@Composable
fun DemoTheme(theme: Theme, content: @Composable () -> Unit) {
    val isDark = when (theme) {
        Theme.SYSTEM -> isSystemInDarkTheme()
        Theme.LIGHT -> false
        Theme.DARK -> true
    }
    CompositionLocalProvider(LocalOriginColors provides if (isDark) darkOrigins else lightOrigins) {
        MaterialTheme(colorScheme = if (isDark) dark else light, content = content)
    }
}
