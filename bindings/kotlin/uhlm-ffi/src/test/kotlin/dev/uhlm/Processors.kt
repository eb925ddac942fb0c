package dev.uhlm

/** What Linux says of the processors of some devices, shortened to the lines that count. */
internal object Processors {
    /** Cortex-A53, as in many phones from before 2018: ARMv8.0. */
    val CORTEX_A53 = arm(List(8) { "fp asimd evtstrm aes pmull sha1 sha2 crc32" })

    /** Snapdragon 845 (2018), whose kernel names half precision and no dot products. */
    val SNAPDRAGON_845 = arm(List(8) { "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp" })

    private const val DOT_PRODUCTS = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm " +
        "lrcpc dcpop asimddp"

    /** Snapdragon 855 (2019): Cortex-A76 and Cortex-A55. */
    val SNAPDRAGON_855 = arm(List(8) { DOT_PRODUCTS })

    private const val MATRICES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm " +
        "jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg " +
        "dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svebf16 i8mm bti mte mte3"

    /** Tensor G3, of the Pixel 8 (2023): Cortex-X3, Cortex-A715 and Cortex-A510. */
    val TENSOR_G3 = arm(List(9) { MATRICES })

    /** Processors of two kinds, of which one multiplies matrices. */
    val MIXED = arm(List(4) { DOT_PRODUCTS } + List(4) { MATRICES })

    private const val SSE = "fpu vme de pse tsc msr pae cx8 apic mmx fxsr sse sse2 ht syscall nx lm constant_tsc pni " +
        "pclmulqdq ssse3 cx16 sse4_1 sse4_2 x2apic popcnt aes"

    /** An emulator's processor that is no more than the ABI promises. */
    val X86_64 = x86(SSE)

    /** A processor of 2011 has AVX and no AVX2. */
    val X86_64_AVX = x86("$SSE xsave avx")

    val X86_64_AVX2 = x86("$SSE xsave avx f16c rdrand fma movbe abm fsgsbase bmi1 avx2 smep bmi2 erms")

    private fun arm(features: List<String>) = features.withIndex().joinToString("\n") { (index, names) ->
        """
        processor	: $index
        BogoMIPS	: 38.40
        Features	: $names
        CPU implementer	: 0x41
        CPU architecture: 8
        """.trimIndent() + "\n"
    } + "\nHardware	: Somebody's flags and Features\n"

    private fun x86(flags: String) = List(2) { index ->
        """
        processor	: $index
        vendor_id	: GenuineIntel
        flags		: $flags
        vmx flags	: vnmi preemption_timer
        bugs		: spectre_v1 spectre_v2
        """.trimIndent() + "\n"
    }.joinToString("\n")
}
