import ChatKit
import SwiftUI

struct ConversationList: View {
    @Environment(AppModel.self) private var app
    @Binding var column: NavigationSplitViewColumn
    @State private var renamed: ConversationSummary?
    @State private var title = ""

    var body: some View {
        List(selection: selection) {
            ForEach(app.conversations) { conversation in
                VStack(alignment: .leading, spacing: 2) {
                    Text(conversation.title).lineLimit(2)
                    Group {
                        if app.isWriting(conversation.id) {
                            Text("Writing…")
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
                    Button("Delete", systemImage: "trash", role: .destructive) {
                        Task { await app.deleteConversation(conversation.id) }
                    }
                    Button("Rename", systemImage: "pencil") {
                        title = conversation.title
                        renamed = conversation
                    }
                }
            }
        }
        .overlay {
            if app.conversations.isEmpty {
                ContentUnavailableView(
                    "No conversations", systemImage: "bubble.left",
                    description: Text("What you write stays on this device."))
            }
        }
        .navigationTitle("Conversations")
        .toolbar {
            Button("New conversation", systemImage: "square.and.pencil") {
                app.startConversation()
                column = .detail
            }
            .keyboardShortcut("n")
        }
        .alert("Rename", isPresented: isRenaming, presenting: renamed) { conversation in
            TextField("Title", text: $title)
            Button("Rename") { Task { await app.renameConversation(conversation.id, to: title) } }
                .disabled(title.isEmpty)
            Button("Cancel", role: .cancel) {}
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
