import ChatKit
import SwiftUI
import Uhlm

@main
struct ChatApp: App {
    @Environment(\.scenePhase) private var scenePhase
    @State private var started = Result { try AppModel.onThisDevice() }

    var body: some Scene {
        WindowGroup {
            switch started {
            case .success(let app):
                RootView()
                    .environment(app)
                    .task { await app.start() }
                    .onChange(of: scenePhase) { _, phase in
                        switch phase {
                        case .active: app.becameActive()
                        case .background: app.wentToBackground()
                        default: break
                        }
                    }
            case .failure(let error):
                let problem = Problem(error)
                ContentUnavailableView(
                    problem.title, systemImage: "externaldrive.badge.exclamationmark",
                    description: Text(problem.advice ?? ""))
            }
        }
    }
}

extension AppModel {
    /// In the app's own folder, with the keychain, the system's signals and the model that came along.
    static func onThisDevice() throws -> AppModel {
        let folder = try FileManager.default.url(
            for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        let place = try AppPlace(
            folder: folder, bundledModel: Bundle.main.url(forResource: "demo-draft", withExtension: "gguf"),
            bundledCalibration: Bundle.main.url(forResource: "demo.calibration", withExtension: "json"))
        let secrets = KeychainSecrets(service: Bundle.main.bundleIdentifier ?? "dev.uhlm.chat")
        return try AppModel(place: place, secrets: secrets, device: SystemDevice())
    }
}
