package dev.uhlm.demo.markdown

import org.commonmark.node.Text
import org.commonmark.parser.beta.InlineContentParser
import org.commonmark.parser.beta.InlineContentParserFactory
import org.commonmark.parser.beta.InlineParserState
import org.commonmark.parser.beta.ParsedInline

/**
 * Leaves marks of style as they are written once a paragraph has many. The parser calls itself for each pair of them
 * within another one, and a model that goes round in circles writes thousands.
 */
internal object ManyMarks : InlineContentParserFactory {
    /** Marks of a paragraph that are read: pairs are in one another at most half as deep. */
    const val MOST = 512

    override fun getTriggerCharacters(): Set<Char> = setOf('*', '_', '~')

    /** For one paragraph. */
    override fun create(): InlineContentParser = object : InlineContentParser {
        private var marks = 0

        override fun tryParse(state: InlineParserState): ParsedInline? {
            val scanner = state.scanner()
            val mark = scanner.peek()
            val length = scanner.matchMultiple(mark)
            if (marks + length > MOST) return ParsedInline.of(Text("$mark".repeat(length)), scanner.position())
            // It is the parser's, which goes on from where the marks begin. A run of them comes here once.
            marks += length
            return ParsedInline.none()
        }
    }
}
