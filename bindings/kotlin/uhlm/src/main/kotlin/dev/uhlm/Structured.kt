package dev.uhlm

import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.json.Json
import kotlinx.serialization.serializer

/**
 * A reply that was to have a form ended before it was whole: a limit cut it.
 *
 * @property text the text that was written.
 * @property finish the reason for its end.
 */
public class IncompleteReplyException(
    public val text: String,
    public val finish: FinishReason,
) : Exception("the reply ended before it was whole: $finish")

/**
 * Generates a reply to the person's next message as a value of [T]: the model can write nothing but JSON of its
 * serializer, whose schema goes with the message ([jsonSchemaOf]).
 *
 * ```
 * @Serializable
 * data class Person(val name: String, val age: Int)
 *
 * val person = session.respondAs<Person>("Mara is 31 and lives in Bonn.")
 * ```
 *
 * @param prompt the person's message.
 * @param options the options of this reply; its grammar is taken from [T].
 * @param json what reads the value.
 * @throws IncompleteReplyException if a limit cuts the reply.
 * @throws IllegalArgumentException for a type that has no schema.
 * @throws UhlmException as [generate] does.
 */
public suspend inline fun <reified T> UhlmSessionInterface.respondAs(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
    json: Json = Json,
): T = respondAs(Prompt.Chat(prompt), serializer<T>(), options, json)

/**
 * Generates a reply as a value that a serializer reads.
 *
 * @param prompt the text to continue: a message of the person, or raw text.
 * @param deserializer the serializer of the value.
 * @param options the options of this reply; its grammar is taken from the serializer.
 * @param json what reads the value.
 * @throws IncompleteReplyException if a limit cuts the reply.
 * @throws IllegalArgumentException for a type that has no schema.
 * @throws UhlmException as [generate] does.
 */
public suspend fun <T> UhlmSessionInterface.respondAs(
    prompt: Prompt,
    deserializer: DeserializationStrategy<T>,
    options: GenerationOptions = GenerationOptions(),
    json: Json = Json,
): T {
    val grammar = Grammar.JsonSchema(jsonSchemaOf(deserializer.descriptor, json))
    val result = respond(prompt, options.copy(grammar = grammar))
    // A session that is shut down meanwhile ends a reply without an error.
    if (result.statistics.grammarComplete != true) throw IncompleteReplyException(result.text, result.finish)
    return json.decodeFromString(deserializer, result.text)
}
