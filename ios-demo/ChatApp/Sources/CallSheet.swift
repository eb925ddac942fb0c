import ChatKit
import SwiftUI

/// Asks before a tool is used.
struct CallSheet: View {
    let question: CallQuestion
    let answer: (_ isAllowed: Bool) -> Void

    var body: some View {
        VStack(alignment: .leading, spacing: 16) {
            ScrollView {
                VStack(alignment: .leading, spacing: 16) {
                    Text(question.call.question).font(.title2.bold())
                    Text(say("tools.may.text"))
                    if !question.call.values.isEmpty {
                        Text(question.call.values)
                            .font(.callout.monospaced())
                            .frame(maxWidth: .infinity, alignment: .leading)
                            .padding(12)
                            .background(.fill.quaternary, in: .rect(cornerRadius: 10))
                    }
                    if question.mayBeSent {
                        Text(say("tools.may.sent")).font(.footnote).foregroundStyle(.secondary)
                    }
                }
            }
            // A model may write pages; the buttons stay in sight.
            VStack(spacing: 10) {
                Button {
                    answer(true)
                } label: {
                    Text(say("tools.allow")).frame(maxWidth: .infinity)
                }
                .prominent()
                Button(role: .cancel) {
                    answer(false)
                } label: {
                    Text(say("tools.refuse")).frame(maxWidth: .infinity)
                }
                .buttonStyle(.bordered)
            }
            .controlSize(.large)
        }
        .padding()
        .presentationDetents([.medium, .large])
        // However it goes: what was not allowed by then is refused.
        .onDisappear { answer(false) }
    }
}
