import ChatKit
import SwiftUI

/// One conversation: banner, turns, input.
struct ChatView: View {
    @Environment(AppModel.self) private var app
    let chat: ChatModel
    /// Whether a sheet is above it.
    let isCovered: Bool
    let showModels: () -> Void
    let showSettings: () -> Void
    let showSpeed: () -> Void
    @State private var showsLegend = false
    @State private var showsSent = false
    @State private var showsControls = false
    @State private var isExporting = false

    var body: some View {
        TurnList(chat: chat, showModels: showModels)
            .safeAreaInset(edge: .top, spacing: 0) {
                if let banner = app.banner { BannerView(banner: banner, settings: app.settings) }
            }
            .safeAreaInset(edge: .bottom, spacing: 0) { InputBar(chat: chat) }
            .animation(.default, value: app.banner)
            .navigationTitle(title)
            .navigationBarTitleDisplayMode(.inline)
            .toolbar {
                heading
                menu
            }
            .sheet(isPresented: $showsLegend) { LegendView().callNotice { showsLegend = false } }
            .sheet(isPresented: $showsSent) {
                NavigationStack { SentView(chat: chat) }.callNotice { showsSent = false }
            }
            .sheet(isPresented: $showsControls) { ControlsView(chat: chat).callNotice { showsControls = false } }
            .fileExporter(
                isPresented: $isExporting, document: TranscriptFile(text: chat.conversation.transcript),
                contentType: TranscriptFile.type, defaultFilename: chat.conversation.fileName
            ) { saved in
                if case .failure = saved { app.exportFailed() }
            }
            .sheet(item: consentQuestion) { question in
                ConsentSheet(question: question) { chat.answer($0) }
            }
            .sheet(item: callQuestion) { question in
                CallSheet(question: question) { chat.answerCall(question.id, isAllowed: $0) }
            }
            .problemAlert(chat.problem, dismiss: { chat.dismissProblem() }) { problem in
                switch problem.recovery {
                case .provideModel, .downloadAgain, .chooseAnotherModel, .freeMemory, .freeStorage:
                    Button(say("screen.models"), action: showModels)
                case .signIn, .checkEndpoint, .fixOptions:
                    Button(say("screen.settings"), action: showSettings)
                default:
                    if chat.canRetry { Button(say("try_again")) { chat.retry() } }
                }
            }
    }

    private var title: String {
        chat.conversation.title.isEmpty ? say("chat.new") : chat.conversation.title
    }

    /// What the conversation is about, and with which model, how and where; it lets the model be chosen, and opens what
    /// changes the rest.
    private var heading: some ToolbarContent {
        ToolbarItem(placement: .principal) {
            Menu {
                Section(say("models.choose")) {
                    ForEach(app.modelChoices) { model in
                        Toggle(model.title, isOn: isInUse(model))
                    }
                    Button(say("models.more"), systemImage: "square.and.arrow.down", action: showModels)
                }
                Button(say("chat.about"), systemImage: "slider.horizontal.3") { showsControls = true }
            } label: {
                VStack(spacing: 0) {
                    Text(title).font(.headline).lineLimit(1)
                    Text(app.heading).font(.caption).foregroundStyle(.secondary).lineLimit(1)
                }
            }
            .buttonStyle(.plain)
            .accessibilityHint(say("models.choose"))
        }
    }

    /// A menu shows a switch that is on as a line with a mark.
    private func isInUse(_ model: ModelChoice) -> Binding<Bool> {
        Binding {
            model.isInUse
        } set: { isOn in
            if isOn { app.choose(model.name) }
        }
    }

    private var menu: some ToolbarContent {
        ToolbarItem(placement: .primaryAction) {
            Menu(say("more"), systemImage: "ellipsis.circle") {
                Button(say("screen.legend"), systemImage: "info.circle") { showsLegend = true }
                Button(say("screen.sent"), systemImage: "paperplane") { showsSent = true }
                Button(say("screen.speed"), systemImage: "gauge.with.needle", action: showSpeed)
                if !chat.conversation.turns.isEmpty {
                    ShareLink(item: chat.conversation.transcript) {
                        Label(say("chat.share"), systemImage: "square.and.arrow.up")
                    }
                    Button(say("chat.export"), systemImage: "arrow.down.doc") { isExporting = true }
                }
                if chat.mayBeSent, app.settings.asksServer {
                    Button(say("sent.withdraw"), systemImage: "hand.raised", role: .destructive) {
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

    /// The sheet answers for its own call when it goes, so there is nothing to do here: the next call may wait by then.
    private var callQuestion: Binding<CallQuestion?> {
        let waits = isCovered || showsLegend || showsSent || showsControls
        return Binding(get: { waits ? nil : chat.callQuestion }, set: { _ in })
    }
}
