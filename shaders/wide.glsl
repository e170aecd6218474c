// Memory by address, for the kernels of today's lavapipe.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Word { float word; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Pair { uint64_t pair; };

// Two words from an address that is a multiple of 8.
vec2 two_words(Word at)
{
    return uintBitsToFloat(unpackUint2x32(Pair(at).pair));
}
