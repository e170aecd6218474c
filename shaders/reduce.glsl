// Sums over a workgroup of 64 threads, in a fixed order.
shared float reduce_shared[64];

float workgroup_sum(float value)
{
    uint thread = gl_LocalInvocationIndex;
    barrier();
    reduce_shared[thread] = value;
    for (uint step = 32; step > 0; step /= 2) {
        barrier();
        if (thread < step)
            reduce_shared[thread] += reduce_shared[thread + step];
    }
    barrier();
    return reduce_shared[0];
}

float workgroup_max(float value)
{
    uint thread = gl_LocalInvocationIndex;
    barrier();
    reduce_shared[thread] = value;
    for (uint step = 32; step > 0; step /= 2) {
        barrier();
        if (thread < step)
            reduce_shared[thread] = max(reduce_shared[thread], reduce_shared[thread + step]);
    }
    barrier();
    return reduce_shared[0];
}
