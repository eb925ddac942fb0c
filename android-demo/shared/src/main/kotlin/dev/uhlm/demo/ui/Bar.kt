package dev.uhlm.demo.ui

import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.Spacer
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.width
import androidx.compose.foundation.layout.windowInsetsPadding
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.TopAppBarDefaults
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.isTraversalGroup
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp

/** The bar above a screen. Material's has one height, and cuts off the second line that large type needs. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
internal fun Bar(
    navigation: (@Composable () -> Unit)?,
    title: @Composable () -> Unit,
    actions: @Composable () -> Unit = {},
    below: @Composable () -> Unit = {},
) {
    Column(
        Modifier.fillMaxWidth().windowInsetsPadding(TopAppBarDefaults.windowInsets)
            .semantics { isTraversalGroup = true },
    ) {
        Row(
            Modifier.fillMaxWidth().heightIn(min = 64.dp).padding(4.dp),
            verticalAlignment = Alignment.CenterVertically,
        ) {
            if (navigation == null) Spacer(Modifier.width(8.dp)) else navigation()
            Box(Modifier.weight(1f)) { title() }
            actions()
        }
        below()
    }
}
