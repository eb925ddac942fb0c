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

    var title: LocalizedStringKey {
        switch self {
        case .draft: "Written by the phone"
        case .verified: "Checked by the server"
        case .target: "Written by the server"
        case .unverified: "Not checked"
        }
    }

    var meaning: LocalizedStringKey {
        switch self {
        case .draft: "This device wrote it and was sure enough not to ask."
        case .verified: "This device wrote it and the server would have written the same."
        case .target: "The server wrote it, in the place of another word of this device or by itself."
        case .unverified: "This device wrote it while the server was out of reach."
        }
    }
}

/// What the tints mean, and the switch for them.
struct LegendView: View {
    @Environment(AppModel.self) private var app
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        @Bindable var preferences = app.preferences
        NavigationStack {
            List {
                Toggle("Tint by origin", isOn: $preferences.settings.tintsOrigins)
                ForEach(Origin.all, id: \.self) { origin in
                    HStack(alignment: .firstTextBaseline) {
                        Image(systemName: "square.fill").foregroundStyle(origin.color).accessibilityHidden(true)
                        VStack(alignment: .leading) {
                            Text(origin.title).font(.headline)
                            Text(origin.meaning).font(.subheadline).foregroundStyle(.secondary)
                        }
                    }
                    .accessibilityElement(children: .combine)
                }
                Text("Lighter text behind the reply was drafted and may still be taken back.")
                    .font(.footnote)
                    .foregroundStyle(.secondary)
            }
            .navigationTitle("Who wrote what")
            .navigationBarTitleDisplayMode(.inline)
            .toolbar { Button("Done") { dismiss() } }
        }
        .presentationDetents([.medium, .large])
    }
}
