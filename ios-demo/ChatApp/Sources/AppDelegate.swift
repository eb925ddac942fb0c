import ChatKit
import UIKit
import Uhlm

/// What the system tells the app also where no scene is there: that models came while it did not run.
final class AppDelegate: NSObject, UIApplicationDelegate {
    /// The app without its views, or why it cannot begin.
    private(set) lazy var started = Result { try makeApp() }
    private let notices = SystemNotices()
    private var downloads: UhlmBackgroundDownloads?

    func application(
        _ application: UIApplication,
        didFinishLaunchingWithOptions options: [UIApplication.LaunchOptionsKey: Any]? = nil
    ) -> Bool {
        // Made now: the system tells of downloads right after this.
        if case .success(let app) = started {
            notices.open = { id in Task { await app.openConversation(id) } }
        }
        return true
    }

    func application(
        _ application: UIApplication, handleEventsForBackgroundURLSession identifier: String,
        completionHandler: @escaping () -> Void
    ) {
        if downloads?.handleEvents(of: identifier, completion: completionHandler) != true { completionHandler() }
    }

    /// In the app's own folder, with the keychain, the system's signals and the model that came along.
    private func makeApp() throws -> AppModel {
        let folder = try FileManager.default.url(
            for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        let place = try AppPlace(
            folder: folder, bundledModel: Bundle.main.url(forResource: "demo-draft", withExtension: "gguf"),
            bundledCalibration: Bundle.main.url(forResource: "demo.calibration", withExtension: "json"))
        let bundle = Bundle.main.bundleIdentifier ?? "dev.uhlm.chat"
        let app = try AppModel(
            place: place, secrets: KeychainSecrets(service: bundle), device: SystemDevice(),
            times: systemTimes(bundle), notices: notices)
        // Without a hub that can be asked, models come while the app is in front.
        if let (store, folder) = try? app.backgroundPlace() {
            let downloads = UhlmBackgroundDownloads(store: store, identifier: bundle + ".models", folder: folder)
            app.downloadInBackground(downloads)
            self.downloads = downloads
        }
        return app
    }
}
