// Where a workgroup stands. The host folds one linear number of workgroups into the device's grid and may cut it between any
// two of them (runtime/stream.c), so a kernel asks for its linear index and for nothing else.
// Define PUSH, the kernel's own push constants, before including this.
layout(push_constant) uniform Push {
    uint first_group, end_group;
    PUSH
};

// True when the folded grid reaches past the end: the whole workgroup must return.
bool beyond_grid(out uint group)
{
    group = first_group + gl_WorkGroupID.x + gl_NumWorkGroups.x * (gl_WorkGroupID.y + gl_NumWorkGroups.y * gl_WorkGroupID.z);
    return group >= end_group;
}
