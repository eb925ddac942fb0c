import ChatKit
import SwiftUI

struct ConversationList: View {
    @Environment(AppModel.self) private var app
    @Binding var column: NavigationSplitViewColumn
    @State private var renamed: ConversationSummary?
    @State private var title = ""
    @State private var searched = ""
    @State private var doomed: ConversationSummary?

    var body: some View {
        List(selection: selection) {
            ForEach(app.listed) { conversation in
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
                    // With the role of what destroys, the row would leave before the person said so.
                    Button(say("delete"), systemImage: "trash") { doomed = conversation }.tint(.red)
                    Button(say("list.rename"), systemImage: "pencil") {
                        title = conversation.title
                        renamed = conversation
                    }
                }
            }
        }
        .overlay {
            if app.listed.isEmpty {
                ContentUnavailableView(say("list.none"), systemImage: "bubble.left")
            }
        }
        .searchable(text: $searched, prompt: say("list.search"))
        .task(id: searched) { await app.search(searched) }
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
                .disabled(title.allSatisfy(\.isWhitespace))
            Button(say("cancel"), role: .cancel) {}
        }
        .alert(say("list.delete.title"), isPresented: isDeleting, presenting: doomed) { conversation in
            Button(say("delete"), role: .destructive) { Task { await app.deleteConversation(conversation.id) } }
            Button(say("keep"), role: .cancel) {}
        } message: { conversation in
            Text(say("list.delete.text", conversation.title))
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

    private var isDeleting: Binding<Bool> {
        Binding {
            doomed != nil
        } set: {
            if !$0 { doomed = nil }
        }
    }
}
