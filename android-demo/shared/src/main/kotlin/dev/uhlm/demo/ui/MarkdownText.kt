package dev.uhlm.demo.ui

import androidx.compose.foundation.border
import androidx.compose.foundation.horizontalScroll
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.rememberScrollState
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.draw.drawBehind
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.geometry.Size
import androidx.compose.ui.text.AnnotatedString
import androidx.compose.ui.text.LinkAnnotation
import androidx.compose.ui.text.SpanStyle
import androidx.compose.ui.text.TextLinkStyles
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.text.font.FontFamily
import androidx.compose.ui.text.font.FontStyle
import androidx.compose.ui.text.font.FontWeight
import androidx.compose.ui.text.style.TextDecoration
import androidx.compose.ui.text.withLink
import androidx.compose.ui.text.withStyle
import androidx.compose.ui.unit.LayoutDirection
import androidx.compose.ui.unit.dp
import dev.uhlm.demo.markdown.Block
import dev.uhlm.demo.markdown.Run
import dev.uhlm.demo.words.say

/**
 * Blocks of Markdown, one below the other, with the marks of who wrote what.
 *
 * @param depth how many quotes and lists they are in.
 */
@Composable
internal fun MarkdownText(
    blocks: List<Block>,
    marks: Marks,
    onCopy: (String) -> Unit,
    modifier: Modifier = Modifier,
    depth: Int = 0,
) {
    Column(modifier, verticalArrangement = Arrangement.spacedBy(10.dp)) {
        for (block in blocks) Block(block, marks, onCopy, depth)
    }
}

@Composable
private fun Block(block: Block, marks: Marks, onCopy: (String) -> Unit, depth: Int) {
    val body = MaterialTheme.typography.bodyLarge
    when (block) {
        is Block.Paragraph -> MarkedText(text(block.runs, marks), style = body)
        is Block.Heading -> MarkedText(text(block.runs, marks), style = headings(block.level))
        is Block.Code -> CodeBlock(block, marks, onCopy)
        is Block.Items -> Items(block, marks, onCopy, depth)
        is Block.Quote -> {
            val beside = if (depth < DEEPEST) Modifier.bar().padding(start = 15.dp) else Modifier
            MarkdownText(block.blocks, marks, onCopy, beside, depth + 1)
        }
        is Block.Table -> Table(block, marks)
        Block.Rule -> HorizontalDivider()
    }
}

/** How many quotes and lists in one another move their text to the side: more would leave no room for it. */
private const val DEEPEST = 5

/** The line at the side of a quote. It is drawn: to be laid out beside the text, that would be measured once more. */
@Composable
private fun Modifier.bar(): Modifier {
    val color = MaterialTheme.colorScheme.outlineVariant
    return drawBehind {
        val size = Size(3.dp.toPx(), size.height)
        val left = if (layoutDirection == LayoutDirection.Ltr) 0f else this.size.width - size.width
        drawRect(color, Offset(left, 0f), size)
    }
}

@Composable
private fun headings(level: Int): TextStyle = with(MaterialTheme.typography) {
    when (level) {
        1 -> titleLarge
        2 -> titleMedium.copy(fontSize = bodyLarge.fontSize * 1.15f)
        else -> titleMedium
    }.copy(fontWeight = FontWeight.SemiBold)
}

@Composable
private fun CodeBlock(code: Block.Code, marks: Marks, onCopy: (String) -> Unit) {
    Surface(
        Modifier.fillMaxWidth(),
        shape = MaterialTheme.shapes.small,
        color = MaterialTheme.colorScheme.surfaceContainerHigh,
    ) {
        Column(Modifier.padding(bottom = 10.dp)) {
            Row(Modifier.fillMaxWidth().padding(start = 12.dp), verticalAlignment = Alignment.CenterVertically) {
                Text(
                    code.language.ifBlank { say("chat.code") },
                    Modifier.weight(1f),
                    style = MaterialTheme.typography.labelMedium,
                    color = MaterialTheme.colorScheme.onSurfaceVariant,
                )
                SmallAction(CopyIcon, say("chat.copy_code")) { onCopy(code.text) }
            }
            val style = MaterialTheme.typography.bodyMedium.copy(fontFamily = FontFamily.Monospace)
            // Code keeps its lines; what is wider is scrolled.
            Box(Modifier.horizontalScroll(rememberScrollState()).padding(horizontal = 12.dp)) {
                MarkedText(text(code.runs, marks), style = style)
            }
        }
    }
}

@Composable
private fun Items(list: Block.Items, marks: Marks, onCopy: (String) -> Unit, depth: Int) {
    Column(verticalArrangement = Arrangement.spacedBy(6.dp)) {
        list.items.forEachIndexed { index, blocks ->
            val sign = list.first?.let { "${it + index}." } ?: "•"
            if (depth < DEEPEST) {
                Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
                    Sign(sign)
                    MarkdownText(blocks, marks, onCopy, Modifier.weight(1f), depth + 1)
                }
            } else {
                Sign(sign)
                MarkdownText(blocks, marks, onCopy, depth = depth + 1)
            }
        }
    }
}

@Composable
private fun Sign(sign: String) {
    Text(
        sign,
        Modifier.widthIn(min = 16.dp),
        style = MaterialTheme.typography.bodyLarge,
        color = MaterialTheme.colorScheme.onSurfaceVariant,
    )
}

@Composable
private fun Table(table: Block.Table, marks: Marks) {
    val line = MaterialTheme.colorScheme.outlineVariant
    Column(Modifier.fillMaxWidth().border(1.dp, line, MaterialTheme.shapes.small)) {
        table.rows.forEachIndexed { index, row ->
            if (index > 0) HorizontalDivider(color = line)
            Row {
                for (cell in row) {
                    val weight = if (index == 0) FontWeight.SemiBold else null
                    val style = MaterialTheme.typography.bodyMedium.copy(fontWeight = weight)
                    MarkedText(text(cell, marks), Modifier.weight(1f).padding(10.dp, 6.dp), style)
                }
            }
        }
    }
}

@Composable
private fun text(runs: List<Run>, marks: Marks): AnnotatedString {
    val code = SpanStyle(
        fontFamily = FontFamily.Monospace,
        background = MaterialTheme.colorScheme.surfaceContainerHigh,
    )
    val link = SpanStyle(color = MaterialTheme.colorScheme.primary)
    return AnnotatedString.Builder().apply { for (run in runs) append(run, marks, code, link) }.toAnnotatedString()
}

private fun AnnotatedString.Builder.append(run: Run, marks: Marks, code: SpanStyle, link: SpanStyle) {
    val style = SpanStyle(
        fontWeight = if (run.style.bold) FontWeight.Bold else null,
        fontStyle = if (run.style.italic) FontStyle.Italic else null,
        textDecoration = if (run.style.struck) TextDecoration.LineThrough else null,
    ).merge(if (run.style.code) code else null)
    val put: AnnotatedString.Builder.() -> Unit = {
        withStyle(style) { marks.append(this, run.text, run.start, run.length) }
    }
    val address = run.style.link
    // A model may write any address; only those of the web are opened by a tap.
    if (address != null && (address.startsWith("https://") || address.startsWith("http://"))) {
        withLink(LinkAnnotation.Url(address, TextLinkStyles(link))) { put() }
    } else {
        put()
    }
}
