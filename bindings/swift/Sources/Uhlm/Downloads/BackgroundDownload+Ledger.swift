extension BackgroundDownload {
    /// What is shown of a model: the ledger says what became of its files, `progress` and `waiting` what this process
    /// has heard of them.
    init(
        _ entry: DownloadLedger.Entry, progress: [FileKey: (received: UInt64, total: UInt64?)], waiting: Set<FileKey>
    ) {
        var (received, total) = (UInt64(0), UInt64?(0))
        for (index, file) in entry.files.enumerated() {
            let now = progress[FileKey(entry: entry.id, run: entry.run, file: index)]
            let size = file.bytes ?? now?.total
            total = total.flatMap { sum in size.map { sum + $0 } }
            received += file.step == .loading ? now?.received ?? 0 : size ?? now?.received ?? 0
        }
        self.init(
            name: entry.name, state: State(entry, waiting), received: received, total: total,
            allowsMetered: entry.allowsMetered)
    }
}

extension BackgroundDownload.State {
    fileprivate init(_ entry: DownloadLedger.Entry, _ waiting: Set<FileKey>) {
        let loading = entry.keys(at: .loading)
        if let failure = entry.failure {
            self = .failed(failure.error)
        } else if entry.isStopped {
            self = .stopped
        } else if entry.isFinished {
            self = .finished
        } else if loading.isEmpty {
            self = .checking
        } else {
            self = loading.contains(where: waiting.contains) ? .waiting : .loading
        }
    }
}
