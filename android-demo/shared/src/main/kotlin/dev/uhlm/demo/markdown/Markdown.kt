package dev.uhlm.demo.markdown

import org.commonmark.ext.gfm.strikethrough.Strikethrough
import org.commonmark.ext.gfm.strikethrough.StrikethroughExtension
import org.commonmark.ext.gfm.tables.TableBlock
import org.commonmark.ext.gfm.tables.TableCell
import org.commonmark.ext.gfm.tables.TableRow
import org.commonmark.ext.gfm.tables.TablesExtension
import org.commonmark.node.BlockQuote
import org.commonmark.node.Code
import org.commonmark.node.Emphasis
import org.commonmark.node.FencedCodeBlock
import org.commonmark.node.HardLineBreak
import org.commonmark.node.Heading
import org.commonmark.node.HtmlBlock
import org.commonmark.node.HtmlInline
import org.commonmark.node.IndentedCodeBlock
import org.commonmark.node.Link
import org.commonmark.node.ListBlock
import org.commonmark.node.Node
import org.commonmark.node.OrderedList
import org.commonmark.node.SoftLineBreak
import org.commonmark.node.StrongEmphasis
import org.commonmark.node.Text
import org.commonmark.node.ThematicBreak
import org.commonmark.parser.IncludeSourceSpans
import org.commonmark.parser.Parser

private val extensions = listOf(TablesExtension.create(), StrikethroughExtension.create())

/**
 * Quotes and lists in one another, as deep as they are read: a model that goes round in circles writes thousands. What
 * is deeper is a paragraph as it is written.
 */
internal const val DEEPEST = 16

/** The parser has one block for a quote and two for a list, and one for what is in the last of them. */
private const val OPEN_BLOCKS = 2 * DEEPEST + 2

private val parser: Parser = Parser.builder().extensions(extensions).maxOpenBlockParsers(OPEN_BLOCKS)
    .customInlineContentParserFactory(ManyMarks).includeSourceSpans(IncludeSourceSpans.BLOCKS_AND_INLINES).build()

/**
 * Returns the blocks of a Markdown text (CommonMark with tables and struck text). Every text is one: what is written so
 * far of a reply too. HTML is shown as it is written, and images by their descriptions.
 */
fun parseMarkdown(source: String): List<Block> = Reader(source).blocks(parser.parse(source))

private class Reader(private val source: String) {
    fun blocks(parent: Node, depth: Int = 0): List<Block> = parent.children().mapNotNull { block(it, depth) }

    private fun block(node: Node, depth: Int): Block? = when (node) {
        is Heading -> Block.Heading(node.level, runs(node))
        is FencedCodeBlock ->
            Block.Code(node.info.orEmpty().substringBefore(' '), lines(node, node.literal, fences = 1))
        is IndentedCodeBlock -> Block.Code("", lines(node, node.literal, fences = 0))
        is HtmlBlock -> Block.Paragraph(lines(node, node.literal, fences = 0))
        is ListBlock, is BlockQuote -> if (depth < DEEPEST) nest(node, depth + 1) else Block.Paragraph(written(node))
        is ThematicBreak -> Block.Rule
        is TableBlock -> Block.Table(rows(node).map { row -> row.children().filter { it is TableCell }.map(::runs) })
        // A paragraph; what links lead to has no text of its own.
        else -> runs(node).takeIf { it.isNotEmpty() }?.let(Block::Paragraph)
    }

    private fun nest(node: Node, depth: Int): Block = when (node) {
        is ListBlock -> {
            val first = if (node is OrderedList) node.markerStartNumber ?: 1 else null
            Block.Items(first, node.children().map { blocks(it, depth) })
        }
        else -> Block.Quote(blocks(node, depth))
    }

    private fun rows(node: Node): List<Node> =
        node.children().flatMap { if (it is TableRow) listOf(it) else rows(it) }

    /** The texts in a node, in order. */
    private fun runs(parent: Node): List<Run> = buildList {
        val waiting = ArrayDeque(parent.children().map { it to Style() })
        while (waiting.isNotEmpty()) {
            val (node, style) = waiting.removeFirst()
            when (node) {
                is Text -> add(placed(node, node.literal, style))
                is Code -> add(placed(node, node.literal, style.copy(code = true)))
                is HtmlInline -> add(placed(node, node.literal, style))
                // Models end a line where they want one to end.
                is SoftLineBreak, is HardLineBreak -> add(placed(node, "\n", style))
                else -> waiting.addAll(0, node.children().map { it to style.within(node) })
            }
        }
    }

    /** A block as it is written, its marks included. */
    private fun written(node: Node): List<Run> {
        val spans = node.sourceSpans.filter { it.length > 0 }
        end = spans.lastOrNull()?.run { inputIndex + length } ?: end
        return spans.mapIndexed { index, span ->
            val text = source.substring(span.inputIndex, span.inputIndex + span.length)
            Run(if (index < spans.lastIndex) text + "\n" else text, span.inputIndex)
        }
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

private fun Style.within(node: Node): Style = when (node) {
    is Emphasis -> copy(italic = true)
    is StrongEmphasis -> copy(bold = true)
    is Strikethrough -> copy(struck = true)
    is Link -> copy(link = node.destination)
    else -> this
}

private fun Node.children(): List<Node> = generateSequence(firstChild) { it.next }.toList()
