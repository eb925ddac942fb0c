import ChatKit
import SwiftUI

struct InputBar: View {
    @Bindable var chat: ChatModel

    var body: some View {
        HStack(alignment: .bottom, spacing: 8) {
            TextField("Message", text: $chat.input, axis: .vertical)
                .lineLimit(1...6)
                .padding(.horizontal, 14)
                .padding(.vertical, 9)
                .background(.fill.tertiary, in: .rect(cornerRadius: 20))
                .submitLabel(.return)
            if chat.phase == .idle {
                Button {
                    chat.send()
                } label: {
                    symbol("arrow.up.circle.fill")
                }
                .disabled(!chat.canSend)
                .keyboardShortcut(.return)
                .accessibilityLabel("Send")
            } else {
                Button {
                    chat.stop()
                } label: {
                    symbol("stop.circle.fill")
                }
                .keyboardShortcut(".")
                .accessibilityLabel("Stop")
                .accessibilityHint("What is written so far stays.")
            }
        }
        .padding(.horizontal)
        .padding(.vertical, 8)
        .background(.bar)
        .sensoryFeedback(.impact(weight: .light), trigger: chat.phase == .idle)
    }

    private func symbol(_ name: String) -> some View {
        Image(systemName: name)
            .font(.title)
            .frame(minWidth: 44, minHeight: 44)
            .contentTransition(.symbolEffect(.replace))
    }
}
