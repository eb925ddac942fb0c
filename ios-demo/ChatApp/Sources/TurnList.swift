import ChatKit
import SwiftUI

struct TurnList: View {
    @Environment(AppModel.self) private var app
    let chat: ChatModel
    @State private var end = FollowsEnd()

    var body: some View {
        GeometryReader { screen in
            ScrollViewReader { reader in
                ScrollView {
                    turns
                        .background {
                            GeometryReader { content in
                                let frame = content.frame(in: .named(space))
                                let below = frame.maxY - screen.size.height
                                Color.clear.preference(key: Extent.self, value: Extent(frame.height, below))
                            }
                        }
                }
                .coordinateSpace(.named(space))
                .defaultScrollAnchor(.bottom)
                .scrollDismissesKeyboard(.interactively)
                .onPreferenceChange(Extent.self) { end.moved(height: $0.height, below: $0.below) }
                // Not where the person reads what was written before.
                .onChange(of: chat.conversation.turns.last?.reply.text) {
                    if end.follows { reader.scrollTo(last, anchor: .bottom) }
                }
                .onChange(of: chat.conversation.turns.count) {
                    end.jump()
                    withAnimation { reader.scrollTo(last, anchor: .bottom) }
                }
            }
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

    private var turns: some View {
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
            Color.clear.frame(height: 1).id(last)
        }
        .padding()
    }

    private let last = "last"
    private let space = "turns"
}

/// How high the turns are, and how much of them is below what can be seen.
private struct Extent: PreferenceKey, Equatable {
    static let defaultValue = Extent(0, 0)
    let height: Double
    let below: Double

    init(_ height: Double, _ below: Double) {
        (self.height, self.below) = (height, below)
    }

    static func reduce(value: inout Extent, nextValue: () -> Extent) {
        let next = nextValue()
        if next != defaultValue { value = next }
    }
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
