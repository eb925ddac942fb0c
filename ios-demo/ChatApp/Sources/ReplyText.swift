import ChatKit
import SwiftUI
import Uhlm

/// Blocks of Markdown, one below the other, with the marks of who wrote what.
struct ReplyText: View {
    let reply: Reply
    let blocks: [MarkdownBlock]
    let tints: Bool

    var body: some View {
        VStack(alignment: .leading, spacing: 10) {
            ForEach(Array(blocks.enumerated()), id: \.offset) { _, block in
                BlockView(reply: reply, block: block, tints: tints)
            }
        }
    }
}

private struct BlockView: View {
    let reply: Reply
    let block: MarkdownBlock
    let tints: Bool

    var body: some View {
        switch block {
        case .paragraph(let runs):
            text(runs)
        case .heading(let level, let runs):
            text(runs).font(level == 1 ? .title2.bold() : level == 2 ? .title3.bold() : .headline)
                .accessibilityAddTraits(.isHeader)
        case .code(let language, let runs):
            CodeView(language: language, code: runs.text) { text(runs) }
        case .items(let first, let items):
            VStack(alignment: .leading, spacing: 6) {
                ForEach(Array(items.enumerated()), id: \.offset) { index, blocks in
                    HStack(alignment: .firstTextBaseline, spacing: 8) {
                        Text(first.map { "\($0 + index)." } ?? "•").foregroundStyle(.secondary)
                        ReplyText(reply: reply, blocks: blocks, tints: tints)
                    }
                }
            }
        case .quote(let blocks):
            ReplyText(reply: reply, blocks: blocks, tints: tints)
                .padding(.leading, 12)
                .overlay(alignment: .leading) { Rectangle().fill(.quaternary).frame(width: 3) }
        case .table(let rows):
            ScrollView(.horizontal) {
                Grid(alignment: .leading, horizontalSpacing: 16, verticalSpacing: 6) {
                    ForEach(Array(rows.enumerated()), id: \.offset) { index, row in
                        GridRow {
                            ForEach(Array(row.enumerated()), id: \.offset) { _, cell in
                                text(cell).font(index == 0 ? .subheadline.bold() : .subheadline)
                            }
                        }
                        if index == 0 { Divider() }
                    }
                }
            }
        case .rule:
            Divider()
        }
    }

    private func text(_ runs: [MarkdownRun]) -> Text {
        Text(reply.marked(runs).reduce(into: AttributedString()) { $0 += piece($1) })
    }

    private func piece(_ part: MarkedText) -> AttributedString {
        var piece = AttributedString(part.text)
        var intent: InlinePresentationIntent = []
        if part.style.bold { intent.insert(.stronglyEmphasized) }
        if part.style.italic { intent.insert(.emphasized) }
        if part.style.code { intent.insert(.code) }
        if part.style.struck { intent.insert(.strikethrough) }
        if !intent.isEmpty { piece.inlinePresentationIntent = intent }
        // A model may write any address; only those of the web are opened by a tap.
        if let link = part.style.link.flatMap(URL.init(string:)), ["https", "http"].contains(link.scheme) {
            piece.link = link
        }
        guard let origin = part.origin else {
            piece.foregroundColor = Color.secondary.opacity(0.6)
            return piece
        }
        if tints { piece.backgroundColor = origin.color.opacity(0.22) }
        switch part.mark {
        case .corrected: piece.underlineStyle = Text.LineStyle(pattern: .solid, color: .secondary)
        case .unverified: piece.underlineStyle = Text.LineStyle(pattern: .dot, color: .secondary)
        case nil: break
        }
        return piece
    }
}

/// Code keeps its lines; what is wider is scrolled.
private struct CodeView<Content: View>: View {
    let language: String
    let code: String
    @ViewBuilder let content: Content

    var body: some View {
        VStack(alignment: .leading, spacing: 0) {
            HStack {
                Text(language.isEmpty ? say("chat.code") : language).font(.caption).foregroundStyle(.secondary)
                Spacer()
                Button(say("chat.copy_code"), systemImage: "doc.on.doc") { UIPasteboard.general.string = code }
                    .labelStyle(.iconOnly)
                    .font(.caption)
                    .frame(minWidth: 44, minHeight: 36)
            }
            ScrollView(.horizontal, showsIndicators: false) {
                content.font(.callout.monospaced())
            }
        }
        .padding(.horizontal, 12)
        .padding(.bottom, 10)
        .background(.fill.quaternary, in: .rect(cornerRadius: 10))
    }
}
