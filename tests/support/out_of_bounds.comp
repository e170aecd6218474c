// Writes behind the end of a buffer: what GPU-assisted validation has to notice.
#version 450
layout(local_size_x = 1) in;
layout(binding = 0) buffer Words { uint words[]; };
layout(push_constant) uniform Push { uint index; };

void main()
{
    words[index] = 1;
}
