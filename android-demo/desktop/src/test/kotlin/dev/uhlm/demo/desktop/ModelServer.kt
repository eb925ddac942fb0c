package dev.uhlm.demo.desktop

import com.sun.net.httpserver.HttpsConfigurator
import com.sun.net.httpserver.HttpsServer
import dev.uhlm.TrustPolicy
import java.io.File
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.security.KeyStore
import java.security.MessageDigest
import java.util.concurrent.Executors
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext

/**
 * Serves one file over HTTPS on loopback, with a certificate of its own: the first [quick] bytes at once, the rest when
 * [release] is called.
 */
internal class ModelServer(folder: File, private val file: File, private val quick: Int) : AutoCloseable {
    private val store = keyStore(File(folder, "key.p12"))
    private val threads = Executors.newCachedThreadPool()
    private val gate = java.util.concurrent.CountDownLatch(1)
    private val server = HttpsServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)

    val trust = TrustPolicy.Fingerprint(
        MessageDigest.getInstance("SHA-256").digest(store.getCertificate(ALIAS).encoded)
            .joinToString("") { "%02x".format(it) },
    )
    val url: String get() = "https://127.0.0.1:${server.address.port}/${file.name}"

    init {
        val keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm())
        keys.init(store, PASSWORD)
        val tls = SSLContext.getInstance("TLS").apply { init(keys.keyManagers, null, null) }
        server.httpsConfigurator = HttpsConfigurator(tls)
        server.executor = threads
        server.createContext("/") { exchange ->
            val bytes = file.readBytes()
            try {
                if (exchange.requestMethod == "HEAD") {
                    exchange.responseHeaders.add("Content-Length", bytes.size.toString())
                    exchange.sendResponseHeaders(200, -1)
                } else {
                    exchange.sendResponseHeaders(200, bytes.size.toLong())
                    exchange.responseBody.write(bytes, 0, quick)
                    exchange.responseBody.flush()
                    gate.await()
                    exchange.responseBody.write(bytes, quick, bytes.size - quick)
                }
            } catch (_: IOException) {
                // The client went away.
            } finally {
                exchange.close()
            }
        }
        server.start()
    }

    fun release() = gate.countDown()

    override fun close() {
        release()
        server.stop(0)
        threads.shutdownNow()
    }

    private companion object {
        const val ALIAS = "server"
        val PASSWORD = "only-for-tests".toCharArray()

        fun keyStore(file: File): KeyStore {
            val keytool = File(System.getProperty("java.home"), "bin/keytool").path
            val made = ProcessBuilder(
                keytool, "-genkeypair", "-alias", ALIAS, "-keyalg", "EC", "-groupname", "secp256r1", "-dname",
                "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1", "-validity", "2", "-storetype", "PKCS12", "-storepass",
                String(PASSWORD), "-keystore", file.path,
            ).redirectErrorStream(true).start()
            val said = made.inputReader().readText()
            check(made.waitFor() == 0) { said }
            return KeyStore.getInstance("PKCS12").apply { file.inputStream().use { load(it, PASSWORD) } }
        }
    }
}
