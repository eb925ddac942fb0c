import ChatKit
import SwiftUI
import Uhlm

/// What left the device in this conversation since it was opened.
struct SentView: View {
    @Environment(\.dismiss) private var dismiss
    let chat: ChatModel
    @State private var record: SentRecord?

    var body: some View {
        List {
            if let record {
                Section {
                    LabeledContent("Requests", value: record.totalRequests, format: .number)
                    LabeledContent("Tokens", value: record.totalTokens, format: .number)
                    LabeledContent("Sent", value: record.totalBytes.inBytes)
                }
                Section("Latest requests") {
                    ForEach(Array(record.requests.enumerated().reversed()), id: \.offset) { _, sent in
                        SentRow(sent: sent)
                    }
                }
            }
        }
        .overlay {
            if record?.totalRequests ?? 0 == 0 {
                ContentUnavailableView(
                    "Nothing was sent", systemImage: "iphone",
                    description: Text("Since the conversation was opened, nothing of it left this device."))
            }
        }
        .navigationTitle("What was sent")
        .navigationBarTitleDisplayMode(.inline)
        .toolbar {
            ToolbarItem(placement: .cancellationAction) {
                Button("Clear", role: .destructive) {
                    chat.clearSent()
                    record = chat.sent()
                }
                .disabled(record?.requests.isEmpty ?? true)
            }
            ToolbarItem(placement: .confirmationAction) { Button("Done") { dismiss() } }
        }
        .onAppear { record = chat.sent() }
        .refreshable { record = chat.sent() }
    }
}

private struct SentRow: View {
    let sent: Sent

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            HStack {
                Text(Date(timeIntervalSince1970: sent.atSeconds), format: .dateTime.hour().minute().second())
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
        case .open: "Opened"
        case .advance: "Words to read and to check"
        }
    }
}
