alias Left4 = vec4f; // the left factor: vectors
const ADD_OFFSETS = false;
