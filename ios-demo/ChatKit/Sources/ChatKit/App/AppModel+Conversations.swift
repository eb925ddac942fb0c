import Foundation

/// The list, and the conversation on the screen.
extension AppModel {
    /// What the list shows, the latest first: those that were found, where something is looked for.
    public var listed: [ConversationSummary] {
        guard let found else { return conversations }
        return conversations.filter { found.contains($0.id) }
    }

    /// Whether a reply is being written in a conversation.
    public func isWriting(_ id: UUID) -> Bool {
        writing[id] != nil || chat?.conversation.id == id && chat?.phase != .idle
    }

    /// Whether any reply is being written.
    public var isWritingAnything: Bool { chats.contains { $0.phase != .idle } }

    /// Whether a reply of a conversation waits for the person's word on a call of a tool.
    public func asksToUseTool(_ id: UUID) -> Bool {
        chats.contains { $0.conversation.id == id && $0.callQuestion != nil }
    }

    /// A reply that waits for the person's word on a call of a tool, where they do not see the question; nil where none
    /// does.
    ///
    /// - Parameter isChatSeen: Whether the conversation of ``chat`` is what the person sees.
    public func waitingCall(isChatSeen: Bool) -> WaitingCall? {
        let waiting = chats.first { $0.callQuestion != nil && !($0 === chat && isChatSeen) }
        return waiting.map { WaitingCall(of: $0.conversation) }
    }

    /// Puts a new conversation on the screen. It is kept with its first message.
    public func startConversation() {
        // One in which nothing was said is as new as another one.
        if let chat, !chat.isStored, chat.phase == .idle { return }
        show(Conversation(), isStored: false)
    }

    /// Puts a conversation on the screen.
    public func openConversation(_ id: UUID) async {
        if chat?.conversation.id == id { return }
        if let written = writing[id] { return show(written) }
        do { show(try await store.conversation(id), isStored: true) } catch { problem = Problem(error) }
    }

    /// Removes a conversation for good.
    public func deleteConversation(_ id: UUID) async {
        if let open = chats.first(where: { $0.conversation.id == id }) {
            open.closeSession()
            await open.settled()
            writing[id] = nil
            if open === chat { startConversation() }
        }
        do { try await store.delete(id) } catch { problem = Problem(error) }
        drafts[id] = nil
        await refresh()
    }

    /// Gives a conversation another title.
    public func renameConversation(_ id: UUID, to title: String) async {
        let title = title.trimmed
        if title.isEmpty { return }
        do {
            try await store.rename(id, to: title)
            chats.first { $0.conversation.id == id }?.renamed(to: title)
        } catch {
            problem = Problem(error)
        }
        await refresh()
    }

    /// Something was written to a conversation.
    public func conversationChanged(_ id: UUID) async {
        await refresh()
    }

    /// Lists the conversations alone that a text stands in; all of them for no text.
    public func search(_ text: String) async {
        let text = text.trimmed
        searched = text
        if text.isEmpty { return found = nil }
        let ids = (try? await store.ids(with: text)) ?? []
        // Something else may be looked for by now.
        if searched == text { found = ids }
    }

    /// The system could not save a conversation's file.
    public func exportFailed() {
        problem = Problem(say("files.not_saved"), .none)
    }

    /// Hides the problem.
    public func dismissProblem() {
        problem = nil
    }

    func refresh() async {
        do { conversations = try await store.summaries() } catch { problem = Problem(error) }
        await search(searched)
    }

    /// The chats that hold a session, or may.
    var chats: [ChatModel] {
        let others = writing.values.filter { $0 !== chat }
        return (chat.map { [$0] } ?? []) + others
    }

    private func show(_ conversation: Conversation, isStored: Bool) {
        let next = ChatModel(conversation, isStored: isStored, store: store, host: self)
        show(next)
        next.draft = drafts.removeValue(forKey: isStored ? conversation.id : nil)
    }

    private func show(_ next: ChatModel) {
        if let last = chat, last !== next {
            if last.phase == .idle { leave(last) } else { goOn(last) }
        }
        chat = next
    }

    /// Lets a reply be written to its end although another conversation is on the screen.
    private func goOn(_ chat: ChatModel) {
        let id = chat.conversation.id
        guard writing[id] == nil else { return }
        writing[id] = chat
        Task {
            while chat.phase != .idle { await chat.settled() }
            // Nil where it was removed.
            let isThere = writing.removeValue(forKey: id) != nil
            if isThere, self.chat !== chat { leave(chat) }
        }
    }

    /// Forgets a conversation that is not on the screen, but not what was typed there. Each session has a cache of its
    /// own in memory: there are the one on the screen and those that write.
    private func leave(_ chat: ChatModel) {
        drafts[chat.isStored ? chat.conversation.id : nil] = chat.draft
        chat.closeSession()
    }
}
