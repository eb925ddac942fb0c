package dev.uhlm

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.descriptors.PolymorphicKind
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.SerialKind
import kotlinx.serialization.descriptors.StructureKind
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonClassDiscriminator
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/**
 * Returns the JSON schema of what a serializer writes: its fields in their order, those without a default required,
 * and no others.
 *
 * A type may hold itself. There is no schema for open polymorphism and for contextual serializers, nor for maps whose
 * keys are no strings.
 *
 * @param descriptor the serializer's descriptor.
 * @param json what reads the value; it names the field that says which of a sealed class's classes a value is.
 * @throws IllegalArgumentException for a type that has no schema.
 */
@OptIn(ExperimentalSerializationApi::class)
public fun jsonSchemaOf(descriptor: SerialDescriptor, json: Json = Json): String =
    JsonSchema(json.configuration.classDiscriminator).of(descriptor)

/** Writes one schema. */
@OptIn(ExperimentalSerializationApi::class)
private class JsonSchema(private val discriminator: String) {
    /** The number of each class, a generic one for each of its arguments, and its schema once that is written. */
    private val numbers = mutableMapOf<SerialDescriptor, Int>()
    private val classes = mutableMapOf<String, JsonObject>()

    fun of(descriptor: SerialDescriptor): String {
        val root = schema(descriptor)
        return (if (classes.isEmpty()) root else JsonObject(root + (DEFINITIONS to JsonObject(classes)))).toString()
    }

    private fun schema(descriptor: SerialDescriptor): JsonObject {
        if (!descriptor.isInline) return orNull(ofKind(descriptor), descriptor.isNullable)
        val inner = descriptor.getElementDescriptor(0)
        return orNull(schema(inner), descriptor.isNullable && !inner.isNullable)
    }

    private fun orNull(schema: JsonObject, isNullable: Boolean) =
        if (isNullable) anyOf(schema, type("null")) else schema

    private fun ofKind(descriptor: SerialDescriptor): JsonObject = when (val kind = descriptor.kind) {
        PrimitiveKind.BOOLEAN -> type("boolean")
        PrimitiveKind.STRING -> type("string")
        PrimitiveKind.CHAR ->
            JsonObject(type("string") + ("minLength" to JsonPrimitive(1)) + ("maxLength" to JsonPrimitive(1)))
        PrimitiveKind.BYTE -> integer(Byte.MIN_VALUE.toLong(), Byte.MAX_VALUE.toLong())
        PrimitiveKind.SHORT -> integer(Short.MIN_VALUE.toLong(), Short.MAX_VALUE.toLong())
        PrimitiveKind.INT -> integer(Int.MIN_VALUE.toLong(), Int.MAX_VALUE.toLong())
        PrimitiveKind.LONG -> integer(-MOST_EXACT, MOST_EXACT)
        PrimitiveKind.FLOAT, PrimitiveKind.DOUBLE -> type("number")
        SerialKind.ENUM -> JsonObject(mapOf("enum" to JsonArray(names(descriptor).map(::JsonPrimitive))))
        StructureKind.LIST -> JsonObject(type("array") + ("items" to schema(descriptor.getElementDescriptor(0))))
        StructureKind.MAP -> {
            val key = descriptor.getElementDescriptor(0).kind
            require(key == PrimitiveKind.STRING) { "a map of ${descriptor.serialName} has keys that are no strings" }
            JsonObject(type("object") + ("additionalProperties" to schema(descriptor.getElementDescriptor(1))))
        }
        StructureKind.CLASS, StructureKind.OBJECT -> reference(descriptor) { fields(descriptor, emptyMap()) }
        PolymorphicKind.SEALED -> reference(descriptor) { sealed(descriptor) }
        PolymorphicKind.OPEN, SerialKind.CONTEXTUAL ->
            throw IllegalArgumentException("${descriptor.serialName} has no schema: its kind is $kind")
    }

    /** Returns a reference to a class, which is written when it is met first. */
    private fun reference(descriptor: SerialDescriptor, write: () -> JsonObject): JsonObject {
        val isNew = descriptor !in numbers
        val name = "t${numbers.getOrPut(descriptor) { numbers.size }}"
        if (isNew) classes[name] = write()
        return JsonObject(mapOf("\$ref" to JsonPrimitive("#/$DEFINITIONS/$name")))
    }

    private fun fields(descriptor: SerialDescriptor, first: Map<String, JsonObject>): JsonObject {
        val own = names(descriptor).withIndex()
        val required = first.keys + own.filterNot { descriptor.isElementOptional(it.index) }.map { it.value }
        val properties = first + own.associate { it.value to schema(descriptor.getElementDescriptor(it.index)) }
        return JsonObject(
            type("object") +
                ("properties" to JsonObject(properties)) +
                ("required" to JsonArray(required.map(::JsonPrimitive))) +
                ("additionalProperties" to JsonPrimitive(false)),
        )
    }

    /** A sealed class is one of its classes, which says which with its first field. */
    private fun sealed(descriptor: SerialDescriptor): JsonObject {
        val classes = descriptor.getElementDescriptor(1)
        val own = descriptor.annotations.filterIsInstance<JsonClassDiscriminator>().firstOrNull()?.discriminator
        return anyOf(
            *names(classes).mapIndexed { index, name ->
                val which = JsonObject(mapOf("const" to JsonPrimitive(name)))
                fields(classes.getElementDescriptor(index), mapOf((own ?: discriminator) to which))
            }.toTypedArray(),
        )
    }

    private fun names(descriptor: SerialDescriptor) = List(descriptor.elementsCount, descriptor::getElementName)

    private fun type(name: String) = JsonObject(mapOf("type" to JsonPrimitive(name)))

    private fun integer(least: Long, most: Long) =
        JsonObject(type("integer") + ("minimum" to JsonPrimitive(least)) + ("maximum" to JsonPrimitive(most)))

    private fun anyOf(vararg schemas: JsonObject) = JsonObject(mapOf("anyOf" to JsonArray(schemas.toList())))

    private companion object {
        const val DEFINITIONS = "\$defs"

        /** The greatest number up to which every reader of JSON tells whole numbers apart: 2^53 - 1. */
        const val MOST_EXACT = 9_007_199_254_740_991L
    }
}
