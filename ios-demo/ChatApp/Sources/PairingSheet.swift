import ChatKit
import SwiftUI

/// Asks before a server of a link is used: whoever made the link is not known.
struct PairingSheet: View {
    let pairing: Pairing
    let answer: (_ isAccepted: Bool) -> Void

    var body: some View {
        VStack(alignment: .leading, spacing: 16) {
            ScrollView {
                VStack(alignment: .leading, spacing: 16) {
                    Text(say("pairing.title")).font(.title2.bold())
                    Text(say("pairing.text"))
                    Text(pairing.endpoint).font(.headline).textSelection(.enabled)
                    ForEach(pairing.facts, id: \.self) { Text($0) }
                }
                .frame(maxWidth: .infinity, alignment: .leading)
            }
            VStack(spacing: 10) {
                Button {
                    answer(true)
                } label: {
                    Text(say("pairing.accept")).frame(maxWidth: .infinity)
                }
                .prominent()
                Button(role: .cancel) {
                    answer(false)
                } label: {
                    Text(say("cancel")).frame(maxWidth: .infinity)
                }
                .buttonStyle(.bordered)
            }
            .controlSize(.large)
        }
        .padding()
        .presentationDetents([.medium, .large])
    }
}

extension View {
    /// One sentence at the bottom that goes away by itself.
    func saying(_ text: String?, dismiss: @escaping () -> Void) -> some View {
        overlay(alignment: .bottom) {
            if let text {
                Text(text)
                    .font(.footnote)
                    .padding(.horizontal, 16)
                    .padding(.vertical, 10)
                    .background(.regularMaterial, in: .capsule)
                    .padding(.bottom, 80)
                    .transition(.opacity)
                    .task(id: text) {
                        AccessibilityNotification.Announcement(text).post()
                        try? await Task.sleep(for: .seconds(4))
                        if !Task.isCancelled { dismiss() }
                    }
            }
        }
        .animation(.default, value: text)
    }
}
