import Observation
import Uhlm

/// Asks the person about the calls of tools in one reply after the other.
@MainActor
@Observable
final class CallAsker {
    /// The call that waits for the person's word.
    private(set) var question: CallQuestion?

    private var waiting: CheckedContinuation<Bool, Never>?
    private var refused: Set<String> = []

    /// The tools of a reply that begins; nil where the person lets models use none.
    ///
    /// - Parameters:
    ///   - tools: What there is.
    ///   - settings: What the person chose.
    ///   - isAlone: Whether the device writes this reply alone.
    func toolbox(_ tools: [Tool], _ settings: ChatSettings, isAlone: Bool) -> Toolbox? {
        refused = []
        if !settings.usesTools { return nil }
        if !settings.asksBeforeTools { return Toolbox(tools) }
        let mayBeSent = settings.asksServer && !isAlone
        return Toolbox(tools) { [weak self] call in
            await self?.allows(CallQuestion(call, mayBeSent: mayBeSent)) ?? false
        }
    }

    /// What the person decided about a call; nothing happens where it waits no longer.
    func answer(_ id: String, isAllowed: Bool) {
        guard question?.id == id else { return }
        if !isAllowed { refused.insert(id) }
        leave(isAllowed)
    }

    /// Takes the question back, and whatever it asks about is not run.
    func leave() {
        leave(false)
    }

    /// How a call ended.
    func kind(of result: ToolResult) -> Answer.Kind {
        if refused.contains(result.id) { return .refused }
        return result.isFailure ? .failed : .given
    }

    /// Waits for the person; a reply that is stopped meanwhile takes the question back.
    private func allows(_ question: CallQuestion) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { return continuation.resume(returning: false) }
                waiting = continuation
                self.question = question
            }
        } onCancel: {
            Task { @MainActor [weak self] in
                if self?.question == question { self?.leave(false) }
            }
        }
    }

    private func leave(_ isAllowed: Bool) {
        question = nil
        waiting?.resume(returning: isAllowed)
        waiting = nil
    }
}
