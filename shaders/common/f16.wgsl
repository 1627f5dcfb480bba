enable f16;
alias Draw4 = vec4<f16>; // how draws are stored
