import ChatKit
import SwiftUI

/// The list beside the conversation; one after the other on a phone.
struct RootView: View {
    @Environment(AppModel.self) private var app
    @State private var sheet: Sheet?
    @State private var column = NavigationSplitViewColumn.detail

    enum Sheet: String, Identifiable {
        case settings, models
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
                ChatView(chat: chat, showModels: { sheet = .models }, showSettings: { sheet = .settings })
                    .id(chat.conversation.id)
            }
        }
        .sheet(item: $sheet) { sheet in
            NavigationStack {
                switch sheet {
                case .settings: SettingsView()
                case .models: ModelsView()
                }
            }
        }
        .problemAlert(app.problem, dismiss: { app.dismissProblem() })
    }
}
