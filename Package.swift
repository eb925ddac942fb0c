// swift-tools-version: 6.0
// The Swift package `Uhlm`. It stands in the root so that it can be added by the repository's URL; everything else is
// in `bindings/swift`. What it wraps is built beforehand: `cargo xtask bindings swift` on Linux, `cargo xtask ios` for
// Apple's systems.

import PackageDescription

/// Set for a release: where its XCFramework is and what `cargo xtask ios` printed for it. Without one the package takes
/// the XCFramework that `cargo xtask ios` left in this checkout.
let release: (url: String, checksum: String)? = nil

#if os(Linux)
let library = Target.systemLibrary(name: "uhlmFFI", path: "bindings/swift/Sources/uhlmFFI")
let (resources, exclude): ([Resource], [String]) = ([], ["PrivacyInfo.xcprivacy"])
#else
/// What the App Store asks of a library that calls certain functions of the system.
let (resources, exclude): ([Resource], [String]) = ([.process("PrivacyInfo.xcprivacy")], [])
let library: Target =
    if let release {
        .binaryTarget(name: "uhlmFFI", url: release.url, checksum: release.checksum)
    } else {
        .binaryTarget(name: "uhlmFFI", path: "target/ios/uhlmFFI.xcframework")
    }
#endif

/// What llama.cpp and the TLS stack inside the static library ask Apple's linker for.
let appleLibraries: [LinkerSetting] = [
    .linkedLibrary("c++", .when(platforms: [.iOS, .macOS])),
    .linkedFramework("Accelerate", .when(platforms: [.iOS, .macOS])),
    .linkedFramework("Foundation", .when(platforms: [.iOS, .macOS])),
    .linkedFramework("Metal", .when(platforms: [.iOS, .macOS])),
    .linkedFramework("MetalKit", .when(platforms: [.iOS, .macOS])),
    .linkedFramework("Security", .when(platforms: [.iOS, .macOS])),
    .linkedFramework("SystemConfiguration", .when(platforms: [.iOS, .macOS])),
]

let package = Package(
    name: "uhlm",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [
        .library(name: "Uhlm", targets: ["Uhlm"]),
        // Empty where Apple's framework has no protocol for models of other makers: before Xcode 27, and on Linux.
        .library(name: "UhlmFoundationModels", targets: ["UhlmFoundationModels"]),
    ],
    targets: [
        library,
        .target(
            name: "Uhlm",
            dependencies: ["uhlmFFI"],
            path: "bindings/swift/Sources/Uhlm",
            exclude: exclude,
            resources: resources,
            // The generated code is written for 5.
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: appleLibraries
        ),
        .target(
            name: "UhlmFoundationModels",
            dependencies: ["Uhlm"],
            path: "bindings/swift/Sources/UhlmFoundationModels"
        ),
        // In language mode 6: what uses the package must pass its concurrency checks.
        .testTarget(
            name: "UhlmTests",
            dependencies: ["Uhlm"],
            path: "bindings/swift/Tests/UhlmTests"
        ),
    ]
)
