import ChatKit
import SwiftUI

/// What left the device in this conversation, request by request.
struct SentView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss
    let chat: ChatModel

    var body: some View {
        let sent = chat.conversation.sent
        List {
            if !sent.isEmpty {
                Section {
                    Text(SentEntry.total(sent))
                } footer: {
                    Text(app.settings.recordsSentText ? say("sent.kept") : say("sent.kept.no_text"))
                }
                Section {
                    ForEach(Array(sent.enumerated().reversed()), id: \.offset) { _, sent in
                        SentRow(sent: sent)
                    }
                }
            }
        }
        .overlay {
            if sent.isEmpty {
                ContentUnavailableView(say("sent.none"), systemImage: "iphone")
            }
        }
        .navigationTitle(say("screen.sent"))
        .navigationBarTitleDisplayMode(.inline)
        .toolbar {
            ToolbarItem(placement: .cancellationAction) {
                Button(say("sent.clear"), role: .destructive) { Task { await chat.clearSent() } }.disabled(sent.isEmpty)
            }
            ToolbarItem(placement: .confirmationAction) { Button(say("done")) { dismiss() } }
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
                Text(sent.size)
            }
            .font(.caption)
            .foregroundStyle(.secondary)
            if let text = sent.text, !text.isEmpty { Text(text).font(.callout) }
            if !sent.answered {
                Label(say("sent.unanswered"), systemImage: "questionmark.circle").font(.caption)
            }
        }
        .accessibilityElement(children: .combine)
    }

    private var kind: String {
        switch sent.kind {
        case .open: say("sent.open")
        case .advance: say("sent.advance")
        }
    }
}
