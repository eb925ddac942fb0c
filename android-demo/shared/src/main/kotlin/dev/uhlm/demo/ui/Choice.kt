package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.padding
import androidx.compose.material3.FilterChip
import androidx.compose.material3.FilterChipDefaults
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp

/** In as many rows as they need: what is scrolled out of sight is not found. */
@OptIn(ExperimentalLayoutApi::class)
@Composable
internal fun Chips(content: @Composable () -> Unit) {
    FlowRow(
        horizontalArrangement = Arrangement.spacedBy(8.dp),
        verticalArrangement = Arrangement.spacedBy(4.dp),
    ) { content() }
}

/** One of several. The chosen one is filled: Material's own two grays are hard to tell apart. */
@Composable
internal fun Choice(isChosen: Boolean, onClick: () -> Unit, label: String, enabled: Boolean = true) {
    FilterChip(
        isChosen,
        onClick,
        // As high as the chip is in type of the usual size; what is larger gets the same margin.
        { Text(label, Modifier.padding(vertical = 6.dp)) },
        enabled = enabled,
        colors = FilterChipDefaults.filterChipColors(
            selectedContainerColor = MaterialTheme.colorScheme.primary,
            selectedLabelColor = MaterialTheme.colorScheme.onPrimary,
        ),
        border = FilterChipDefaults.filterChipBorder(
            enabled = enabled,
            selected = isChosen,
            borderColor = MaterialTheme.colorScheme.outline,
        ),
    )
}
