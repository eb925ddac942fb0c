package dev.uhlm

import kotlinx.coroutines.CancellationException

/**
 * A tool that a model may call, with what runs it.
 *
 * @property definition what the model is told of the tool.
 * @property run runs the tool: its argument is a JSON object as the model wrote it, which need not keep to the schema,
 * and its result is text that the model reads.
 */
public class Tool(public val definition: ToolDefinition, public val run: suspend (arguments: String) -> String) {
    /**
     * Makes a tool.
     *
     * @param name the name by which the model calls it.
     * @param description the purpose of the tool, in words that the model reads.
     * @param parameters the JSON schema of its arguments; an empty text for a tool without any.
     * @param run runs the tool.
     */
    public constructor(
        name: String,
        description: String,
        parameters: String = "",
        run: suspend (arguments: String) -> String,
    ) : this(ToolDefinition(name, description, parameters), run)
}

/**
 * Tools for the replies of a session, run as soon as the model calls them.
 *
 * Give it to the session with [UhlmSession.setToolRunner], and its [tools] to each reply that may use them. The tools
 * run on `Dispatchers.Default`, those of one reply side by side. A tool that throws [ToolException] tells the model its
 * reason. Of everything else that it throws the model only learns that the tool failed: a message might hold what the
 * verifier is not to see.
 *
 * @param offered the tools.
 * @param ask asks the person whether a call may be run, one call after another; the model is told of a call that may
 * not. Left out: every call is run at once.
 */
public class Toolbox(
    private val offered: List<Tool>,
    private val ask: (suspend (call: ToolCall) -> Boolean)? = null,
) : ToolRunner {
    /** The tools as [GenerationOptions.tools] takes them. */
    public val tools: Tools = Tools(
        definitions = offered.map(Tool::definition),
        usage = if (ask == null) ToolUse.AUTOMATIC else ToolUse.ASK,
    )

    /** Makes a box of tools that are run without asking. */
    public constructor(vararg offered: Tool) : this(offered.toList())

    override suspend fun allows(call: ToolCall): Boolean = guarded { ask?.invoke(call) ?: true }

    override suspend fun run(call: ToolCall): String = guarded {
        val tool = offered.find { it.definition.name == call.name }
            ?: throw ToolException.Failed("there is no tool '${call.name}'")
        tool.run(call.arguments)
    }

    private inline fun <T> guarded(block: () -> T): T = try {
        block()
    } catch (told: ToolException) {
        throw told
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (_: Throwable) {
        // Errors are caught, too: one that leaves the coroutine would end the app.
        throw ToolException.Failed("the tool failed")
    }
}
