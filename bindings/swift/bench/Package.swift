// swift-tools-version: 6.0
// Measures the Swift layer for `cargo xtask bench`. It is a package of its own, so that the published one has no such
// product.

import PackageDescription

let package = Package(
    name: "uhlm-bench",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "uhlm", path: "../../..")],
    targets: [
        .executableTarget(name: "uhlm-bench", dependencies: [.product(name: "Uhlm", package: "uhlm")])
    ]
)
