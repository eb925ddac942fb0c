import ChatKit
import SwiftUI

struct TurnList: View {
    @Environment(AppModel.self) private var app
    let chat: ChatModel

    var body: some View {
        ScrollViewReader { reader in
            ScrollView {
                LazyVStack(alignment: .leading, spacing: 16) {
                    ForEach(chat.conversation.turns) { turn in
                        let isLast = turn.id == chat.conversation.turns.last?.id
                        QuestionView(text: turn.question)
                        ReplyView(
                            reply: turn.reply, tail: isLast ? chat.tail.text : "",
                            line: isLast ? chat.line : turn.reply.cost.map(LiveLine.init),
                            isWriting: isLast && chat.phase != .idle, tints: app.settings.tintsOrigins)
                        if isLast, chat.canRetry {
                            Button("Try Again", systemImage: "arrow.clockwise") { chat.retry() }
                                .buttonStyle(.bordered)
                        }
                    }
                    if chat.phase == .preparing, case .loading(let share) = app.loader.state {
                        ProgressView("Loading the model", value: share)
                    }
                    Color.clear.frame(height: 1).id(end)
                }
                .padding()
            }
            .defaultScrollAnchor(.bottom)
            .scrollDismissesKeyboard(.interactively)
            .onChange(of: chat.conversation.turns.last?.reply.text) { reader.scrollTo(end, anchor: .bottom) }
            .onChange(of: chat.conversation.turns.count) { withAnimation { reader.scrollTo(end, anchor: .bottom) } }
        }
        .overlay {
            if chat.conversation.turns.isEmpty {
                ContentUnavailableView(
                    "Ask something", systemImage: "text.bubble",
                    description: Text(
                        app.settings.asksServer
                            ? "The model on this device writes; where it is unsure, it asks your server."
                            : "The model on this device writes. Nothing is sent."))
            }
        }
    }

    private let end = "end"
}

private struct QuestionView: View {
    let text: String

    var body: some View {
        Text(text)
            .textSelection(.enabled)
            .padding(.horizontal, 14)
            .padding(.vertical, 10)
            .background(.tint.opacity(0.15), in: .rect(cornerRadius: 18))
            .frame(maxWidth: .infinity, alignment: .trailing)
            .accessibilityLabel("You: \(text)")
    }
}
