import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Files that a `URLSession` loads. With a background configuration the system goes on with them when the app is
/// suspended or ended, and starts it again when they came.
final class SessionCarrier: NSObject, DownloadCarrier, @unchecked Sendable {
    private let folder: DownloadFolder
    private let tell: @Sendable (CarrierEvent) -> Void
    private let session = Locked<URLSession?>(nil)

    init(
        _ configuration: URLSessionConfiguration, folder: DownloadFolder,
        tell: @escaping @Sendable (CarrierEvent) -> Void
    ) {
        self.folder = folder
        self.tell = tell
        super.init()
        // One after the other, and on a thread of the session's own.
        let queue = OperationQueue()
        queue.maxConcurrentOperationCount = 1
        session.withLock { $0 = URLSession(configuration: configuration, delegate: self, delegateQueue: queue) }
    }

    func keys() async -> Set<FileKey> {
        Set(await tasks().compactMap { FileKey($0.taskDescription) })
    }

    func load(_ order: CarrierOrder) {
        guard let session = session.withLock({ $0 }) else { return }
        var request = URLRequest(url: order.url)
        #if canImport(Darwin)
        request.allowsExpensiveNetworkAccess = order.allowsMetered
        request.allowsConstrainedNetworkAccess = order.allowsMetered
        #endif
        let task =
            if let resume = order.resume { session.downloadTask(withResumeData: resume) } else {
                session.downloadTask(with: request)
            }
        task.taskDescription = order.key.text
        guard order.delay > 0 else { return task.resume() }
        #if canImport(Darwin)
        // The system waits: the app may be gone by then.
        task.earliestBeginDate = Date(timeIntervalSinceNow: order.delay)
        task.resume()
        #else
        DispatchQueue.global().asyncAfter(deadline: .now() + order.delay) { task.resume() }
        #endif
    }

    func stop(_ key: FileKey) {
        Task {
            for case let task as URLSessionDownloadTask in await tasks() where task.taskDescription == key.text {
                task.cancel { [tell] resume in tell(.stopped(key, resume: resume)) }
            }
        }
    }

    func end(stopping: Bool) {
        session.withLock { session in
            if stopping { session?.invalidateAndCancel() } else { session?.finishTasksAndInvalidate() }
            session = nil
        }
    }

    private func tasks() async -> [URLSessionTask] {
        guard let session = session.withLock({ $0 }) else { return [] }
        return await withCheckedContinuation { taker in
            session.getAllTasks { taker.resume(returning: $0) }
        }
    }
}

extension SessionCarrier: URLSessionDownloadDelegate {
    func urlSession(
        _ session: URLSession, downloadTask: URLSessionDownloadTask, didWriteData bytesWritten: Int64,
        totalBytesWritten: Int64, totalBytesExpectedToWrite: Int64
    ) {
        // What a server says when it refuses is no part of the file.
        guard let key = FileKey(downloadTask.taskDescription), downloadTask.bringsTheFile else { return }
        let total = totalBytesExpectedToWrite > 0 ? UInt64(totalBytesExpectedToWrite) : nil
        tell(.moved(key, received: UInt64(max(0, totalBytesWritten)), total: total))
    }

    /// The file is gone when this returns, so it is moved at once.
    func urlSession(
        _ session: URLSession, downloadTask: URLSessionDownloadTask, didFinishDownloadingTo location: URL
    ) {
        guard let key = FileKey(downloadTask.taskDescription) else { return }
        guard downloadTask.bringsTheFile else {
            return tell(.refused(key, status: (downloadTask.response as? HTTPURLResponse)?.statusCode ?? 0))
        }
        do {
            try folder.take(location, as: key)
            tell(.came(key))
        } catch {
            tell(.unkept(key, isFull: (error as? CocoaError)?.code == .fileWriteOutOfSpace))
        }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        guard let key = FileKey(task.taskDescription), let error else { return }
        // The key's name is another one on Linux, its text is not.
        let resume = (error as NSError).userInfo["NSURLSessionDownloadTaskResumeData"] as? Data
        tell(.brokeOff(key, code: (error as? URLError)?.code ?? .unknown, resume: resume))
    }

    #if canImport(Darwin)
    func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {
        tell(.delivered)
    }
    #endif
}

extension URLSessionTask {
    fileprivate var bringsTheFile: Bool {
        guard let status = (response as? HTTPURLResponse)?.statusCode else { return true }
        return (200..<300).contains(status)
    }
}

extension URLSessionConfiguration {
    /// One by which the system loads models of hundreds of megabytes when the app is not in front, and at once: a
    /// person waits for them.
    static func models(_ identifier: String) -> URLSessionConfiguration {
        #if canImport(Darwin)
        let configuration = URLSessionConfiguration.background(withIdentifier: identifier)
        configuration.isDiscretionary = false
        configuration.sessionSendsLaunchEvents = true
        #else
        // There are no background sessions here.
        let configuration = URLSessionConfiguration.default
        #endif
        configuration.httpCookieStorage = nil
        configuration.urlCache = nil
        return configuration
    }
}
