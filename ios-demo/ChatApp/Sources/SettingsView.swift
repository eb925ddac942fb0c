import ChatKit
import SwiftUI

struct SettingsView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss
    @State private var link = ""

    var body: some View {
        @Bindable var preferences = app.preferences
        Form {
            ModeSection(settings: $preferences.settings)
            Section(say("settings.server")) {
                TextField("https://host:port", text: $preferences.settings.endpoint)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .keyboardType(.URL)
                    .textContentType(.URL)
                TextField(say("settings.trust.fingerprint.label"), text: $preferences.settings.fingerprint)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .font(.body.monospaced())
                KeyField(title: say("settings.token"), name: .endpointKey)
                HStack {
                    // A link holds a token, so what is typed is not shown.
                    SecureField(say("pairing.link"), text: $link, prompt: Text(say("pairing.link.hint")))
                        .textInputAutocapitalization(.never)
                        .autocorrectionDisabled()
                        .accessibilityLabel(say("pairing.link"))
                    Button(say("pairing.accept"), action: pair).disabled(link.isEmpty).buttonStyle(.borderless)
                }
            }
            Section(say("settings.replies")) {
                VStack(alignment: .leading) {
                    LabeledContent(
                        say("settings.temperature"), value: preferences.settings.temperature,
                        format: .number.precision(.fractionLength(1)))
                    Slider(value: $preferences.settings.temperature, in: 0...1.5, step: 0.1) {
                        Text(say("settings.temperature"))
                    }
                }
                Stepper(
                    say("settings.longest") + ": " + say("settings.tokens", preferences.settings.maxTokens),
                    value: $preferences.settings.maxTokens,
                    in: 32...2048, step: 32)
                TextField(say("settings.system"), text: $preferences.settings.systemPrompt, axis: .vertical)
                    .lineLimit(1...5)
            }
            Section {
                Toggle(say("settings.gpu"), isOn: $preferences.settings.usesGpu)
            } footer: {
                Text(say("settings.gpu.about"))
            }
            CalibrationSection()
            ToolSection(settings: $preferences.settings)
            Section {
                Toggle(say("settings.notices.done"), isOn: $preferences.settings.noticeDone)
                if preferences.settings.noticeDone {
                    Toggle(say("settings.notices.text"), isOn: $preferences.settings.noticeText)
                }
            } header: {
                Text(say("settings.notices"))
            } footer: {
                if preferences.settings.noticeDone { Text(say("settings.notices.about")) }
            }
            Section(say("settings.privacy")) {
                Toggle(say("legend.tint"), isOn: $preferences.settings.tintsOrigins)
                Toggle(say("settings.record"), isOn: $preferences.settings.recordsSentText)
                ForEach(preferences.settings.agreedServers.sorted(), id: \.self) { server in
                    LabeledContent(say("settings.agreed", server.addressOfServer)) {
                        Button(say("settings.ask_again")) { preferences.settings.agreedServers.remove(server) }
                    }
                }
            }
            Section("Hugging Face") {
                TextField("https://huggingface.co", text: $preferences.settings.hub)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .keyboardType(.URL)
                KeyField(title: say("settings.hub"), name: .hubToken)
            }
            if let problem = preferences.problem {
                Label(problem.title, systemImage: "exclamationmark.triangle")
            }
        }
        .navigationTitle(say("screen.settings"))
        .navigationBarTitleDisplayMode(.inline)
        .toolbar { Button(say("done")) { dismiss() } }
        .onChange(of: preferences.settings.hub) { app.models.reconfigure() }
        .onChange(of: preferences.settings.noticeDone) { if app.settings.noticeDone { app.askForNotices() } }
    }

    /// The sheet that asks takes this one's place.
    private func pair() {
        app.open(link: link)
        link = ""
        dismiss()
    }
}

/// Which thresholds decide what is asked about with the model in use.
private struct CalibrationSection: View {
    @Environment(AppModel.self) private var app
    @State private var isPicking = false

    var body: some View {
        Section {
            Button(say("models.import")) { isPicking = true }
                .disabled(app.settings.model.isEmpty)
                .fileImporter(isPresented: $isPicking, allowedContentTypes: [.json]) { picked in
                    if case .success(let file) = picked { app.calibrate(by: file) }
                }
            if app.hasOwnCalibration {
                Button(say("settings.calibration.remove"), role: .destructive) { app.removeCalibration() }
            }
        } header: {
            Text(say("settings.calibration"))
        } footer: {
            Text(app.isCalibrated ? say("settings.calibration.there") : say("settings.calibration.none"))
        }
    }
}

/// Whether models may use this device's tools, and whether they ask.
private struct ToolSection: View {
    @Binding var settings: ChatSettings

    var body: some View {
        Section {
            Toggle(say("tools.on"), isOn: $settings.usesTools)
            if settings.usesTools { Toggle(say("tools.ask"), isOn: $settings.asksBeforeTools) }
        } header: {
            Text(say("tools.title"))
        } footer: {
            Text(about.joined(separator: " "))
        }
    }

    private var about: [String] {
        var about = [say("tools.about")]
        if settings.usesTools {
            if settings.asksServer { about.append(say("tools.may.sent")) }
            about.append(say("tools.models"))
        }
        return about
    }
}

/// A key of the keychain. It is written when the person is done, and never shown again.
private struct KeyField: View {
    @Environment(AppModel.self) private var app
    let title: String
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
                .accessibilityValue(isSet ? say("settings.token.kept") : say("settings.token.none"))
            if isSet {
                Button(say("remove"), role: .destructive) { keep("") }.buttonStyle(.borderless)
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
