package dev.uhlm.demo.ui

import androidx.compose.foundation.clickable
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.BoxWithConstraints
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.layout.widthIn
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.ArrowDropDown
import androidx.compose.material.icons.filled.KeyboardArrowUp
import androidx.compose.material.icons.filled.Menu
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.draw.clip
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.platform.testTag
import androidx.compose.ui.semantics.heading
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.words.say

/**
 * The bar above a conversation.
 *
 * @param title what the conversation is about.
 * @param about how and where it is written; a tap on both opens what changes that.
 * @param model the model that writes: beside the title, or below it where type is large or the window is narrow.
 */
@Composable
internal fun ChatBar(
    title: String,
    about: String,
    isOpen: Boolean,
    onToggle: () -> Unit,
    onDrawer: (() -> Unit)?,
    model: @Composable (Modifier) -> Unit,
    menu: @Composable () -> Unit,
) {
    BoxWithConstraints {
        val isNarrow = maxWidth / LocalDensity.current.fontScale < ROOM
        Bar(
            navigation = if (onDrawer == null) null else {
                { IconButton(onDrawer) { Icon(Icons.Filled.Menu, say("screen.conversations")) } }
            },
            title = { Title(title, about, isOpen, if (isNarrow) 2 else 1, onToggle) },
            actions = {
                // Menus open where the layout is that holds their buttons.
                if (!isNarrow) Box { model(Modifier.widthIn(max = 150.dp)) }
                Box { menu() }
            },
            below = {
                // Its own margin is a part of what the title begins with.
                if (isNarrow) Box(Modifier.padding(start = if (onDrawer == null) 8.dp else 48.dp)) { model(Modifier) }
            },
        )
    }
}

/** How much of a line, in type of the usual size, is needed for a title that says something beside the model. */
private val ROOM = 340.dp

@Composable
private fun Title(title: String, about: String, isOpen: Boolean, lines: Int, onToggle: () -> Unit) {
    val quiet = MaterialTheme.colorScheme.onSurfaceVariant
    Column(
        Modifier.clip(MaterialTheme.shapes.small)
            .clickable(onClickLabel = say("chat.about"), onClick = onToggle)
            .heightIn(min = 48.dp).padding(8.dp, 2.dp).testTag("controls"),
        verticalArrangement = Arrangement.Center,
    ) {
        Text(
            title,
            Modifier.semantics { heading() },
            maxLines = lines,
            overflow = TextOverflow.Ellipsis,
            style = MaterialTheme.typography.titleMedium,
        )
        Row(verticalAlignment = Alignment.CenterVertically) {
            Text(
                about,
                Modifier.weight(1f, fill = false).testTag("heading"),
                maxLines = lines,
                overflow = TextOverflow.Ellipsis,
                style = MaterialTheme.typography.labelMedium,
                color = quiet,
            )
            val arrow = if (isOpen) Icons.Filled.KeyboardArrowUp else Icons.Filled.ArrowDropDown
            Icon(arrow, contentDescription = null, Modifier.size(18.dp), tint = quiet)
        }
    }
}
