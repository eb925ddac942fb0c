// swift-tools-version: 6.0
// Everything of the chat app but its views. Builds and tests on Linux as on Apple's systems, against the real library:
// `cargo xtask bindings swift` (Linux) or `cargo xtask ios` (Apple) puts that in place beforehand.

import PackageDescription

#if os(Linux)
// Swift 6.0's libswiftObservation.so refers to a symbol that only static libraries have (swift issue 75670); it is
// called on the way to a crash alone.
let linker = [LinkerSetting.unsafeFlags(["-Xlinker", "--allow-shlib-undefined"])]
#else
let linker: [LinkerSetting] = []
#endif

let package = Package(
    name: "ChatKit",
    defaultLocalization: "en",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "ChatKit", targets: ["ChatKit"])],
    dependencies: [.package(name: "uhlm", path: "../..")],
    targets: [
        .target(
            name: "ChatKit", dependencies: [.product(name: "Uhlm", package: "uhlm")],
            resources: [.process("Resources")], linkerSettings: linker),
        // The process that a test kills while it writes.
        .executableTarget(name: "ChatKitWriter", dependencies: ["ChatKit"]),
        .testTarget(name: "ChatKitTests", dependencies: ["ChatKit", "ChatKitWriter"]),
    ]
)
