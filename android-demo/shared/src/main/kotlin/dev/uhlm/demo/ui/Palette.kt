package dev.uhlm.demo.ui

import androidx.compose.material3.ColorScheme
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Immutable
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.compositeOver
import dev.uhlm.Origin

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

internal val lightOrigins = OriginColors(
    draft = Color(0xFFDCE3F0),
    verified = Color(0xFFC4EBCB),
    target = Color(0xFFE5D3F8),
    unverified = Color(0xFFF9C9C7),
)

internal val darkOrigins = OriginColors(
    draft = Color(0xFF38414F),
    verified = Color(0xFF1F4D2E),
    target = Color(0xFF4A3266),
    unverified = Color(0xFF642B2C),
)

/**
 * The blue of the icon, the amber of the line below a correction in it, and grays that lean to the blue. Every colour
 * that Material would otherwise take from its own purple is set.
 */
internal val lightColors = lightColorScheme(
    primary = Color(0xFF2F5D8C),
    onPrimary = Color.White,
    primaryContainer = Color(0xFFD3E4F7),
    onPrimaryContainer = Color(0xFF0E2740),
    inversePrimary = Color(0xFF9CC7F2),
    secondary = Color(0xFF4C5F73),
    onSecondary = Color.White,
    secondaryContainer = Color(0xFFCFDDEC),
    onSecondaryContainer = Color(0xFF1B242E),
    tertiary = Color(0xFF9A5B00),
    onTertiary = Color.White,
    tertiaryContainer = Color(0xFFFFE3C2),
    onTertiaryContainer = Color(0xFF321D00),
    background = Color(0xFFFBFCFE),
    onBackground = Color(0xFF181C20),
    surface = Color(0xFFFBFCFE),
    onSurface = Color(0xFF181C20),
    surfaceVariant = Color(0xFFE6EAF0),
    onSurfaceVariant = Color(0xFF43494F),
    surfaceTint = Color(0xFF2F5D8C),
    inverseSurface = Color(0xFF2C3238),
    inverseOnSurface = Color(0xFFEEF1F5),
    error = Color(0xFFB3261E),
    onError = Color.White,
    errorContainer = Color(0xFFF9DEDC),
    onErrorContainer = Color(0xFF410E0B),
    outline = Color(0xFF6F7780),
    outlineVariant = Color(0xFFC8CED6),
    surfaceBright = Color(0xFFFBFCFE),
    surfaceDim = Color(0xFFDADEE4),
    surfaceContainerLowest = Color.White,
    surfaceContainerLow = Color(0xFFF5F7FA),
    surfaceContainer = Color(0xFFF0F3F7),
    surfaceContainerHigh = Color(0xFFEBEEF3),
    surfaceContainerHighest = Color(0xFFE4E8EE),
)

internal val darkColors = darkColorScheme(
    primary = Color(0xFF9CC7F2),
    onPrimary = Color(0xFF08304F),
    primaryContainer = Color(0xFF25476A),
    onPrimaryContainer = Color(0xFFD8E9FB),
    inversePrimary = Color(0xFF2F5D8C),
    secondary = Color(0xFFB4C7DB),
    onSecondary = Color(0xFF1E3042),
    secondaryContainer = Color(0xFF36485C),
    onSecondaryContainer = Color(0xFFDDE8F4),
    tertiary = Color(0xFFFFC582),
    onTertiary = Color(0xFF4A2A00),
    tertiaryContainer = Color(0xFF683D00),
    onTertiaryContainer = Color(0xFFFFE3C2),
    background = Color(0xFF111418),
    onBackground = Color(0xFFE5E8EC),
    surface = Color(0xFF111418),
    onSurface = Color(0xFFE5E8EC),
    surfaceVariant = Color(0xFF2A3037),
    onSurfaceVariant = Color(0xFFBEC5CD),
    surfaceTint = Color(0xFF9CC7F2),
    inverseSurface = Color(0xFFE5E8EC),
    inverseOnSurface = Color(0xFF2C3238),
    error = Color(0xFFF2B8B5),
    onError = Color(0xFF601410),
    errorContainer = Color(0xFF6E2622),
    onErrorContainer = Color(0xFFF9DEDC),
    outline = Color(0xFF8A929B),
    outlineVariant = Color(0xFF3C434B),
    surfaceBright = Color(0xFF363C43),
    surfaceDim = Color(0xFF111418),
    surfaceContainerLowest = Color(0xFF0C0F12),
    surfaceContainerLow = Color(0xFF171B20),
    surfaceContainer = Color(0xFF1B1F24),
    surfaceContainerHigh = Color(0xFF23282E),
    surfaceContainerHighest = Color(0xFF2C3238),
)

/** Text that may still be taken back: lighter than what stands, and still to be read. */
internal val ColorScheme.provisional: Color get() = onSurface.copy(alpha = 0.65f).compositeOver(surface)
