// The snippets of docs/kotlin.md. DocumentationTest compares them with the regions of this file, SamplesTest runs them.
@file:Suppress("unused", "UNUSED_VARIABLE")

package dev.uhlm.samples

// region imports
import dev.uhlm.*
// endregion
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

internal suspend fun alone(modelPath: String) {
    // region alone
    val engine = UhlmEngine.load(ModelOptions(path = modelPath))
    engine.openSession(options = SessionOptions(mode = Mode.DEVICE_ONLY)).use { session ->
        session.generateText("What is 12 plus 30?").collect { print(it) }
    }
    // endregion
    engine.close()
}

internal suspend fun formed(session: UhlmSession): String {
    // region grammar
    val choices = Grammar.Choices(listOf("yes", "no"))
    val answer = session.respond("Is 7 a prime?", GenerationOptions(grammar = choices)).text
    // endregion
    return answer
}

internal suspend fun hybrid(
    engine: UhlmEngine,
    calibrationPath: String,
    endpoint: String,
    trust: TrustPolicy,
): GenerationResult {
    // region verifier
    val verifier = UhlmVerifier(RemoteOptions(endpoint, trust))
    // endregion
    return verifier.use {
        // region hybrid
        val options = SessionOptions(
            mode = Mode.OPPORTUNISTIC,
            goal = Goal.ShareSent(0.2),
            calibrationPath = calibrationPath,
            offline = OfflinePolicy.GoOn,
            consent = Consent.CONVERSATION,
        )
        val session = engine.openSession(verifier, options)
        val reply = session.respond("What is 12 plus 30?", GenerationOptions(maxTokens = 200u))
        println(reply.text)
        println("judged by the large model: ${reply.statistics.judged} of ${reply.statistics.drafted} tokens")
        println("took ${reply.statistics.elapsed}")
        // endregion
        session.shutDown()
        reply
    }
}

// region events
class Transcript {
    private val committed = StringBuilder()
    private val reasoning = StringBuilder()
    private val provisional = ArrayDeque<String>()

    val text: String get() = committed.toString()
    val thought: String get() = reasoning.toString()
    val tail: String get() = provisional.joinToString("")

    fun add(event: GenerationEvent) {
        when (event) {
            is GenerationEvent.Provisional -> provisional += event.token.text
            is GenerationEvent.Committed -> {
                provisional.removeFirstOrNull()
                committed.append(event.token.text)
            }
            is GenerationEvent.Reasoning -> {
                provisional.removeFirstOrNull()
                reasoning.append(event.token.text)
            }
            is GenerationEvent.Rollback -> provisional.clear()
            is GenerationEvent.ToolCall -> println("calls ${event.call.name}(${event.call.arguments})")
            is GenerationEvent.ToolResult -> println("${event.result.name} says ${event.result.content}")
            is GenerationEvent.MalformedToolCall -> println("no call: ${event.reason}")
            is GenerationEvent.State -> println("the verifier is ${event.link} (${event.cause})")
            is GenerationEvent.Finished -> println("${event.finish} after ${event.statistics.tokens} tokens")
        }
    }
}
// endregion

// region view-model
class ChatModel(private val session: UhlmSession, private val scope: CoroutineScope) {
    private val mutableReply = MutableStateFlow("")
    private val mutableProblem = MutableStateFlow<String?>(null)
    private var generation: Job? = null

    val reply: StateFlow<String> = mutableReply.asStateFlow()
    val problem: StateFlow<String?> = mutableProblem.asStateFlow()
    val status: StateFlow<SessionStatus> = session.statusIn(scope)

    fun send(message: String) {
        stop()
        generation = scope.launch {
            mutableReply.value = ""
            mutableProblem.value = null
            try {
                session.generateText(message).collect { piece -> mutableReply.update { it + piece } }
            } catch (error: UhlmException) {
                mutableProblem.value = error.hint
            }
        }
    }

    fun stop() {
        generation?.cancel()
    }
}
// endregion

internal suspend fun tools(session: UhlmSession, weather: suspend (String) -> String): GenerationResult {
    // region tools
    val schema = """{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"""
    val box = Toolbox(
        Tool("get_weather", "Tells the weather in a city.", schema) { arguments -> weather(arguments) },
    )
    session.setToolRunner(box)
    val reply = session.respond("Do I need an umbrella in Paris?", GenerationOptions(tools = box.tools))
    println("${reply.toolCalls.map { it.name }}: ${reply.text}")
    // endregion
    return reply
}

internal suspend fun seed(session: UhlmSession): Pair<GenerationResult, GenerationResult> {
    // region seed
    val options = GenerationOptions(seed = 42uL)
    val reply = session.respond("Tell me a story.", options)
    session.reset()
    val again = session.respond("Tell me a story.", options)
    // endregion
    return reply to again
}

internal suspend fun errors(session: UhlmSession, signIn: suspend () -> Unit) {
    // region errors
    try {
        session.respond("What is 12 plus 30?")
    } catch (error: UhlmException) {
        when (val kind = error.kind) {
            ErrorKind.Unauthorized -> signIn()
            ErrorKind.Offline, ErrorKind.ServerBusy -> println("later: ${error.reason}")
            is ErrorKind.PromptTooLong -> println("${kind.tokens} tokens, and there is room for ${kind.capacity}")
            else -> println(error.hint)
        }
    }
    // endregion
}

internal fun token(endpoint: String, trust: TrustPolicy, account: Account): UhlmVerifier {
    // region token
    val tokens = TokenProvider { refresh ->
        if (refresh) account.renew()
        account.token ?: throw TokenException.Denied("signed out")
    }
    val verifier = UhlmVerifier(RemoteOptions(endpoint, trust), tokens)
    // endregion
    return verifier
}

internal interface Account {
    val token: String?
    suspend fun renew()
}

internal fun times(endpoint: String): Pair<SessionOptions, RemoteOptions> {
    // region times
    val options = SessionOptions(
        offline = OfflinePolicy.waitAtMost(10.seconds),
        link = LinkOptions.of(minDeadline = 300.milliseconds, maxDeadline = 4.seconds),
    )
    val remote = RemoteOptions.of(endpoint, connectTimeout = 3.seconds)
    // endregion
    return options to remote
}

internal fun logging() {
    // region logging
    installLogSink(LogLevel.INFO) { level, target, line -> println("$level $target: $line") }
    // endregion
}

internal suspend fun download(folder: String, trust: TrustPolicy, address: String, sha256: String): StoredModel? {
    // region download
    val store = UhlmModelStore(StoreOptions(folder, trust = trust))
    var model: StoredModel? = null
    store.downloadFlow(DownloadRequest(listOf(address), sha256 = sha256)).collect { event ->
        when (event) {
            is DownloadEvent.Progress -> println("${event.received} of ${event.total} bytes")
            is DownloadEvent.Finished -> model = event.model
        }
    }
    // endregion
    return model
}

internal suspend fun background(downloads: UhlmDownloads, request: DownloadRequest): StoredModel? {
    var model: StoredModel? = null
    // region background
    downloads.download(request).collect { state ->
        when (state) {
            is DownloadState.Waiting -> println("waits: ${state.cause}")
            is DownloadState.Running -> println("${state.progress.received} of ${state.progress.total} bytes")
            is DownloadState.Finished -> model = state.model
            is DownloadState.Failed -> println(state.error.hint)
        }
    }
    // endregion
    return model
}

internal fun pair(link: String, keep: (String) -> Unit): UhlmVerifier {
    // region pairing
    val read = VerifierLink(link)
    println("${read.endpoint()}, certificate ${read.fingerprint() ?: "of a public authority"}")
    read.token()?.let(keep)
    val verifier = UhlmVerifier(RemoteOptions(read.endpoint(), read.trust()))
    // endregion
    return verifier
}

internal suspend fun kit(folder: String, verifier: UhlmVerifier): UhlmSession {
    // region kit
    val kit = UhlmKit("qwen2.5-coder-0.5b-1.5b", UhlmModelStore(StoreOptions(folder)))
    if (kit.status() !is KitStatus.Ready) kit.downloadFlow().collect { event -> println(event) }
    val session = kit.openSession(verifier, SessionOptions(consent = Consent.CONVERSATION))
    // endregion
    return session
}

internal fun follow(device: UhlmDevice, session: UhlmSession) {
    // region device
    device.follow(session)
    println("battery ${device.state.value.battery}, metered ${device.networkState.value.metered}")
    // endregion
}

internal suspend fun restore(engine: UhlmEngine, saved: List<Message>): List<Message> {
    // region conversation
    val session = engine.openSession(options = SessionOptions(mode = Mode.DEVICE_ONLY))
    session.setMessages(saved)
    session.respond("And plus 8?")
    val messages = session.messages()
    // endregion
    session.shutDown()
    return messages
}
