#if canImport(Security)
import Foundation
import Security

/// Keys in the system's keychain: on this device only, after it was unlocked once, in no backup.
public struct KeychainSecrets: SecretStore {
    private let service: String

    /// Keys of one service, by the app's bundle identifier.
    public init(service: String) {
        self.service = service
    }

    /// The key; nil where there is none.
    public func read(_ name: SecretName) throws -> String? {
        var query = item(name)
        query[kSecReturnData] = true
        query[kSecMatchLimit] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        if status == errSecItemNotFound { return nil }
        guard status == errSecSuccess, let data = found as? Data else { throw SecretFailure.system(status) }
        return String(decoding: data, as: UTF8.self)
    }

    /// Keeps a key in the place of the one before.
    public func write(_ value: String, as name: SecretName) throws {
        let content: [CFString: Any] = [
            kSecValueData: Data(value.utf8),
            kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
        ]
        var status = SecItemUpdate(item(name) as CFDictionary, content as CFDictionary)
        if status == errSecItemNotFound {
            let new = item(name).merging(content) { _, new in new }
            status = SecItemAdd(new as CFDictionary, nil)
        }
        if status != errSecSuccess { throw SecretFailure.system(status) }
    }

    /// Forgets a key.
    public func remove(_ name: SecretName) throws {
        let status = SecItemDelete(item(name) as CFDictionary)
        if status != errSecSuccess, status != errSecItemNotFound { throw SecretFailure.system(status) }
    }

    private func item(_ name: SecretName) -> [CFString: Any] {
        [kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecAttrAccount: name.rawValue]
    }
}
#endif
