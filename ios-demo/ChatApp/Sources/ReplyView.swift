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
            if isWriting, isEmpty {
                ProgressView(say("chat.thinking"))
            } else if !isEmpty {
                ReplyText(reply: reply, blocks: markdownBlocks(reply.text + tail), tints: tints)
                    .textSelection(.enabled)
                    // VoiceOver reads what stands; what may be taken back would be read in vain.
                    .accessibilityElement(children: .contain)
                    .accessibilityValue(reply.spokenOrigins)
                    .accessibilityAddTraits(isWriting ? .updatesFrequently : [])
            }
            if !isWriting { actions }
            if showsDetails, let line {
                Text(line.parts.joined(separator: " · ")).font(.caption).foregroundStyle(.secondary).monospacedDigit()
            }
            if !isWriting, let note = reply.note { Text(note).font(.caption).foregroundStyle(.secondary) }
        }
        .frame(maxWidth: .infinity, alignment: .leading)
    }

    private var isEmpty: Bool { reply.runs.isEmpty && tail.isEmpty }

    private var actions: some View {
        HStack(spacing: 20) {
            if !reply.runs.isEmpty {
                Button(say("copy"), systemImage: "doc.on.doc") { UIPasteboard.general.string = reply.text }
            }
            if let again { Button(say("chat.regenerate"), systemImage: "arrow.clockwise", action: again) }
            if !reply.runs.isEmpty {
                ShareLink(item: reply.text) { Label(say("chat.share"), systemImage: "square.and.arrow.up") }
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
