alias Row4 = Draw4; // the left factor: draws
const ADD_OFFSETS = true;
