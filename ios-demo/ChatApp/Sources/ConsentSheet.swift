import ChatKit
import SwiftUI

/// Asks before anything leaves the device.
struct ConsentSheet: View {
    let question: ConsentQuestion
    let answer: (ConsentAnswer) -> Void

    var body: some View {
        ScrollView {
            VStack(alignment: .leading, spacing: 16) {
                Label("Send this to your server?", systemImage: "hand.raised.fill").font(.title2.bold())
                Text("To check what this device writes, \(question.endpoint) reads the conversation.")
                GroupBox("Your message") {
                    Text(question.message).frame(maxWidth: .infinity, alignment: .leading)
                }
                if question.earlierTurns > 0 {
                    Text("\(question.earlierTurns) earlier questions with their replies go along.")
                        .foregroundStyle(.secondary)
                }
                VStack(spacing: 10) {
                    Button {
                        answer(.conversation)
                    } label: {
                        wide("Send this conversation")
                    }
                    .buttonStyle(.borderedProminent)
                    if question.allowsMessageAlone {
                        Button {
                            answer(.thisMessage)
                        } label: {
                            wide("Only this message")
                        }
                    }
                    Button {
                        answer(.deviceOnly)
                    } label: {
                        wide("Answer on this device")
                    }
                    Button(role: .cancel) {
                        answer(.cancel)
                    } label: {
                        wide("Cancel")
                    }
                    .buttonStyle(.borderless)
                }
                .buttonStyle(.bordered)
                .controlSize(.large)
                Text("You can look at what was sent, and stop sending, in the conversation's menu.")
                    .font(.footnote)
                    .foregroundStyle(.secondary)
            }
            .padding()
        }
        .presentationDetents([.medium, .large])
    }

    private func wide(_ title: LocalizedStringKey) -> some View {
        Text(title).frame(maxWidth: .infinity)
    }
}
