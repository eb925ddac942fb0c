import ChatKit
import SwiftUI

struct TurnList: View {
    @Environment(AppModel.self) private var app
    let chat: ChatModel
    let showModels: () -> Void
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
                ContentUnavailableView {
                    Label(say("chat.ask"), systemImage: "text.bubble")
                } description: {
                    Text(about)
                } actions: {
                    if app.settings.model.isEmpty { Button(say("chat.choose_model"), action: showModels) }
                }
            }
        }
    }

    private var about: String {
        if app.settings.model.isEmpty { return say("chat.ask.model") }
        return app.settings.asksServer ? say("chat.ask.server") : say("chat.ask.alone")
    }

    private var turns: some View {
        LazyVStack(alignment: .leading, spacing: 16) {
            ForEach(chat.conversation.turns) { turn in
                let isLast = turn.id == chat.conversation.turns.last?.id
                QuestionView(text: turn.question) { chat.edit(turn.id) }
                ReplyView(
                    reply: turn.reply, tail: isLast ? chat.tail.text : "",
                    line: isLast ? chat.line : turn.reply.cost.map(LiveLine.init),
                    isWriting: isLast && chat.phase != .idle, tints: app.settings.tintsOrigins,
                    again: isLast && chat.canRegenerate ? { chat.retry() } : nil)
                if isLast, chat.canRetry {
                    Button(say("try_again"), systemImage: "arrow.clockwise") { chat.retry() }
                        .buttonStyle(.bordered)
                }
            }
            if chat.phase == .preparing, case .loading(let share) = app.loader.state {
                ProgressView(say("chat.loading"), value: share)
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
    let edit: () -> Void

    var body: some View {
        Text(text)
            .padding(.horizontal, 14)
            .padding(.vertical, 10)
            .background(.tint.opacity(0.15), in: .rect(cornerRadius: 18))
            .contextMenu {
                Button(say("copy"), systemImage: "doc.on.doc") { UIPasteboard.general.string = text }
                Button(say("chat.edit"), systemImage: "pencil", action: edit)
            }
            .frame(maxWidth: .infinity, alignment: .trailing)
            .accessibilityLabel(say("chat.you", text))
    }
}
