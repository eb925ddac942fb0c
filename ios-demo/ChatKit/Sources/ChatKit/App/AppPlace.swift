import Foundation

/// Where the app keeps what it keeps.
public struct AppPlace: Sendable {
    /// The folder of the conversations.
    public let conversations: URL
    /// The folder of the models.
    public let models: URL
    /// What downloads in the background keep.
    public let downloads: URL
    /// Where a file lies while it is taken into the store.
    let incoming: URL
    /// The file of the settings.
    public let settings: URL
    /// A model that came with the app.
    public let bundledModel: URL?
    /// The folder of the calibrations that the person chose.
    let calibrations: URL
    /// The calibration of a pair that came with the app, for the draft model of that file name.
    let bundledCalibration: (model: String, file: URL)?

    /// Places below one folder, which is made where there is none.
    ///
    /// - Parameters:
    ///   - folder: The folder.
    ///   - bundledModel: A small model to begin with.
    ///   - bundledCalibration: The calibration of its pair.
    public init(folder: URL, bundledModel: URL? = nil, bundledCalibration: URL? = nil) throws {
        conversations = folder.appendingPathComponent("conversations")
        models = folder.appendingPathComponent("models")
        downloads = folder.appendingPathComponent("downloads")
        calibrations = folder.appendingPathComponent("calibrations")
        incoming = folder.appendingPathComponent("incoming")
        settings = folder.appendingPathComponent("settings.json")
        self.bundledModel = bundledModel
        self.bundledCalibration = bundledModel.flatMap { model in
            bundledCalibration.map { (model.lastPathComponent, $0) }
        }
        // What is there of an import that the end of the process cut.
        try? FileManager.default.removeItem(at: incoming)
        for folder in [models, downloads] {
            try storing { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
            #if canImport(Darwin)
            // Models can be had again; they are no part of a backup.
            var (folder, values) = (folder, URLResourceValues())
            values.isExcludedFromBackup = true
            try? folder.setResourceValues(values)
            #endif
        }
    }
}
