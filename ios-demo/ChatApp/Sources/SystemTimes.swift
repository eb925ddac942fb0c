import BackgroundTasks
import ChatKit
import UIKit

/// The time that iOS gives: half a minute or so to any app, and from iOS 26 on as long as a task takes that a person
/// began and can see.
@MainActor
func systemTimes(_ bundle: String) -> [any BackgroundTime] {
    var times: [any BackgroundTime] = [ApplicationTime()]
    #if compiler(>=6.2)
    if #available(iOS 26, *) { times.append(ContinuedTime(prefix: bundle + ".reply")) }
    #endif
    return times
}

/// What any app has left when it goes to the background.
@MainActor
final class ApplicationTime: BackgroundTime {
    private var task = UIBackgroundTaskIdentifier.invalid

    func begin(_ title: String, expired: @escaping @MainActor () -> Void) -> Bool {
        task = UIApplication.shared.beginBackgroundTask(withName: "reply") { expired() }
        return task != .invalid
    }

    func moved(_ title: String, done: Int, of total: Int) {}

    func end(isDone: Bool) {
        guard task != .invalid else { return }
        UIApplication.shared.endBackgroundTask(task)
        task = .invalid
    }
}

#if compiler(>=6.2)
/// A task that the system shows with its progress, and that the person can end there. `project.yml` permits its name.
@available(iOS 26, *)
@MainActor
final class ContinuedTime: BackgroundTime {
    private let prefix: String
    private var task: BGContinuedProcessingTask?
    private var wanted: String?

    init(prefix: String) {
        self.prefix = prefix
    }

    func begin(_ title: String, expired: @escaping @MainActor () -> Void) -> Bool {
        // A name is registered once in the life of a process.
        let name = "\(prefix).\(UUID().uuidString)"
        let scheduler = BGTaskScheduler.shared
        let isRegistered = scheduler.register(forTaskWithIdentifier: name, using: .main) { [weak self] task in
            MainActor.assumeIsolated { self?.began(task, name, expired) }
        }
        guard isRegistered else { return false }
        let app = Bundle.main.object(forInfoDictionaryKey: "CFBundleDisplayName") as? String ?? ""
        let request = BGContinuedProcessingTaskRequest(identifier: name, title: app, subtitle: title)
        // A reply is written now or not at all.
        request.strategy = .fail
        do { try scheduler.submit(request) } catch { return false }
        wanted = name
        return true
    }

    func moved(_ title: String, done: Int, of total: Int) {
        task?.progress.totalUnitCount = Int64(max(total, done))
        task?.progress.completedUnitCount = Int64(done)
    }

    func end(isDone: Bool) {
        wanted = nil
        task?.setTaskCompleted(success: isDone)
        task = nil
    }

    private func began(_ task: BGTask, _ name: String, _ expired: @escaping @MainActor () -> Void) {
        guard wanted == name, let task = task as? BGContinuedProcessingTask else {
            return task.setTaskCompleted(success: true)
        }
        self.task = task
        task.expirationHandler = { Task { @MainActor in expired() } }
    }
}
#endif
