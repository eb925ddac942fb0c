package dev.uhlm.demo.markdown

import org.commonmark.ext.gfm.strikethrough.Strikethrough
import org.commonmark.ext.gfm.strikethrough.StrikethroughExtension
import org.commonmark.ext.gfm.tables.TableBlock
import org.commonmark.ext.gfm.tables.TableCell
import org.commonmark.ext.gfm.tables.TableRow
import org.commonmark.ext.gfm.tables.TablesExtension
import org.commonmark.node.BlockQuote
import org.commonmark.node.BulletList
import org.commonmark.node.Code
import org.commonmark.node.Emphasis
import org.commonmark.node.FencedCodeBlock
import org.commonmark.node.HardLineBreak
import org.commonmark.node.Heading
import org.commonmark.node.HtmlBlock
import org.commonmark.node.HtmlInline
import org.commonmark.node.IndentedCodeBlock
import org.commonmark.node.Link
import org.commonmark.node.Node
import org.commonmark.node.OrderedList
import org.commonmark.node.SoftLineBreak
import org.commonmark.node.StrongEmphasis
import org.commonmark.node.Text
import org.commonmark.node.ThematicBreak
import org.commonmark.parser.IncludeSourceSpans
import org.commonmark.parser.Parser

private val extensions = listOf(TablesExtension.create(), StrikethroughExtension.create())

private val parser: Parser = Parser.builder().extensions(extensions)
    .includeSourceSpans(IncludeSourceSpans.BLOCKS_AND_INLINES).build()

/**
 * Returns the blocks of a Markdown text (CommonMark with tables and struck text). Every text is one: what is written so
 * far of a reply too. HTML is shown as it is written, and images by their descriptions.
 */
fun parseMarkdown(source: String): List<Block> = Reader(source).blocks(parser.parse(source))

private class Reader(private val source: String) {
    fun blocks(parent: Node): List<Block> = parent.children().mapNotNull(::block)

    private fun block(node: Node): Block? = when (node) {
        is Heading -> Block.Heading(node.level, runs(node))
        is FencedCodeBlock ->
            Block.Code(node.info.orEmpty().substringBefore(' '), lines(node, node.literal, fences = 1))
        is IndentedCodeBlock -> Block.Code("", lines(node, node.literal, fences = 0))
        is HtmlBlock -> Block.Paragraph(lines(node, node.literal, fences = 0))
        is BulletList -> Block.Items(null, node.children().map(::blocks))
        is OrderedList -> Block.Items(node.markerStartNumber ?: 1, node.children().map(::blocks))
        is BlockQuote -> Block.Quote(blocks(node))
        is ThematicBreak -> Block.Rule
        is TableBlock -> Block.Table(rows(node).map { row -> row.children().filter { it is TableCell }.map(::runs) })
        // A paragraph; what links lead to has no text of its own.
        else -> runs(node).takeIf { it.isNotEmpty() }?.let(Block::Paragraph)
    }

    private fun rows(node: Node): List<Node> =
        node.children().flatMap { if (it is TableRow) listOf(it) else rows(it) }

    private fun runs(parent: Node, style: Style = Style()): List<Run> = parent.children().flatMap { run(it, style) }

    private fun run(node: Node, style: Style): List<Run> = when (node) {
        is Text -> listOf(placed(node, node.literal, style))
        is Code -> listOf(placed(node, node.literal, style.copy(code = true)))
        is HtmlInline -> listOf(placed(node, node.literal, style))
        // Models end a line where they want one to end.
        is SoftLineBreak, is HardLineBreak -> listOf(placed(node, "\n", style))
        is Emphasis -> runs(node, style.copy(italic = true))
        is StrongEmphasis -> runs(node, style.copy(bold = true))
        is Strikethrough -> runs(node, style.copy(struck = true))
        is Link -> runs(node, style.copy(link = node.destination))
        else -> runs(node, style)
    }

    /** Where a text stands in the source: within the node's marks, unless an escape made another text of it. */
    private fun placed(node: Node, text: String, style: Style): Run {
        val spans = node.sourceSpans
        if (spans.isEmpty()) {
            // A line's end has no place of its own: it is the next one in the source.
            val next = source.indexOf(text, end)
            return if (next < 0) Run(text, end, 0, style) else Run(text, next, text.length, style)
        }
        val start = spans.first().inputIndex
        val length = spans.last().let { it.inputIndex + it.length } - start
        val within = source.indexOf(text, start)
        val exact = within >= 0 && within + text.length <= start + length
        end = start + length
        return if (exact) Run(text, within, text.length, style) else Run(text, start, length, style)
    }

    /** Lines of code, each of which has a span; the fence above has one, too. */
    private fun lines(node: Node, literal: String, fences: Int): List<Run> {
        val lines = literal.removeSuffix("\n").split('\n')
        return lines.mapIndexed { index, line ->
            val text = if (index < lines.lastIndex) line + "\n" else line
            val span = node.sourceSpans.getOrNull(index + fences)
            if (span == null) Run(text, end, 0)
            // The line, without the indentation that the block has.
            else Run(text, span.inputIndex + (span.length - line.length).coerceAtLeast(0))
        }
    }

    /** Where the last text with a place ended, for those without one. */
    private var end = 0
}

private fun Node.children(): List<Node> = generateSequence(firstChild) { it.next }.toList()
