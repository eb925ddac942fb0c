import ChatKit
import SwiftUI

/// Asks before anything leaves the device.
struct ConsentSheet: View {
    let question: ConsentQuestion
    let answer: (ConsentAnswer) -> Void
    @State private var always = false

    var body: some View {
        ScrollView {
            VStack(alignment: .leading, spacing: 16) {
                Text(say("consent.title")).font(.title2.bold())
                Text(say("consent.text"))
                Text(question.endpoint).font(.headline)
                if question.earlierTurns > 0 {
                    let one = question.earlierTurns == 1
                    Text(one ? say("consent.earlier.one") : say("consent.earlier", question.earlierTurns))
                }
                if question.mentionsTools { Text(say("tools.consent")) }
                Toggle(say("consent.always"), isOn: $always)
                VStack(spacing: 10) {
                    Button {
                        answer(always ? .server : .conversation)
                    } label: {
                        wide(say("consent.conversation"))
                    }
                    .prominent()
                    if question.allowsMessageAlone, !always {
                        Button {
                            answer(.thisMessage)
                        } label: {
                            wide(say("consent.message"))
                        }
                    }
                    Button {
                        answer(.deviceOnly)
                    } label: {
                        wide(say("consent.device"))
                    }
                    Button(role: .cancel) {
                        answer(.cancel)
                    } label: {
                        wide(say("cancel"))
                    }
                    .buttonStyle(.borderless)
                }
                .buttonStyle(.bordered)
                .controlSize(.large)
                Text(say("consent.hint"))
                    .font(.footnote)
                    .foregroundStyle(.secondary)
            }
            .padding()
        }
        .presentationDetents([.medium, .large])
    }

    private func wide(_ title: String) -> some View {
        Text(title).frame(maxWidth: .infinity)
    }
}
