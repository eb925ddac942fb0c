import Foundation

/// Where the app keeps what it keeps.
public struct AppPlace: Sendable {
    /// The folder of the conversations.
    public let conversations: URL
    /// The folder of the models.
    public let models: URL
    /// The file of the settings.
    public let settings: URL
    /// A model that came with the app.
    public let bundledModel: URL?
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
        settings = folder.appendingPathComponent("settings.json")
        self.bundledModel = bundledModel
        self.bundledCalibration = bundledModel.flatMap { model in
            bundledCalibration.map { (model.lastPathComponent, $0) }
        }
        try storing { try FileManager.default.createDirectory(at: models, withIntermediateDirectories: true) }
        #if canImport(Darwin)
        // Models can be had again; they are no part of a backup.
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        var folder = models
        try? folder.setResourceValues(values)
        #endif
    }

    /// The path of the calibration file of a draft model; nil where it was not measured.
    func calibration(of model: String) -> String? {
        bundledCalibration.flatMap { $0.model == model ? $0.file.path : nil }
    }
}
