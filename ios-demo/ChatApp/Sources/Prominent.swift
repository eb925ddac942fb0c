import SwiftUI

extension View {
    /// The button that goes on, in the app's colour. The system would write on it in white, which nobody can read on
    /// the light blue of the dark appearance.
    func prominent() -> some View {
        buttonStyle(.borderedProminent).foregroundStyle(Color("OnAccent"))
    }
}
