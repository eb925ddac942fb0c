package dev.uhlm.demo.ui

import androidx.compose.material3.Typography
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.text.font.FontWeight
import androidx.compose.ui.unit.TextUnit
import androidx.compose.ui.unit.sp

/**
 * The system's own font, closer and with heavier titles than Material sets it: what is read here is long, and titles
 * tell themselves apart by weight rather than by size.
 */
internal val type = Typography().run {
    copy(
        headlineSmall = headlineSmall.set(20.sp, 26.sp, FontWeight.SemiBold, (-0.2).sp),
        titleLarge = titleLarge.set(20.sp, 26.sp, FontWeight.SemiBold, (-0.2).sp),
        titleMedium = titleMedium.set(16.sp, 22.sp, FontWeight.SemiBold, (-0.1).sp),
        titleSmall = titleSmall.set(14.sp, 20.sp, FontWeight.SemiBold, 0.sp),
        bodyLarge = bodyLarge.set(16.sp, 25.sp, FontWeight.Normal, 0.sp),
        bodyMedium = bodyMedium.set(14.sp, 21.sp, FontWeight.Normal, 0.sp),
        bodySmall = bodySmall.set(13.sp, 18.sp, FontWeight.Normal, 0.sp),
        labelLarge = labelLarge.set(14.sp, 20.sp, FontWeight.Medium, 0.sp),
        labelMedium = labelMedium.set(12.sp, 17.sp, FontWeight.Normal, 0.1.sp),
        labelSmall = labelSmall.set(12.sp, 16.sp, FontWeight.Normal, 0.1.sp),
    )
}

private fun TextStyle.set(size: TextUnit, line: TextUnit, weight: FontWeight, spacing: TextUnit) =
    copy(fontSize = size, lineHeight = line, fontWeight = weight, letterSpacing = spacing)
