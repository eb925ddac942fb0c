package com.example

import dev.uhlm.ErrorKind
import dev.uhlm.GenerationOptions
import dev.uhlm.Mode
import dev.uhlm.ModelOptions
import dev.uhlm.SessionOptions
import dev.uhlm.Tool
import dev.uhlm.Toolbox
import dev.uhlm.UhlmEngine
import dev.uhlm.UhlmException
import dev.uhlm.kind
import dev.uhlm.respond
import kotlinx.coroutines.runBlocking

/** Prints the reply to one message, which is the same in every run, and whether an error is the one to be expected. */
fun main(arguments: Array<String>): Unit = runBlocking {
    val (model, message) = arguments
    UhlmEngine.load(ModelOptions(path = model)).use { engine ->
        engine.openSession(options = SessionOptions(mode = Mode.DEVICE_ONLY)).use { session ->
            // Calls go both ways: the library holds an object of the app.
            val box = Toolbox(Tool("unused", "Does nothing.") { "nothing" })
            session.setToolRunner(box)
            println("reply: " + session.respond(message, GenerationOptions(maxTokens = 48u, seed = 7u)).text.trim())
        }
    }
    try {
        UhlmEngine.load(ModelOptions(path = "$model.missing")).close()
    } catch (failure: UhlmException) {
        println("no model: ${failure.kind == ErrorKind.ModelNotFound}")
    }
}
