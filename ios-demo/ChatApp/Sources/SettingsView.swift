import ChatKit
import SwiftUI

struct SettingsView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        @Bindable var preferences = app.preferences
        Form {
            Section {
                Picker("Mode", selection: $preferences.settings.mode) {
                    ForEach(ChatSettings.Mode.allCases, id: \.self) { Text($0.title).tag($0) }
                }
                if preferences.settings.mode == .opportunistic || preferences.settings.mode == .exact {
                    GoalRow(share: $preferences.settings.shareSent)
                }
                Picker("Without connection", selection: $preferences.settings.whenOffline) {
                    ForEach(ChatSettings.WhenOffline.allCases, id: \.self) { Text($0.title).tag($0) }
                }
            } footer: {
                Text(preferences.settings.mode.meaning)
            }
            Section("Server") {
                TextField("https://host:port", text: $preferences.settings.endpoint)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .keyboardType(.URL)
                    .textContentType(.URL)
                TextField("Certificate fingerprint (SHA-256), or empty", text: $preferences.settings.fingerprint)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .font(.body.monospaced())
                KeyField(title: "Key", name: .endpointKey)
            }
            Section("Replies") {
                VStack(alignment: .leading) {
                    LabeledContent(
                        "Temperature", value: preferences.settings.temperature,
                        format: .number.precision(.fractionLength(1)))
                    Slider(value: $preferences.settings.temperature, in: 0...2, step: 0.1) { Text("Temperature") }
                }
                Stepper(
                    "At most \(preferences.settings.maxTokens) tokens", value: $preferences.settings.maxTokens,
                    in: 32...4096, step: 32)
                TextField("What the model is told first", text: $preferences.settings.systemPrompt, axis: .vertical)
                    .lineLimit(1...5)
            }
            Section("Display and privacy") {
                Toggle("Tint by origin", isOn: $preferences.settings.tintsOrigins)
                Toggle("Keep the text of what was sent", isOn: $preferences.settings.recordsSentText)
            }
            Section("Hugging Face") {
                TextField("Mirror, or empty", text: $preferences.settings.hub)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .keyboardType(.URL)
                KeyField(title: "Token", name: .hubToken)
            }
            if let problem = preferences.problem {
                Label(problem.title, systemImage: "exclamationmark.triangle")
            }
        }
        .navigationTitle("Settings")
        .navigationBarTitleDisplayMode(.inline)
        .toolbar { Button("Done") { dismiss() } }
        .onChange(of: preferences.settings.hub) { app.models.reconfigure() }
    }
}

/// How much is asked: by the pair's calibration, or a share.
private struct GoalRow: View {
    @Binding var share: Double?

    var body: some View {
        Toggle(
            "Choose how much is asked",
            isOn: Binding {
                share != nil
            } set: {
                share = $0 ? 0.3 : nil
            })
        if let value = share {
            VStack(alignment: .leading) {
                LabeledContent("Share asked", value: value, format: .percent.precision(.fractionLength(0)))
                Slider(
                    value: Binding {
                        value
                    } set: {
                        share = $0
                    }, in: 0...1, step: 0.05
                ) { Text("Share asked") }
            }
        }
    }
}

/// A key of the keychain. It is written when the person is done, and never shown again.
private struct KeyField: View {
    @Environment(AppModel.self) private var app
    let title: LocalizedStringKey
    let name: SecretName
    @State private var value = ""
    @State private var isSet = false
    @FocusState private var isFocused: Bool

    var body: some View {
        HStack {
            SecureField(isSet ? "••••••••" : title, text: $value)
                .focused($isFocused)
                .onSubmit(save)
                .onChange(of: isFocused) { if !isFocused { save() } }
                .accessibilityLabel(Text(title))
                .accessibilityValue(isSet ? "Set" : "Not set")
            if isSet {
                Button("Remove", role: .destructive) { keep("") }.buttonStyle(.borderless)
            }
        }
        .onAppear { isSet = app.preferences.secret(name) != nil }
        .onDisappear(perform: save)
    }

    private func save() {
        if !value.isEmpty { keep(value) }
    }

    private func keep(_ new: String) {
        app.preferences.setSecret(name, to: new)
        app.keysChanged()
        value = ""
        isSet = app.preferences.secret(name) != nil
    }
}

extension ChatSettings.Mode {
    var title: LocalizedStringKey {
        switch self {
        case .opportunistic: "Opportunistic"
        case .exact: "Exact"
        case .deviceOnly: "This device only"
        case .remoteOnly: "Server only"
        }
    }

    var meaning: LocalizedStringKey {
        switch self {
        case .opportunistic: "What the device is sure of stands; only the rest is judged by the server."
        case .exact: "Everything is judged, many words at once. Replies are as the large model alone would write them."
        case .deviceOnly: "Nothing is sent."
        case .remoteOnly: "The server writes everything."
        }
    }
}

extension ChatSettings.WhenOffline {
    var title: LocalizedStringKey {
        switch self {
        case .goOn: "Go on alone"
        case .wait: "Wait"
        case .fail: "Stop"
        }
    }
}
