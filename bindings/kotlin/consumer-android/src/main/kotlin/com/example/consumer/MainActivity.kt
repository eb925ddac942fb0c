package com.example.consumer

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.widget.TextView
import dev.uhlm.GenerationOptions
import dev.uhlm.Mode
import dev.uhlm.ModelOptions
import dev.uhlm.SamplingParams
import dev.uhlm.SessionOptions
import dev.uhlm.UhlmEngine
import dev.uhlm.UhlmException
import dev.uhlm.UhlmLibrary
import dev.uhlm.respond
import java.io.File
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

private const val MODEL = "demo-draft.gguf"

/** Writes a reply as soon as it is opened: onto the screen, and into the log, where the workflow waits for it. */
class MainActivity : Activity() {
    private val scope = MainScope()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val view = TextView(this)
        setContentView(view)
        scope.launch {
            val said = try {
                val reply = reply()
                "reply by ${UhlmLibrary.variant}: $reply"
            } catch (failure: UhlmException) {
                "no reply: $failure"
            }
            view.text = said
            Log.i("consumer", said)
        }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    private suspend fun reply(): String {
        val options = GenerationOptions(maxTokens = 48u, sampling = SamplingParams(temperature = 0f))
        return UhlmEngine.load(ModelOptions(path = model().path)).use { engine ->
            engine.openSession(options = SessionOptions(mode = Mode.DEVICE_ONLY)).use { session ->
                session.respond("What is 12 plus 30?", options).text.trim()
            }
        }
    }

    /** The model, which has to be a file: llama.cpp maps it. */
    private suspend fun model(): File = withContext(Dispatchers.IO) {
        File(filesDir, MODEL).also { file ->
            assets.open(MODEL).use { packed -> file.outputStream().use(packed::copyTo) }
        }
    }
}
