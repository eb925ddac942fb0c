/// Whether a list that grows at its end is scrolled along: it is until the person scrolls up, and again from when they
/// come back to the end.
public struct FollowsEnd: Sendable, Equatable {
    /// Whether the list is scrolled to its end as it grows.
    public private(set) var follows = true

    private var height: Double?
    private var below = 0.0

    /// A list that is at its end.
    public init() {}

    /// Takes how high the content is now, and how much of it is below what can be seen, in points.
    public mutating func moved(height: Double, below: Double) {
        defer { (self.height, self.below) = (height, below) }
        // Content that grows is below without anybody's doing.
        guard height == self.height else { return }
        if below > self.below {
            follows = false
        } else if below < self.below, below <= Self.slack {
            follows = true
        }
    }

    /// The person said something: they want to see what comes of it.
    public mutating func jump() {
        follows = true
    }

    /// What counts as the end, in points: some lines, because a finger is not exact.
    private static let slack = 100.0
}
