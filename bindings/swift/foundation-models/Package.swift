// swift-tools-version: 6.0
// Compiles and tests `UhlmFoundationModels` where Apple's framework is not: `Sources/FoundationModels` declares the
// part of its interface (iOS 27.0) that the target uses, with the same names, labels and types.
// `Sources/UhlmFoundationModels` is a link to the published sources.

import PackageDescription

let package = Package(
    name: "uhlm-foundation-models-check",
    platforms: [.macOS(.v12)],
    dependencies: [.package(name: "uhlm", path: "../../..")],
    targets: [
        .target(name: "FoundationModels"),
        // Of another name than the published target, because a package and what it depends on may not share one.
        .target(
            name: "UhlmFoundationModelsCheck",
            dependencies: ["FoundationModels", .product(name: "Uhlm", package: "uhlm")],
            path: "Sources/UhlmFoundationModels",
            swiftSettings: [.define("FOUNDATION_MODELS_STAND_IN")]
        ),
        .testTarget(
            name: "UhlmFoundationModelsTests",
            dependencies: ["UhlmFoundationModelsCheck"],
            swiftSettings: [.define("FOUNDATION_MODELS_STAND_IN")]
        ),
    ]
)
