import ChatKit
import SwiftUI

/// How the next reply is written.
struct ControlsView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss
    let chat: ChatModel

    var body: some View {
        @Bindable var preferences = app.preferences
        NavigationStack {
            Form {
                ModeSection(settings: $preferences.settings)
                if let use = chat.use, let context = use.context, context > 0 {
                    Gauge(value: min(1, Double(use.tokens) / Double(context))) {
                        Text(say("context.use", use.tokens, context)).font(.footnote).foregroundStyle(.secondary)
                    }
                }
            }
            .navigationTitle(say("chat.about"))
            .navigationBarTitleDisplayMode(.inline)
            .toolbar { Button(say("done")) { dismiss() } }
        }
        .presentationDetents([.medium, .large])
    }
}

/// The mode with what it means, its goal, and what happens without a server.
struct ModeSection: View {
    @Binding var settings: ChatSettings

    var body: some View {
        Section {
            Picker(say("mode.title"), selection: mode) {
                ForEach(ChatSettings.Mode.allCases, id: \.self) { Text($0.title).tag($0) }
            }
            .disabled(settings.endpoint.isEmpty)
            if settings.effectiveMode == .opportunistic { goal }
            if settings.asksServer {
                Picker(say("offline.title"), selection: $settings.whenOffline) {
                    ForEach(ChatSettings.WhenOffline.allCases, id: \.self) { Text($0.title).tag($0) }
                }
            }
            Picker(say("thinking.title"), selection: $settings.thinking) {
                ForEach(ChatSettings.Thinking.allCases, id: \.self) { Text($0.title).tag($0) }
            }
        } footer: {
            Text(settings.endpoint.isEmpty ? say("mode.no_server") : settings.mode.meaning)
        }
    }

    private var mode: Binding<ChatSettings.Mode> {
        Binding {
            settings.effectiveMode
        } set: {
            settings.mode = $0
        }
    }

    @ViewBuilder private var goal: some View {
        Picker(say("goal.risk"), selection: $settings.goal) {
            ForEach(ChatSettings.Goal.allCases, id: \.self) { Text($0.title).tag($0) }
        }
        .pickerStyle(.segmented)
        if let meaning = settings.goal.meaning(settings.goalValue) {
            VStack(alignment: .leading) {
                Text(meaning).font(.footnote)
                Slider(value: $settings.goalValue, in: 0...1, step: 0.05) { Text(settings.goal.title) }
            }
        }
    }
}
