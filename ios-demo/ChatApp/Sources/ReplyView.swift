import ChatKit
import SwiftUI

/// A reply with what can be done with it; its figures are there for who asks for them.
struct ReplyView: View {
    let reply: Reply
    let tail: String
    let line: LiveLine?
    let isWriting: Bool
    let tints: Bool
    /// Answers once more; nil where it is not the last one.
    let again: (() -> Void)?
    @State private var showsDetails = false

    var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            if let reasoning = reply.reasoning { ThoughtsView(text: reasoning, isOpen: isWriting && isEmpty) }
            ForEach(Array(parts.enumerated()), id: \.offset) { index, part in
                switch part {
                case .words(let words):
                    text(words, tail: index == parts.count - 1 ? tail : "")
                case .asked(let asked):
                    ForEach(Array(asked.enumerated()), id: \.offset) { _, one in
                        CallView(asked: one, isOver: !isWriting)
                    }
                }
            }
            if !endsWithWords, !tail.isEmpty { text(Reply(), tail: tail) }
            if isWriting, isThinking { ProgressView(say("chat.thinking")) }
            if !isWriting { actions }
            if showsDetails, let line {
                Text(line.parts.joined(separator: " · ")).font(.caption).foregroundStyle(.secondary).monospacedDigit()
            }
            if !isWriting, let note = reply.note { Text(note).font(.caption).foregroundStyle(.secondary) }
        }
        .frame(maxWidth: .infinity, alignment: .leading)
    }

    private var parts: [ReplyPart] { reply.parts }

    private var isEmpty: Bool { parts.isEmpty && tail.isEmpty }

    private var endsWithWords: Bool {
        if case .words? = parts.last { true } else { false }
    }

    /// Whether nothing else says that something is coming: neither words nor a call that waits for its answer.
    private var isThinking: Bool { !endsWithWords && tail.isEmpty && !reply.waitsForTool }

    /// Words, with what may still be taken back behind them.
    private func text(_ words: Reply, tail: String) -> some View {
        ReplyText(reply: words, blocks: markdownBlocks(words.text + tail), tints: tints)
            .textSelection(.enabled)
            // VoiceOver reads what stands; what may be taken back would be read in vain.
            .accessibilityElement(children: .contain)
            .accessibilityIdentifier("reply")
            .accessibilityValue(words.spokenOrigins)
            .accessibilityAddTraits(isWriting ? .updatesFrequently : [])
    }

    private var actions: some View {
        HStack(spacing: 20) {
            if !reply.runs.isEmpty {
                Button(say("copy"), systemImage: "doc.on.doc") { UIPasteboard.general.string = reply.words }
            }
            if let again {
                Button(say("chat.regenerate"), systemImage: "arrow.clockwise", action: again)
                    .accessibilityIdentifier("again")
            }
            if !reply.runs.isEmpty {
                ShareLink(item: reply.words) { Label(say("chat.share"), systemImage: "square.and.arrow.up") }
            }
            if line?.parts.isEmpty == false {
                Button(say("chat.details"), systemImage: "info.circle") { showsDetails.toggle() }
            }
        }
        .labelStyle(.iconOnly)
        .buttonStyle(.borderless)
        .font(.footnote)
        .foregroundStyle(.secondary)
        .frame(minHeight: 32)
    }
}

/// What a model thought before it replied: open while nothing else is there, and folded from then on.
private struct ThoughtsView: View {
    let text: String
    let isOpen: Bool
    @State private var chosen: Bool?

    var body: some View {
        DisclosureGroup(
            say("chat.thoughts"),
            isExpanded: Binding {
                chosen ?? isOpen
            } set: {
                chosen = $0
            }
        ) {
            Text(text.trimmingCharacters(in: .whitespacesAndNewlines))
                .font(.callout)
                .frame(maxWidth: .infinity, alignment: .leading)
        }
        .font(.footnote)
        .foregroundStyle(.secondary)
        .tint(.secondary)
    }
}
