import Foundation
import Uhlm

/// Which models there are, which one writes, and how others come.
extension AppModel {
    /// The models that are there, the one in use marked, for the conversation's title.
    public var modelChoices: [ModelChoice] {
        models.installed.map { ModelChoice(name: $0.name, used: settings.model) }
    }

    /// Uses another model from the next message on. A reply that is being written is written to its end by the one that
    /// began it.
    public func choose(_ model: String) {
        guard model != settings.model else { return }
        preferences.settings.model = model
        chats.forEach { $0.openAnew() }
        if !isWritingAnything { loader.unload() }
    }

    /// Removes a model; the one in use is let go first, and what it writes is stopped.
    public func deleteModel(_ name: String) async {
        if settings.model == name {
            choose("")
            chats.forEach { $0.closeSession() }
        }
        await models.delete(name)
    }

    /// Takes a model's file that lies elsewhere on the device.
    public func takeModel(_ file: URL) async {
        do { try await models.take(file, by: place.incoming) } catch { problem = Problem(error) }
    }

    /// Has the system download, so that models come while the app is not in front. Not those that a token of Hugging
    /// Face is asked for: the system sends it nowhere.
    public func downloadInBackground(_ background: any BackgroundModels) {
        models.follow(background) { [weak self] in self?.preferences.secret(.hubToken) == nil }
    }

    /// Where the downloads of the background keep what they keep, and the store that they bring models into.
    ///
    /// - Throws: `UhlmError` where the hub's address in the settings is none.
    public func backgroundPlace() throws -> (store: UhlmModelStore, folder: URL) {
        let hub = settings.hub.isEmpty ? nil : settings.hub
        let store = try UhlmModelStore(options: StoreOptions(folder: place.models.path, hub: hub))
        return (store, place.downloads)
    }

    /// The speed page, before it has read anything.
    public func speedPage() -> SpeedModel {
        SpeedModel(store: store) { [weak self] in
            guard let self else { throw CancellationError() }
            return try await measureSpeed()
        }
    }

    private func measureSpeed() async throws -> SpeedMeasurement {
        let settings = settings
        return try await ChatKit.measureSpeed(of: modelTitle(settings.model), on: engine(settings))
    }

    /// Whether the thresholds of the model in use are those of a file; else they are cautious ones.
    public var isCalibrated: Bool {
        _ = calibrationChanges
        return calibrations.file(of: settings.model) != nil
    }

    /// Whether the person chose that file.
    public var hasOwnCalibration: Bool {
        _ = calibrationChanges
        return calibrations.isChosen(of: settings.model)
    }

    /// Takes a file of the person's as the calibration of the model in use.
    public func calibrate(by file: URL) {
        changeCalibration { try calibrations.keep(file, for: settings.model) }
    }

    /// Removes the calibration that the person chose for the model in use.
    public func removeCalibration() {
        changeCalibration { try calibrations.remove(of: settings.model) }
    }

    private func changeCalibration(_ change: () throws -> Void) {
        do { try change() } catch { return problem = Problem(error) }
        calibrationChanges += 1
        // A session reads its file once.
        chats.forEach { $0.openAnew() }
    }

    /// The model that came with the app, copied where the others are, once.
    func installBundledModel() {
        guard let bundled = place.bundledModel, settings.model.isEmpty else { return }
        let target = place.models.appendingPathComponent(bundled.lastPathComponent)
        do {
            if !FileManager.default.fileExists(atPath: target.path) {
                try FileManager.default.createDirectory(at: place.models, withIntermediateDirectories: true)
                try Data(contentsOf: bundled).writeSafely(to: target)
            }
            preferences.settings.model = bundled.lastPathComponent
        } catch {
            problem = Problem(error)
        }
    }
}
