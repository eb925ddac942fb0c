package dev.uhlm.demo.android

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import android.util.Base64
import dev.uhlm.demo.settings.SecretStore
import dev.uhlm.demo.storage.AtomicFile
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Secrets encrypted with AES-GCM by a key that never leaves the Android Keystore; the app's folder holds the
 * ciphertexts. Where the system has lost the key (a restored device, a removed screen lock on some), the secrets are
 * gone with it and the person is asked again.
 */
class KeystoreSecretStore(private val folder: File) : SecretStore {
    @Synchronized
    override fun get(name: String): String? {
        val kept = file(name).read() ?: return null
        return try {
            val bytes = Base64.decode(kept, Base64.NO_WRAP)
            val cipher = Cipher.getInstance(TRANSFORMATION)
            cipher.init(Cipher.DECRYPT_MODE, key() ?: return null, GCMParameterSpec(TAG_BITS, bytes, 0, IV_BYTES))
            cipher.updateAAD(name.encodeToByteArray())
            cipher.doFinal(bytes, IV_BYTES, bytes.size - IV_BYTES).decodeToString()
        } catch (_: GeneralSecurityException) {
            null
        } catch (_: IllegalArgumentException) {
            // A damaged file.
            null
        }
    }

    @Synchronized
    override fun put(name: String, secret: String) {
        if (secret.isEmpty()) {
            val kept = File(folder, name)
            if (kept.exists() && !kept.delete()) throw IOException("the secret cannot be removed")
            return
        }
        val text = try {
            val cipher = Cipher.getInstance(TRANSFORMATION)
            // The Keystore chooses the IV and refuses one that is given.
            cipher.init(Cipher.ENCRYPT_MODE, key() ?: newKey())
            cipher.updateAAD(name.encodeToByteArray())
            Base64.encodeToString(cipher.iv + cipher.doFinal(secret.encodeToByteArray()), Base64.NO_WRAP)
        } catch (failure: GeneralSecurityException) {
            throw IOException("the Keystore failed", failure)
        }
        file(name).write(text, ownerOnly = true)
    }

    private fun file(name: String) = AtomicFile(File(folder, name))

    private fun key(): SecretKey? = try {
        val store = KeyStore.getInstance(PROVIDER).apply { load(null) }
        store.getKey(ALIAS, null) as? SecretKey
    } catch (failure: IOException) {
        throw GeneralSecurityException(failure)
    }

    private fun newKey(): SecretKey {
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec = KeyGenParameterSpec.Builder(ALIAS, purposes)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(KEY_BITS)
            .build()
        return KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER).apply { init(spec) }.generateKey()
    }

    private companion object {
        const val PROVIDER = "AndroidKeyStore"
        const val ALIAS = "uhlm-demo-secrets"
        const val TRANSFORMATION = "AES/GCM/NoPadding"
        const val KEY_BITS = 256
        const val TAG_BITS = 128
        const val IV_BYTES = 12
    }
}
