/// What is shown of the downloads, for whoever looks and whoever follows.
final class DownloadBoard: Sendable {
    private struct State {
        var downloads: [BackgroundDownload] = []
        var followers: [Int: AsyncStream<[BackgroundDownload]>.Continuation] = [:]
        var next = 0
        var isEnded = false
    }

    private let state = Locked(State())

    var downloads: [BackgroundDownload] { state.withLock { $0.downloads } }

    /// The downloads now and after each change.
    func updates() -> AsyncStream<[BackgroundDownload]> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { follower in
            let number: Int? = state.withLock { state in
                if state.isEnded { return nil }
                defer { state.next += 1 }
                state.followers[state.next] = follower
                follower.yield(state.downloads)
                return state.next
            }
            guard let number else { return follower.finish() }
            follower.onTermination = { [weak self] _ in self?.leave(number) }
        }
    }

    func show(_ downloads: [BackgroundDownload]) {
        state.withLock { state in
            guard downloads != state.downloads else { return }
            state.downloads = downloads
            for follower in state.followers.values { follower.yield(downloads) }
        }
    }

    func end() {
        let followers = state.withLock { state in
            state.isEnded = true
            defer { state.followers = [:] }
            return state.followers
        }
        for follower in followers.values { follower.finish() }
    }

    private func leave(_ number: Int) {
        state.withLock { _ = $0.followers.removeValue(forKey: number) }
    }
}
