import Foundation
import Observation

/// The settings and the keys, kept as they change.
@MainActor
@Observable
public final class SettingsModel {
    /// What the person chose. Each change is written at once.
    public var settings: ChatSettings {
        didSet {
            if settings != oldValue { save() }
        }
    }
    /// Why the last change could not be kept; nil where it was.
    public private(set) var problem: Problem?

    private let file: URL
    private let secrets: any SecretStore

    /// Reads the settings from a file; they are the defaults where there is none, or none that can be read.
    public init(file: URL, secrets: any SecretStore) {
        self.file = file
        self.secrets = secrets
        let read = (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(ChatSettings.self, from: $0) }
        settings = read ?? ChatSettings()
    }

    /// The key that is kept under a name; nil where there is none, and where it cannot be read.
    public func secret(_ name: SecretName) -> String? {
        do {
            return try secrets.read(name)
        } catch {
            problem = Problem(error)
            return nil
        }
    }

    /// Keeps a key, or removes it where it is empty.
    public func setSecret(_ name: SecretName, to value: String) {
        do {
            let value = value.trimmingCharacters(in: .whitespacesAndNewlines)
            if value.isEmpty { try secrets.remove(name) } else { try secrets.write(value, as: name) }
            problem = nil
        } catch {
            problem = Problem(error)
        }
    }

    private func save() {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try encoder.encode(settings).writeSafely(to: file)
            problem = nil
        } catch {
            problem = Problem(say("settings.failed"), .freeStorage)
        }
    }
}
