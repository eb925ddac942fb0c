@testable import Uhlm

/// Gives one value from one task to another. The first value counts.
final class Handover<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case awaited(CheckedContinuation<Value, Never>)
        case given(Value)
        case taken
    }

    private let state = Locked(State.empty)

    func give(_ value: Value) {
        let taker: CheckedContinuation<Value, Never>? = state.withLock { state in
            switch state {
            case .empty:
                state = .given(value)
                return nil
            case .awaited(let taker):
                state = .taken
                return taker
            case .given, .taken:
                return nil
            }
        }
        taker?.resume(returning: value)
    }

    /// Waits for the value. To be called once.
    func take() async -> Value {
        await withCheckedContinuation { taker in
            let value: Value? = state.withLock { state in
                guard case .given(let value) = state else {
                    state = .awaited(taker)
                    return nil
                }
                state = .taken
                return value
            }
            if let value { taker.resume(returning: value) }
        }
    }
}
