import ChatKit
import SwiftUI

/// The list beside the conversation; one after the other on a phone.
struct RootView: View {
    @Environment(AppModel.self) private var app
    @State private var sheet: Sheet?
    @State private var column = NavigationSplitViewColumn.detail
    @Environment(\.horizontalSizeClass) private var width

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
                    chat: chat, isCovered: sheet != nil, showModels: { sheet = .models },
                    showSettings: { sheet = .settings }, showSpeed: { sheet = .speed }
                )
                .id(chat.conversation.id)
            }
        }
        .callNotice(isChatSeen: width != .compact || column == .detail) { column = .detail }
        .sheet(item: $sheet) { shown in
            NavigationStack {
                switch shown {
                case .settings: SettingsView()
                case .models: ModelsView()
                case .speed: SpeedView()
                }
            }
            .callNotice {
                sheet = nil
                column = .detail
            }
            .problemAlert(app.problem, dismiss: { app.dismissProblem() })
        }
        .sheet(item: pairing) { pairing in
            PairingSheet(pairing: pairing) { app.answerPairing(isAccepted: $0) }
        }
        .saying(app.said, dismiss: { app.dismissSaid() })
        // Below a sheet nobody would see it.
        .problemAlert(sheet == nil ? app.problem : nil, dismiss: { app.dismissProblem() })
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
