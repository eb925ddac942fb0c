// swift-tools-version: 6.0
// Everything of the chat app but its views. Builds and tests on Linux as on Apple's systems, against the real library:
// `cargo xtask bindings swift` (Linux) or `cargo xtask ios` (Apple) puts that in place beforehand.

import PackageDescription

let package = Package(
    name: "ChatKit",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "ChatKit", targets: ["ChatKit"])],
    dependencies: [.package(name: "uhlm", path: "../..")],
    targets: [
        .target(name: "ChatKit", dependencies: [.product(name: "Uhlm", package: "uhlm")]),
        // The process that a test kills while it writes.
        .executableTarget(name: "ChatKitWriter", dependencies: ["ChatKit"]),
        .testTarget(name: "ChatKitTests", dependencies: ["ChatKit", "ChatKitWriter"]),
    ]
)
