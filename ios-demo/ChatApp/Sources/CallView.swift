import ChatKit
import SwiftUI

/// What a reply asked of a tool: one line, which unfolds to what was asked and what was answered.
struct CallView: View {
    let asked: Asked
    /// Whether the reply has ended: a call without an answer then gets none.
    let isOver: Bool
    @State private var isOpen = false

    var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            Button {
                withAnimation { isOpen.toggle() }
            } label: {
                HStack(alignment: .firstTextBaseline, spacing: 8) {
                    Image(systemName: symbol).imageScale(.small).accessibilityHidden(true)
                    Text(asked.line(isOver: isOver)).lineLimit(isOpen ? nil : 3)
                    Spacer(minLength: 0)
                    Image(systemName: "chevron.right")
                        .imageScale(.small)
                        .rotationEffect(.degrees(isOpen ? 90 : 0))
                        .accessibilityHidden(true)
                }
                .frame(minHeight: 28)
                .contentShape(.rect)
            }
            .buttonStyle(.plain)
            .accessibilityHint(isOpen ? say("tools.hide") : say("tools.show"))
            if isOpen { details }
        }
        .font(.footnote)
        .foregroundStyle(.secondary)
        .padding(.horizontal, 12)
        .padding(.vertical, 6)
        .background(.fill.quaternary, in: .rect(cornerRadius: 10))
    }

    private var symbol: String {
        switch asked {
        case .miscall: "exclamationmark.triangle"
        case .call(let call) where call.answer?.kind == .refused: "hand.raised"
        case .call: "wrench.and.screwdriver"
        }
    }

    @ViewBuilder private var details: some View {
        switch asked {
        case .call(let call):
            if !call.values.isEmpty { Detail(title: say("tools.values"), text: call.values) }
            if let answer = call.answer { Detail(title: say("tools.answer"), text: answer.content) }
        case .miscall(let miscall):
            Detail(title: say("tools.written"), text: miscall.text)
            Detail(title: say("tools.reason"), text: miscall.reason)
        }
    }
}

private struct Detail: View {
    let title: String
    let text: String

    var body: some View {
        VStack(alignment: .leading, spacing: 2) {
            Text(title).font(.caption.bold())
            Text(text.trimmingCharacters(in: .whitespacesAndNewlines))
                .font(.callout.monospaced())
                .foregroundStyle(.primary)
                .textSelection(.enabled)
        }
        .accessibilityElement(children: .combine)
    }
}
