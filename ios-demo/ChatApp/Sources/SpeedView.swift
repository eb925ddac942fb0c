import ChatKit
import SwiftUI

/// What this device counted while it wrote, by model and reply by reply.
struct SpeedView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss
    @State private var speed: SpeedModel?

    var body: some View {
        List {
            if let speed {
                Section {
                    Button(speed.isMeasuring ? say("speed.measuring") : say("speed.measure")) {
                        Task { await speed.measureNow() }
                    }
                    .disabled(speed.isMeasuring || app.isWritingAnything || app.settings.model.isEmpty)
                    if let measured = speed.measured {
                        Text(measured.title).font(.subheadline).foregroundStyle(.secondary)
                        rows(measured.rows)
                    }
                } header: {
                    Text(say("speed.about")).textCase(nil).font(.subheadline)
                } footer: {
                    Text(app.isWritingAnything ? say("speed.busy") : say("speed.measure.about"))
                }
                if speed.last.isEmpty { Text(say("speed.none")).foregroundStyle(.secondary) }
                if !speed.models.isEmpty {
                    Section(say("speed.models")) {
                        ForEach(speed.models) { figures in
                            VStack(alignment: .leading) {
                                Text(figures.model).font(.headline)
                                Text(figures.title).font(.caption).foregroundStyle(.secondary)
                            }
                            rows(figures.rows)
                        }
                    }
                }
                if !speed.last.isEmpty {
                    Section(say("speed.last")) {
                        ForEach(speed.last) { reply in
                            VStack(alignment: .leading, spacing: 2) {
                                if let model = reply.model { Text(model).font(.subheadline) }
                                Text(reply.parts.joined(separator: " · "))
                                    .font(.caption)
                                    .foregroundStyle(.secondary)
                                    .monospacedDigit()
                            }
                            .accessibilityElement(children: .combine)
                        }
                    }
                }
            }
        }
        .navigationTitle(say("screen.speed"))
        .navigationBarTitleDisplayMode(.inline)
        .toolbar { Button(say("done")) { dismiss() } }
        .problemAlert(speed?.problem, dismiss: { speed?.dismissProblem() })
        .task {
            let page = app.speedPage()
            await page.refresh()
            speed = page
        }
    }

    private func rows(_ rows: [SpeedRow]) -> some View {
        ForEach(rows) { row in LabeledContent(row.name, value: row.value).monospacedDigit() }
    }
}
