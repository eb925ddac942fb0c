import ChatKit
import SwiftUI

extension View {
    /// A strip that says which conversation waits for the person's word on a call of a tool, where they do not see the
    /// question: a reply waits for it for ever.
    ///
    /// - Parameters:
    ///   - isChatSeen: Whether the conversation in the detail column is what the person sees.
    ///   - show: Brings that column to the front.
    func callNotice(isChatSeen: Bool = false, show: @escaping () -> Void) -> some View {
        modifier(CallNotice(isChatSeen: isChatSeen, show: show))
    }
}

private struct CallNotice: ViewModifier {
    @Environment(AppModel.self) private var app
    let isChatSeen: Bool
    let show: () -> Void

    func body(content: Content) -> some View {
        let waiting = app.waitingCall(isChatSeen: isChatSeen)
        content
            .safeAreaInset(edge: .bottom, spacing: 0) {
                if let waiting { strip(waiting) }
            }
            .animation(.default, value: waiting)
    }

    private func strip(_ waiting: WaitingCall) -> some View {
        HStack(spacing: 12) {
            Label(waiting.text, systemImage: "wrench.and.screwdriver")
                .font(.footnote)
                .frame(maxWidth: .infinity, alignment: .leading)
            Button(say("open")) {
                Task {
                    await app.openConversation(waiting.id)
                    show()
                }
            }
            .buttonStyle(.bordered)
        }
        .padding(.horizontal)
        .padding(.vertical, 8)
        .background(.bar)
        .task(id: waiting) { AccessibilityNotification.Announcement(waiting.text).post() }
        .transition(.move(edge: .bottom).combined(with: .opacity))
    }
}
