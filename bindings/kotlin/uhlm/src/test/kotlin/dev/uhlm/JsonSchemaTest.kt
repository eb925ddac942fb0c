package dev.uhlm

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlinx.serialization.ContextualSerializer
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.MapSerializer
import kotlinx.serialization.builtins.nullable
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.descriptors.buildClassSerialDescriptor
import kotlinx.serialization.descriptors.element
import kotlinx.serialization.descriptors.listSerialDescriptor
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject

/** Schemas of serializers. */
@OptIn(ExperimentalSerializationApi::class)
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
}
