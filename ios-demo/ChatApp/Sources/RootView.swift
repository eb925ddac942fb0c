import ChatKit
import SwiftUI

/// The list beside the conversation; one after the other on a phone.
struct RootView: View {
    @Environment(AppModel.self) private var app
    @State private var sheet: Sheet?
    @State private var column = NavigationSplitViewColumn.detail

    enum Sheet: String, Identifiable {
        case settings, models, speed
        var id: String { rawValue }
    }

    var body: some View {
        NavigationSplitView(preferredCompactColumn: $column) {
            ConversationList(column: $column)
                .toolbar {
                    ToolbarItemGroup(placement: .bottomBar) {
                        Button(say("screen.models"), systemImage: "shippingbox") { sheet = .models }
                        Spacer()
                        Button(say("screen.settings"), systemImage: "gearshape") { sheet = .settings }
                    }
                }
        } detail: {
            if let chat = app.chat {
                ChatView(
                    chat: chat, showModels: { sheet = .models }, showSettings: { sheet = .settings },
                    showSpeed: { sheet = .speed }
                )
                .id(chat.conversation.id)
            }
        }
        .sheet(item: $sheet) { sheet in
            NavigationStack {
                switch sheet {
                case .settings: SettingsView()
                case .models: ModelsView()
                case .speed: SpeedView()
                }
            }
        }
        .sheet(item: pairing) { pairing in
            PairingSheet(pairing: pairing) { app.answerPairing(isAccepted: $0) }
        }
        .saying(app.said, dismiss: { app.dismissSaid() })
        .problemAlert(app.problem, dismiss: { app.dismissProblem() })
        // A sheet shows one thing: a link that was opened comes first.
        .onChange(of: app.pairing) { if app.pairing != nil { sheet = nil } }
    }

    /// A sheet that is swiped away is a no.
    private var pairing: Binding<Pairing?> {
        Binding {
            sheet == nil ? app.pairing : nil
        } set: {
            if $0 == nil { app.answerPairing(isAccepted: false) }
        }
    }
}
