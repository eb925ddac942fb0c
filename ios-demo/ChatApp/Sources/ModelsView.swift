import ChatKit
import SwiftUI
import Uhlm
import UniformTypeIdentifiers

/// What is on the device, what comes in, what could be had.
struct ModelsView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss
    @State private var address = ""
    @State private var isPicking = false

    var body: some View {
        @Bindable var preferences = app.preferences
        let models = app.models
        List {
            if !models.downloads.isEmpty {
                Section {
                    ForEach(models.downloads.sorted { $0.key < $1.key }, id: \.key) { name, download in
                        DownloadRow(name: name, download: download) { models.cancel(name) }
                    }
                } header: {
                    Text(say("models.downloads"))
                } footer: {
                    if models.goesOnInBackground { Text(say("models.background")) }
                }
            }
            Section(say("models.here")) {
                ForEach(models.installed, id: \.name) { model in
                    InstalledRow(
                        model: model, isChosen: model.name == app.settings.model, check: models.checks[model.name]
                    )
                    .contentShape(.rect)
                    .onTapGesture { app.choose(model.name) }
                    .accessibilityAddTraits(model.name == app.settings.model ? [.isButton, .isSelected] : .isButton)
                    .swipeActions {
                        Button(say("delete"), systemImage: "trash", role: .destructive) {
                            Task { await app.deleteModel(model.name) }
                        }
                        Button(say("models.check"), systemImage: "checkmark.shield") {
                            Task { await models.verify(model.name) }
                        }
                    }
                }
                ForEach(models.unfinished, id: \.name) { model in
                    LabeledContent(model.name, value: say("models.unfinished.text", model.bytes.inBytes))
                        .swipeActions {
                            Button(say("delete"), systemImage: "trash", role: .destructive) {
                                Task { await models.delete(model.name) }
                            }
                        }
                }
            }
            Section(say("models.pairs")) {
                ForEach(models.available, id: \.file) { model in
                    CatalogueRow(model: model) {
                        models.download(model, allowMetered: app.settings.allowsMeteredDownloads)
                    }
                }
            }
            Section {
                TextField(say("models.address.hint"), text: $address)
                    .textInputAutocapitalization(.never)
                    .autocorrectionDisabled()
                    .keyboardType(.URL)
                Button(say("models.download")) {
                    models.download(from: address, allowMetered: app.settings.allowsMeteredDownloads)
                    address = ""
                }
                .disabled(address.isEmpty)
                Toggle(say("settings.metered"), isOn: $preferences.settings.allowsMeteredDownloads)
            } header: {
                Text(say("models.address"))
            }
            Section(say("models.file")) {
                Button(say("models.import")) { isPicking = true }
            }
            if !models.problems.isEmpty {
                Section {
                    ForEach(models.problems.sorted { $0.key < $1.key }, id: \.key) { name, problem in
                        ProblemRow(name: name, problem: problem).swipeActions {
                            Button(say("close"), systemImage: "xmark") { models.dismissProblem(name) }
                        }
                    }
                }
            }
        }
        .navigationTitle(say("screen.models"))
        .toolbar { Button(say("done")) { dismiss() } }
        .confirmationDialog(say("models.unchecked.title"), isPresented: isUnchecked, titleVisibility: .visible) {
            Button(say("models.unchecked.yes")) { models.answer(downloadsAnyway: true) }
            Button(say("cancel"), role: .cancel) { models.answer(downloadsAnyway: false) }
        } message: {
            Text(say("models.unchecked.text", models.unchecked?.name ?? ""))
        }
        .fileImporter(isPresented: $isPicking, allowedContentTypes: [.data]) { picked in
            if case .success(let file) = picked { Task { await app.takeModel(file) } }
        }
        .task { await models.refresh() }
        .refreshable { await models.refresh() }
    }
}

extension ModelsView {
    /// A dialog that is swiped away is a no.
    private var isUnchecked: Binding<Bool> {
        Binding {
            app.models.unchecked != nil
        } set: {
            if !$0 { app.models.answer(downloadsAnyway: false) }
        }
    }
}

private struct DownloadRow: View {
    let name: String
    let download: ModelManager.Download
    let cancel: () -> Void

    var body: some View {
        HStack {
            ProgressView(value: download.phase == .loading ? download.share : nil) {
                Text(name)
            } currentValueLabel: {
                Text(download.text).monospacedDigit()
            }
            Button(say("stop"), systemImage: "xmark.circle.fill", action: cancel)
                .labelStyle(.iconOnly)
                .buttonStyle(.borderless)
                .accessibilityLabel(say("stop") + " " + name)
        }
    }
}

private struct InstalledRow: View {
    let model: StoredModel
    let isChosen: Bool
    let check: ModelManager.Check?

    var body: some View {
        HStack {
            VStack(alignment: .leading) {
                Text(model.name)
                Text(detail).font(.caption).foregroundStyle(check == .damaged ? .red : .secondary)
            }
            Spacer()
            if check == .running { ProgressView() }
            if isChosen { Image(systemName: "checkmark").foregroundStyle(.tint).accessibilityHidden(true) }
        }
        .accessibilityElement(children: .combine)
    }

    private var detail: String {
        switch check {
        case nil, .running: model.bytes.inBytes
        case .intact: "\(model.bytes.inBytes) · \(say("models.check.intact"))"
        case .nothingToCompare: "\(model.bytes.inBytes) · \(say("models.check.unknown"))"
        case .damaged: say("models.check.damaged")
        }
    }
}

private struct CatalogueRow: View {
    let model: CatalogueModel
    let download: () -> Void

    var body: some View {
        HStack {
            VStack(alignment: .leading) {
                Text(model.name)
                Text([model.bytes?.inBytes, model.licence].compactMap(\.self).joined(separator: ", "))
                    .font(.caption)
                    .foregroundStyle(.secondary)
            }
            Spacer()
            Button(say("models.download"), systemImage: "arrow.down.circle", action: download)
                .labelStyle(.iconOnly)
                .buttonStyle(.borderless)
                .accessibilityLabel(say("models.download") + " " + model.name)
        }
    }
}

private struct ProblemRow: View {
    let name: String
    let problem: Problem

    var body: some View {
        VStack(alignment: .leading) {
            Label(problem.title, systemImage: "exclamationmark.triangle")
            Text([name, problem.advice].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: ". "))
                .font(.caption)
                .foregroundStyle(.secondary)
        }
        .accessibilityElement(children: .combine)
    }
}
