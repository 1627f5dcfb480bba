// Sums and maxima over the LANES invocations that share a row, by one fixed tree through workgroup memory.
var<workgroup> lane_values: array<vec4f, 64>;

fn sum_over_lanes(lane: u32, value: vec4f) -> vec4f {
    if (LANES == 1u) {
        return value;
    }
    lane_values[lane] = value;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if (lane % LANES < step) {
            lane_values[lane] += lane_values[lane + step];
        }
        workgroupBarrier();
    }
    let total = lane_values[lane - lane % LANES];
    workgroupBarrier();
    return total;
}

fn max_over_lanes(lane: u32, value: f32) -> f32 {
    if (LANES == 1u) {
        return value;
    }
    lane_values[lane] = vec4f(value);
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if (lane % LANES < step) {
            lane_values[lane] = max(lane_values[lane], lane_values[lane + step]);
        }
        workgroupBarrier();
    }
    let largest = lane_values[lane - lane % LANES].x;
    workgroupBarrier();
    return largest;
}
