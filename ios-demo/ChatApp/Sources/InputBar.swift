import ChatKit
import SwiftUI

struct InputBar: View {
    @Bindable var chat: ChatModel

    var body: some View {
        VStack(spacing: 4) {
            if chat.editing != nil { note(say("chat.editing")) { chat.leaveEditing() } }
            if chat.isNearlyFull { note(say("context.nearly_full"), leave: nil) }
            field
        }
        .padding(.horizontal)
        .padding(.vertical, 8)
        .background(.bar)
        .sensoryFeedback(.impact(weight: .light), trigger: chat.phase == .idle)
    }

    private func note(_ text: String, leave: (() -> Void)?) -> some View {
        HStack {
            Text(text).font(.caption).foregroundStyle(.secondary)
            Spacer()
            if let leave {
                Button(say("cancel"), systemImage: "xmark", action: leave).labelStyle(.iconOnly).font(.caption)
            }
        }
    }

    private var field: some View {
        HStack(alignment: .bottom, spacing: 8) {
            TextField(say("chat.message"), text: $chat.input, axis: .vertical)
                .lineLimit(1...6)
                .padding(.horizontal, 14)
                .padding(.vertical, 9)
                .background(.fill.tertiary, in: .rect(cornerRadius: 20))
                .submitLabel(.return)
                .accessibilityIdentifier("message")
            if chat.phase == .idle {
                Button {
                    chat.send()
                } label: {
                    symbol("arrow.up.circle.fill")
                }
                .disabled(!chat.canSend)
                .keyboardShortcut(.return)
                .accessibilityLabel(say("chat.send"))
                .accessibilityIdentifier("send")
            } else {
                Button {
                    chat.stop()
                } label: {
                    symbol("stop.circle.fill")
                }
                .keyboardShortcut(".")
                .accessibilityLabel(say("stop"))
                .accessibilityHint(say("chat.stop.hint"))
            }
        }
    }

    private func symbol(_ name: String) -> some View {
        Image(systemName: name)
            .font(.title)
            .frame(minWidth: 44, minHeight: 44)
            .contentTransition(.symbolEffect(.replace))
    }
}
