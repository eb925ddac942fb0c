import ChatKit
import SwiftUI

@main
struct ChatApp: App {
    @UIApplicationDelegateAdaptor private var delegate: AppDelegate
    @Environment(\.scenePhase) private var scenePhase

    var body: some Scene {
        WindowGroup {
            switch delegate.started {
            case .success(let app):
                RootView()
                    .environment(app)
                    .task { await app.start() }
                    // From the system's camera, which reads the code that `uhlm serve --qr` shows.
                    .onOpenURL { app.open(link: $0.absoluteString) }
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
