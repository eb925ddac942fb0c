import ChatKit
import SwiftUI
import Uhlm

extension Origin {
    /// System colours: they have a light and a dark form.
    var color: Color {
        switch self {
        case .draft: .blue
        case .verified: .green
        case .target: .purple
        case .unverified: .gray
        }
    }
}

/// What lines and colours mean, and the switch for the colours.
struct LegendView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        @Bindable var preferences = app.preferences
        NavigationStack {
            List {
                Section {
                    sample(say("legend.corrected"), .solid)
                    sample(say("legend.unverified"), .dot)
                    Text(say("legend.provisional")).font(.subheadline)
                }
                Section {
                    Toggle(say("legend.tint"), isOn: $preferences.settings.tintsOrigins)
                    if preferences.settings.tintsOrigins {
                        ForEach(Origin.all, id: \.self, content: tint)
                    }
                }
            }
            .navigationTitle(say("screen.legend"))
            .navigationBarTitleDisplayMode(.inline)
            .toolbar { Button(say("done")) { dismiss() } }
        }
        .presentationDetents([.medium, .large])
    }

    private func sample(_ text: String, _ pattern: Text.LineStyle.Pattern) -> some View {
        HStack(alignment: .firstTextBaseline, spacing: 12) {
            Text("Aa").underline(pattern: pattern, color: .secondary).accessibilityHidden(true)
            Text(text).font(.subheadline)
        }
    }

    private func tint(_ origin: Origin) -> some View {
        HStack(alignment: .firstTextBaseline) {
            Image(systemName: "square.fill").foregroundStyle(origin.color).accessibilityHidden(true)
            VStack(alignment: .leading) {
                Text(origin.title).font(.headline)
                Text(origin.meaning).font(.subheadline).foregroundStyle(.secondary)
            }
        }
        .accessibilityElement(children: .combine)
    }
}
