import ChatKit
import SwiftUI

/// One conversation: banner, turns, input.
struct ChatView: View {
    @Environment(AppModel.self) private var app
    let chat: ChatModel
    let showModels: () -> Void
    let showSettings: () -> Void
    @State private var showsLegend = false
    @State private var showsSent = false

    var body: some View {
        TurnList(chat: chat)
            .safeAreaInset(edge: .top, spacing: 0) {
                if let banner = app.banner { BannerView(banner: banner, settings: app.settings) }
            }
            .safeAreaInset(edge: .bottom, spacing: 0) { InputBar(chat: chat) }
            .animation(.default, value: app.banner)
            .navigationTitle(chat.conversation.title.isEmpty ? "New conversation" : chat.conversation.title)
            .navigationBarTitleDisplayMode(.inline)
            .toolbar { menu }
            .sheet(isPresented: $showsLegend) { LegendView() }
            .sheet(isPresented: $showsSent) { NavigationStack { SentView(chat: chat) } }
            .sheet(item: consentQuestion) { question in
                ConsentSheet(question: question) { chat.answer($0) }
            }
            .problemAlert(chat.problem, dismiss: { chat.dismissProblem() }) { problem in
                switch problem.recovery {
                case .provideModel, .downloadAgain, .chooseAnotherModel, .freeMemory, .freeStorage:
                    Button("Models", action: showModels)
                case .signIn, .checkEndpoint, .fixOptions:
                    Button("Settings", action: showSettings)
                default:
                    if chat.canRetry { Button("Try Again") { chat.retry() } }
                }
            }
    }

    private var menu: some ToolbarContent {
        ToolbarItem(placement: .primaryAction) {
            Menu("More", systemImage: "ellipsis.circle") {
                @Bindable var preferences = app.preferences
                Toggle("Tint by origin", systemImage: "paintpalette", isOn: $preferences.settings.tintsOrigins)
                Button("What the colours mean", systemImage: "info.circle") { showsLegend = true }
                Divider()
                Button("What was sent", systemImage: "paperplane") { showsSent = true }
                if chat.conversation.mayBeSent {
                    Button("Stop sending this conversation", systemImage: "hand.raised", role: .destructive) {
                        Task { await chat.withdrawConsent() }
                    }
                }
            }
        }
    }

    /// A sheet that is swiped away is a no.
    private var consentQuestion: Binding<ConsentQuestion?> {
        Binding {
            chat.consentQuestion
        } set: {
            if $0 == nil { chat.answer(.cancel) }
        }
    }
}
