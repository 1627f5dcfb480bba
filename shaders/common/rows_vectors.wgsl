alias Row4 = vec4f; // the left factor: numbers in single precision
const ADD_OFFSETS = false;
