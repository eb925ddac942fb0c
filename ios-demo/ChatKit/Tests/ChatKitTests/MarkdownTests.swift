import Uhlm
import XCTest

@testable import ChatKit

final class MarkdownTests: XCTestCase {
    /// What models write, all of it at once.
    private let sample = """
        # Title

        Some *soft* and **loud** text with `a_b*c` and
        a second line, [a link](https://example.org/a_b) and ~~no~~.

        ```swift
        func main() {
            print("*")
        }
        ```

        1. one
        2. two
           - inner

        > said **so**

        | a | b |
        |---|---|
        | 1 | *2* |

        ---
        Ümläut 👩‍👧 end
        """

    private func runs(_ block: MarkdownBlock) -> [MarkdownRun] {
        switch block {
        case .paragraph(let runs), .heading(_, let runs), .code(_, let runs): runs
        case .items(_, let items): items.flatMap { $0.flatMap(runs) }
        case .quote(let blocks): blocks.flatMap(runs)
        case .table(let rows): rows.flatMap { $0.flatMap { $0 } }
        case .rule: []
        }
    }

    private func text(_ source: String) -> String { markdownBlocks(source).flatMap(runs).text }

    func test_blocks_are_what_they_look_like() throws {
        let blocks = markdownBlocks(sample)
        XCTAssertEqual(blocks.count, 8)
        guard case .heading(1, let title) = blocks[0], case .paragraph(let words) = blocks[1],
            case .code("swift", let code) = blocks[2], case .items(1, let items) = blocks[3],
            case .quote(let quoted) = blocks[4], case .table(let rows) = blocks[5], case .rule = blocks[6],
            case .paragraph(let last) = blocks[7]
        else { return XCTFail("\(blocks)") }
        XCTAssertEqual(title.text, "Title")
        let styles = Dictionary(words.map { ($0.text, $0.style) }) { first, _ in first }
        XCTAssertEqual(styles["soft"], MarkdownStyle(italic: true))
        XCTAssertEqual(styles["loud"], MarkdownStyle(bold: true))
        XCTAssertEqual(styles["a_b*c"], MarkdownStyle(code: true))
        XCTAssertEqual(styles["a link"], MarkdownStyle(link: "https://example.org/a_b"))
        XCTAssertEqual(styles["no"], MarkdownStyle(struck: true))
        XCTAssertEqual(
            words.text, "Some soft and loud text with a_b*c and\na second line, a link and no.")
        XCTAssertEqual(code.text, "func main() {\n    print(\"*\")\n}")
        XCTAssertEqual(items.count, 2)
        guard case .items(nil, let inner) = items[1][1] else { return XCTFail("\(items)") }
        XCTAssertEqual(inner.flatMap { $0.flatMap(runs) }.text, "inner")
        XCTAssertEqual(quoted.flatMap(runs).text, "said so")
        XCTAssertEqual(rows.map { $0.map(\.text) }, [["a", "b"], ["1", "2"]])
        XCTAssertEqual(last.text, "Ümläut 👩‍👧 end")
    }

    func test_each_text_stands_in_the_source_where_its_run_says() {
        let source = Array(sample.unicodeScalars)
        let all = markdownBlocks(sample).flatMap(runs)
        XCTAssertGreaterThan(all.count, 20)
        for run in all {
            let scalars = Array(run.text.unicodeScalars)
            XCTAssertEqual(Array(source[run.start..<run.start + scalars.count]), scalars, "\(run)")
        }
    }

    func test_every_beginning_of_a_text_is_a_text_and_loses_no_letter() {
        let scalars = Array(sample.unicodeScalars)
        for length in 0...scalars.count {
            let source = String(String.UnicodeScalarView(scalars[..<length]))
            let letters = text(source).filter(\.isLetter).count
            // What a fence or a link says is not text.
            let hidden = "swifthttpsexampleorgab".count
            XCTAssertGreaterThanOrEqual(letters, source.filter(\.isLetter).count - hidden, source)
        }
    }

    func test_signs_that_mean_nothing_are_shown() {
        for plain in ["2 * 3 * 4", "a_b_c", "5 < 6 `", "**", "[x] (y)", "#tag", "1.5 m", "-5", "a ** b **", "~x~"] {
            XCTAssertEqual(text(plain), plain)
        }
        XCTAssertEqual(text(#"a \*b\*"#), "a *b*")
        XCTAssertEqual(text("***both*** and *a **b** c*"), "both and a b c")
        XCTAssertEqual(text("- [ ] to do\n* other\n\nafter"), "[ ] to dootherafter")
    }

    func test_a_model_that_repeats_itself_nests_no_deeper_than_anybody_reads() {
        func depth(_ blocks: [MarkdownBlock]) -> Int {
            let inner = blocks.map { block in
                switch block {
                case .quote(let blocks): 1 + depth(blocks)
                case .items(_, let items): 1 + (items.map(depth).max() ?? 0)
                default: 0
                }
            }
            return inner.max() ?? 0
        }
        for sign in [">", "> ", "- ", "1. ", "> - "] {
            let source = String(repeating: sign, count: 10_000) + "end"
            let blocks = markdownBlocks(source)
            XCTAssertEqual(depth(blocks), deepestMarkdown, sign)
            // What is deeper is there as it was written.
            let levels = String(repeating: sign, count: deepestMarkdown / (sign == "> - " ? 2 : 1))
            let rest = source.dropFirst(levels.count).drop { $0 == " " }
            XCTAssertEqual(blocks.flatMap(runs).text, String(rest), sign)
        }
        let deep = (0..<100).map { String(repeating: " ", count: 2 * $0) + "- x" }.joined(separator: "\n")
        XCTAssertEqual(depth(markdownBlocks(deep)), deepestMarkdown)
        XCTAssertEqual(text(deep).filter { $0 == "x" }.count, 100)
    }

    func test_styles_and_links_in_each_other_end_somewhere_too() {
        let links = String(repeating: "[", count: 3_000) + "a" + String(repeating: "](b)", count: 3_000)
        XCTAssertTrue(text(links).contains("a"))
        let styles = "[" + String(repeating: "*a **b** c* ", count: 1_000) + "](d)"
        XCTAssertEqual(text(styles).filter { $0 == "b" }.count, 1_000)
    }

    func test_a_block_of_code_that_is_being_written_is_one() {
        guard case .code("", let code)? = markdownBlocks("```\nlet a = 1\nlet").last else { return XCTFail() }
        XCTAssertEqual(code.text, "let a = 1\nlet")
    }

    func test_the_space_before_a_word_is_not_marked() {
        var reply = Reply()
        reply.add(TextRun(text: "The", origin: .verified))
        reply.add(TextRun(text: " dog", origin: .target, corrected: true))
        let parts = markdownBlocks(reply.text).flatMap(runs).flatMap { reply.marked([$0]) }
        XCTAssertEqual(parts.map(\.text), ["The", " ", "dog"])
        XCTAssertEqual(parts.map(\.mark), [nil, nil, .corrected])
        XCTAssertEqual(parts.map(\.origin), [.verified, .target, .target])
    }

    func test_marks_find_their_words_in_markdown() {
        var reply = Reply()
        for run in [
            TextRun(text: "# Ti", origin: .verified),
            TextRun(text: "tle\n\na **b", origin: .target, corrected: true),
            TextRun(text: "c** d", origin: .verified),
            TextRun(text: "\n- e", origin: .unverified),
        ] { reply.add(run) }
        let parts = markdownBlocks(reply.text + " tail").flatMap(runs).flatMap { reply.marked([$0]) }
        XCTAssertEqual(parts.map(\.text).joined(), "Titlea bc de tail")
        let marked = parts.filter { $0.mark != nil }
        XCTAssertEqual(marked.map(\.text), ["tle", "a ", "b", "e"])
        XCTAssertEqual(marked.map(\.mark), [.corrected, .corrected, .corrected, .unverified])
        XCTAssertEqual(parts.filter { $0.origin == nil }.map(\.text), [" tail"])
        XCTAssertEqual(
            reply.spokenOrigins, "Checked by the server: 4 words. Written by the server: 3 words. Not checked: 2 words."
        )
    }
}
