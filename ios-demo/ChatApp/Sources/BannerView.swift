import ChatKit
import SwiftUI

/// What is different now. It is how the app is meant to go on, so it does not shout.
struct BannerView: View {
    let banner: Banner
    let settings: ChatSettings

    var body: some View {
        Label(banner.text(settings), systemImage: symbol)
            .font(.footnote)
            .foregroundStyle(.secondary)
            .frame(maxWidth: .infinity, alignment: .leading)
            .padding(.horizontal)
            .padding(.vertical, 8)
            .background(.bar)
            .accessibilityElement(children: .combine)
            .onAppear { announce() }
            .onChange(of: banner) { announce() }
            .transition(.move(edge: .top).combined(with: .opacity))
    }

    private var symbol: String {
        switch banner {
        case .noNetwork: "airplane"
        case .serverAway: "wifi.slash"
        case .serverBusy: "hourglass"
        case .unsteady: "wifi.exclamationmark"
        }
    }

    private func announce() {
        AccessibilityNotification.Announcement(banner.text(settings)).post()
    }
}

extension View {
    /// An alert for a problem, with what can be done about it.
    func problemAlert<Actions: View>(
        _ problem: Problem?, dismiss: @escaping () -> Void, @ViewBuilder actions: @escaping (Problem) -> Actions
    ) -> some View {
        alert(
            problem?.title ?? "",
            isPresented: Binding {
                problem != nil
            } set: {
                if !$0 { dismiss() }
            }, presenting: problem
        ) { problem in
            actions(problem)
            Button(say("ok"), role: .cancel) {}
        } message: { problem in
            Text(problem.advice ?? "")
        }
    }

    func problemAlert(_ problem: Problem?, dismiss: @escaping () -> Void) -> some View {
        problemAlert(problem, dismiss: dismiss) { _ in EmptyView() }
    }
}
