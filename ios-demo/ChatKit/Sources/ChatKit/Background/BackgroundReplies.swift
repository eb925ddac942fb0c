import Foundation

/// Keeps the app running while replies are written, and says when one is done that nobody sees.
///
/// Decides when time is asked for and given back, and that replies are stopped when the last of it runs out: then what
/// is written is kept, and the reply can be tried again.
@MainActor
final class BackgroundReplies {
    /// Whether the app is in front.
    private(set) var isInFront = true

    private let times: [any BackgroundTime]
    private let notices: any Notices
    /// Which of ``times`` the system gave.
    private var held: Set<Int> = []
    private var writing: Set<UUID> = []
    /// Replies that were stopped because no time was left.
    private var ranOut: Set<UUID> = []

    /// Stops the replies of these conversations.
    var stop: (Set<UUID>) -> Void = { _ in }

    init(times: [any BackgroundTime], notices: any Notices) {
        self.times = times
        self.notices = notices
    }

    /// A reply begins. The app is in front: it was the person who asked.
    func began(_ id: UUID, settings: ChatSettings) {
        let isFirst = writing.isEmpty
        writing.insert(id)
        if isFirst {
            if settings.noticeDone { notices.ask(quietly: true) }
            for (index, time) in times.enumerated() {
                if time.begin(title, expired: { [weak self] in self?.expired(index) }) { held.insert(index) }
            }
        }
    }

    /// A reply goes on.
    func moved(_ done: Int, of total: Int) {
        for index in held { times[index].moved(title, done: done, of: total) }
    }

    /// A reply has ended.
    func ended(_ conversation: Conversation, settings: ChatSettings) {
        let id = conversation.id
        guard writing.remove(id) != nil else { return }
        let ranOut = ranOut.remove(id) != nil
        if !isInFront, let notice = Notice(conversation, ranOut: ranOut, settings: settings) { notices.show(notice) }
        if writing.isEmpty { giveBack(isDone: !ranOut) }
    }

    /// The app came to the front.
    func cameToFront() {
        isInFront = true
        notices.clear()
    }

    /// Nobody sees the app any more.
    func wentToBack() {
        isInFront = false
        // A system that gives none is about to stop the app; one that nobody asks lets it run.
        if held.isEmpty, !times.isEmpty { runOut() }
    }

    private func expired(_ index: Int) {
        guard held.remove(index) != nil else { return }
        if held.isEmpty, !isInFront {
            // Given back when the replies are kept, a moment later: the system waits that long.
            held.insert(index)
            runOut()
        } else {
            times[index].end(isDone: false)
        }
    }

    private func runOut() {
        guard !writing.isEmpty else { return giveBack(isDone: true) }
        ranOut.formUnion(writing)
        stop(writing)
    }

    private func giveBack(isDone: Bool) {
        for index in held.sorted() { times[index].end(isDone: isDone) }
        held = []
    }

    private var title: String {
        writing.count > 1 ? say("notice.writing.many", writing.count) : say("notice.writing")
    }
}
