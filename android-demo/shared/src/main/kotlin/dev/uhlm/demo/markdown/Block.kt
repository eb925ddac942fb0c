package dev.uhlm.demo.markdown

/** A block of a Markdown text. */
sealed interface Block {
    data class Paragraph(val runs: List<Run>) : Block

    /** @property level from 1, the largest, to 6. */
    data class Heading(val level: Int, val runs: List<Run>) : Block

    /** @property language what the fence says; empty if it says nothing. */
    data class Code(val language: String, val runs: List<Run>) : Block {
        val text: String get() = runs.joinToString("") { it.text }.trimEnd('\n')
    }

    /** @property first the number of the first item; none where they are not numbered. */
    data class Items(val first: Int?, val items: List<List<Block>>) : Block

    data class Quote(val blocks: List<Block>) : Block

    /** @property rows the header first; each cell is a line of text. */
    data class Table(val rows: List<List<List<Run>>>) : Block

    data object Rule : Block
}

/**
 * Text in one style, and where it stands in the source.
 *
 * @property start index in the source of the first character.
 * @property length characters of the source that it comes from. Where that is the text's own length, the two are the
 * same character by character.
 */
data class Run(val text: String, val start: Int, val length: Int = text.length, val style: Style = Style())

/** @property link the address that it leads to. */
data class Style(
    val bold: Boolean = false,
    val italic: Boolean = false,
    val code: Boolean = false,
    val struck: Boolean = false,
    val link: String? = null,
)
