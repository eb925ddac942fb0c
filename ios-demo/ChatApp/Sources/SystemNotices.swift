import ChatKit
import UserNotifications

/// Notices by the system, of which a tap opens the conversation.
@MainActor
final class SystemNotices: NSObject, Notices {
    /// Opens a conversation.
    var open: (UUID) -> Void = { _ in }

    private let center = UNUserNotificationCenter.current()

    override init() {
        super.init()
        center.delegate = self
    }

    func ask(quietly: Bool) {
        let options: UNAuthorizationOptions = quietly ? [.alert, .sound, .provisional] : [.alert, .sound]
        center.requestAuthorization(options: options) { _, _ in }
    }

    func show(_ notice: Notice) {
        let content = UNMutableNotificationContent()
        content.title = notice.title
        if let text = notice.text { content.body = text }
        content.threadIdentifier = notice.conversation.uuidString
        content.sound = .default
        center.add(UNNotificationRequest(identifier: notice.conversation.uuidString, content: content, trigger: nil))
    }

    func clear() {
        center.removeAllDeliveredNotifications()
    }
}

extension SystemNotices: UNUserNotificationCenterDelegate {
    nonisolated func userNotificationCenter(
        _ center: UNUserNotificationCenter, didReceive response: UNNotificationResponse,
        withCompletionHandler completionHandler: @escaping () -> Void
    ) {
        let id = UUID(uuidString: response.notification.request.identifier)
        // The system calls on the main thread, and waits there.
        MainActor.assumeIsolated {
            if let id { open(id) }
        }
        completionHandler()
    }
}
