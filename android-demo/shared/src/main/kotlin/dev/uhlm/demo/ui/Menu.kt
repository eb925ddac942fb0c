package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.ColumnScope
import androidx.compose.material3.DropdownMenu
import androidx.compose.material3.MaterialTheme
import androidx.compose.runtime.Composable

/** A menu. A step lighter than Material's, which a dark screen hardly sets off from what is below it. */
@Composable
internal fun Menu(isOpen: Boolean, onClose: () -> Unit, entries: @Composable ColumnScope.() -> Unit) {
    DropdownMenu(
        isOpen,
        onClose,
        containerColor = MaterialTheme.colorScheme.surfaceContainerHighest,
        content = entries,
    )
}
