import ChatKit
import SwiftUI

/// What left the device in this conversation, request by request.
struct SentView: View {
    @Environment(\.dismiss) private var dismiss
    let chat: ChatModel

    var body: some View {
        let sent = chat.conversation.sent
        List {
            if !sent.isEmpty {
                Section {
                    LabeledContent("Requests", value: sent.count, format: .number)
                    LabeledContent("Tokens", value: sent.map(\.tokens).reduce(0, +), format: .number)
                    LabeledContent("Sent", value: sent.map(\.bytes).reduce(0, +).inBytes)
                }
                Section("Latest requests") {
                    ForEach(Array(sent.enumerated().reversed()), id: \.offset) { _, sent in
                        SentRow(sent: sent)
                    }
                }
            }
        }
        .overlay {
            if sent.isEmpty {
                ContentUnavailableView("Nothing was sent in this conversation.", systemImage: "iphone")
            }
        }
        .navigationTitle("What was sent")
        .navigationBarTitleDisplayMode(.inline)
        .toolbar {
            ToolbarItem(placement: .cancellationAction) {
                Button("Clear", role: .destructive) { Task { await chat.clearSent() } }.disabled(sent.isEmpty)
            }
            ToolbarItem(placement: .confirmationAction) { Button("Done") { dismiss() } }
        }
    }
}

private struct SentRow: View {
    let sent: SentEntry

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            HStack {
                Text(sent.at, format: .dateTime.hour().minute().second())
                Text(kind)
                Spacer()
                Text("\(sent.tokens) tok, \(sent.bytes.inBytes)")
            }
            .font(.caption)
            .foregroundStyle(.secondary)
            if let text = sent.text, !text.isEmpty { Text(text).font(.callout) }
            if !sent.answered {
                Label("No answer; it may not have arrived.", systemImage: "questionmark.circle").font(.caption)
            }
        }
        .accessibilityElement(children: .combine)
    }

    private var kind: LocalizedStringKey {
        switch sent.kind {
        case .open: "Opened a session"
        case .advance: "Words to read and to check"
        }
    }
}
