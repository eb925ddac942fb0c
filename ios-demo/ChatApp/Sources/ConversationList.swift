import ChatKit
import SwiftUI

struct ConversationList: View {
    @Environment(AppModel.self) private var app
    @Binding var column: NavigationSplitViewColumn
    @State private var renamed: ConversationSummary?
    @State private var title = ""
    @State private var searched = ""
    @State private var found: [ConversationSummary]?

    var body: some View {
        List(selection: selection) {
            ForEach(found ?? app.conversations) { conversation in
                VStack(alignment: .leading, spacing: 2) {
                    Text(conversation.title).lineLimit(2)
                    Group {
                        if app.asksToUseTool(conversation.id) {
                            Text(say("tools.waiting"))
                        } else if app.isWriting(conversation.id) {
                            Text(say("chat.writing"))
                        } else {
                            Text(conversation.changed, format: .relative(presentation: .named))
                        }
                    }
                    .font(.caption)
                    .foregroundStyle(.secondary)
                }
                .accessibilityElement(children: .combine)
                .tag(conversation.id)
                .swipeActions {
                    Button(say("delete"), systemImage: "trash", role: .destructive) {
                        Task { await app.deleteConversation(conversation.id) }
                    }
                    Button(say("list.rename"), systemImage: "pencil") {
                        title = conversation.title
                        renamed = conversation
                    }
                }
            }
        }
        .overlay {
            if (found ?? app.conversations).isEmpty {
                ContentUnavailableView(say("list.none"), systemImage: "bubble.left")
            }
        }
        .searchable(text: $searched, prompt: say("list.search"))
        .task(id: searched) {
            let text = searched
            let conversations = text.isEmpty ? nil : await app.conversations(with: text)
            if !Task.isCancelled { found = conversations }
        }
        .navigationTitle(say("screen.conversations"))
        .toolbar {
            Button(say("chat.new"), systemImage: "square.and.pencil") {
                app.startConversation()
                column = .detail
            }
            .keyboardShortcut("n")
        }
        .alert(say("list.rename.title"), isPresented: isRenaming, presenting: renamed) { conversation in
            TextField(say("list.title"), text: $title)
            Button(say("list.rename")) { Task { await app.renameConversation(conversation.id, to: title) } }
                .disabled(title.isEmpty)
            Button(say("cancel"), role: .cancel) {}
        }
    }

    private var selection: Binding<UUID?> {
        Binding {
            app.chat?.conversation.id
        } set: { id in
            guard let id else { return }
            Task {
                await app.openConversation(id)
                column = .detail
            }
        }
    }

    private var isRenaming: Binding<Bool> {
        Binding {
            renamed != nil
        } set: {
            if !$0 { renamed = nil }
        }
    }
}
