alias Draw4 = vec4f; // how draws are stored
