package dev.uhlm

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlinx.serialization.ContextualSerializer
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.InternalSerializationApi
import kotlinx.serialization.SealedSerializationApi
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.MapSerializer
import kotlinx.serialization.builtins.nullable
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.descriptors.PolymorphicKind
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.SerialKind
import kotlinx.serialization.descriptors.buildClassSerialDescriptor
import kotlinx.serialization.descriptors.buildSerialDescriptor
import kotlinx.serialization.descriptors.element
import kotlinx.serialization.descriptors.listSerialDescriptor
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject

/** Schemas of serializers. */
@OptIn(ExperimentalSerializationApi::class, InternalSerializationApi::class, SealedSerializationApi::class)
class JsonSchemaTest {
    private fun parsed(schema: String) = Json.parseToJsonElement(schema).jsonObject

    @Test
    fun `a class is an object with its fields in order, and those without a default are required`() {
        val person = buildClassSerialDescriptor("Person") {
            element<String>("name")
            element<Int>("age")
            element("tags", listSerialDescriptor<String>(), isOptional = true)
            element("note", String.serializer().nullable.descriptor)
        }
        val schema = parsed(jsonSchemaOf(person))
        assertEquals("\"#/\$defs/t0\"", schema["\$ref"].toString())
        val fields = schema["\$defs"]!!.jsonObject["t0"]!!.jsonObject
        assertEquals(listOf("name", "age", "tags", "note"), fields["properties"]!!.jsonObject.keys.toList())
        assertEquals("""["name","age","note"]""", fields["required"].toString())
        assertEquals("false", fields["additionalProperties"].toString())
        assertEquals(2, fields["properties"]!!.jsonObject["note"]!!.jsonObject["anyOf"]!!.jsonArray.size)
    }

    @Test
    fun `maps lists and numbers have schemas, and what has none is refused`() {
        val map = MapSerializer(String.serializer(), ListSerializer(Double.serializer())).descriptor
        assertEquals(
            """{"type":"object","additionalProperties":{"type":"array","items":{"type":"number"}}}""",
            jsonSchemaOf(map),
        )
        val numbered = MapSerializer(Int.serializer(), Boolean.serializer()).descriptor
        assertFailsWith<IllegalArgumentException> { jsonSchemaOf(numbered) }
        assertFailsWith<IllegalArgumentException> { jsonSchemaOf(ContextualSerializer(Any::class).descriptor) }
    }

    /** A descriptor that is known only later, as that of a type which holds itself. */
    private class Later(override val serialName: String, override val kind: SerialKind, of: () -> SerialDescriptor) :
        SerialDescriptor {
        private val inner by lazy(of)
        override val elementsCount get() = inner.elementsCount

        override fun getElementName(index: Int) = inner.getElementName(index)

        override fun getElementIndex(name: String) = inner.getElementIndex(name)

        override fun getElementAnnotations(index: Int) = inner.getElementAnnotations(index)

        override fun getElementDescriptor(index: Int) = inner.getElementDescriptor(index)

        override fun isElementOptional(index: Int) = inner.isElementOptional(index)
    }

    @Test
    fun `a sealed class may hold itself, and its field is named as what reads it names it`() {
        lateinit var tree: SerialDescriptor
        val again = Later("Tree", PolymorphicKind.SEALED) { tree }
        val leaf = buildClassSerialDescriptor("Leaf") { element<Int>("value") }
        val node = buildClassSerialDescriptor("Node") { element("left", again) }
        tree = buildSerialDescriptor("Tree", PolymorphicKind.SEALED) {
            element("type", String.serializer().descriptor)
            element("value", buildSerialDescriptor("Tree of", SerialKind.CONTEXTUAL) {
                element("leaf", leaf)
                element("node", node)
            })
        }
        val definitions = parsed(jsonSchemaOf(tree, Json { classDiscriminator = "kind" }))["\$defs"]!!.jsonObject
        val classes = definitions["t0"]!!.jsonObject["anyOf"]!!.jsonArray.map { it.jsonObject }
        assertEquals(listOf("[\"kind\",\"value\"]", "[\"kind\",\"left\"]"), classes.map { it["required"].toString() })
        assertEquals("{\"const\":\"leaf\"}", classes[0]["properties"]!!.jsonObject["kind"].toString())
        // The type that is known later is written once more, and then refers to itself.
        assertEquals(2, definitions.size)
    }

    @Test
    fun `a generic class has a schema for each of its arguments`() {
        fun box(of: SerialDescriptor) = buildClassSerialDescriptor("Box", of) { element("value", of) }
        val pair = buildClassSerialDescriptor("Pair") {
            element("first", box(Int.serializer().descriptor))
            element("second", box(String.serializer().descriptor))
            element("third", box(Int.serializer().descriptor))
        }
        val definitions = parsed(jsonSchemaOf(pair))["\$defs"]!!.jsonObject
        val fields = definitions["t0"]!!.jsonObject["properties"]!!.jsonObject
        assertEquals(listOf("t1", "t2", "t1"), fields.values.map { it.toString().substringAfterLast('/').dropLast(2) })
        val boxed = definitions["t2"]!!.jsonObject["properties"]!!.jsonObject
        assertEquals("{\"type\":\"string\"}", boxed["value"].toString())
    }
}
